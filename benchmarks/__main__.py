"""Names the programs: `python -m benchmarks`; one is run by `python -m benchmarks.NAME`."""

from __future__ import annotations

import ast
import pkgutil
from pathlib import Path

import benchmarks


def programs() -> dict[str, str]:
    """Name → first sentence of what it says of itself, of everything here that can be run."""
    found = {}
    for module in pkgutil.iter_modules(benchmarks.__path__):
        path = Path(benchmarks.__path__[0]) / module.name
        path = path / "__main__.py" if module.ispkg else path.with_suffix(".py")
        if module.name == "__main__" or not path.exists():
            continue
        text = path.read_text(encoding="utf-8")
        if '__name__ == "__main__"' in text:
            found[module.name] = (ast.get_docstring(ast.parse(text)) or "").partition("\n\n")[0].replace("\n", " ")
    return found


def main() -> None:
    """Prints them."""
    print("Each measures against a rival or a limit in the same run; --help tells how.\n")
    for name, sentence in programs().items():
        print(f"python -m benchmarks.{name}\n    {sentence}")


if __name__ == "__main__":
    main()
