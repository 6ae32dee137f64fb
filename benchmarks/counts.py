"""Instructions of the hot native functions, held against the table that is kept with them: counts, and no times.

    python -m benchmarks.counts            # counts and compares; exit code 1 if a function has grown by over a tenth
    python -m benchmarks.counts --update   # writes the table anew, after a change that was meant

The same program does the same work on the same data on any machine, so that its count says what a time on a shared
machine cannot. It is counted by valgrind, which has no AVX-512: of each function the AVX2 path is counted, which is
also the one that runs on processors with AVX-512, and the plain path, which runs where AVX2 is missing. What a compiler
makes of the code is its own, so each has a table of its own; without one nothing is compared, and that is told.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import ROOT

TABLE = ROOT / "native" / "counts" / "instructions.json"
_TOLERANCE = 0.10
_COUNTED = "counted_rounds"  # the function in counts.cpp of which one call is one case
_TOTALS = re.compile(r"^totals: (\d+)", re.MULTILINE)

Counts = dict[str, int]  # case → instructions of one call


def build(folder: Path) -> Path:
    """The program with the cases, compiled as the extension is, in `folder`."""
    configure = ["cmake", "-S", str(ROOT), "-B", str(folder), "-G", "Ninja", "-DMPIPELINE_NATIVE_TESTS=ON"]
    for command in (configure, ["cmake", "--build", str(folder), "--target", "counts"]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"the program to be counted cannot be built:\n{done.stdout}{done.stderr}")
    return folder / "native" / "counts" / "counts"


def count(program: Path) -> tuple[str, Counts]:
    """The compiler that made `program`, and the instructions of each of its cases."""
    if shutil.which("valgrind") is None:
        raise SystemExit("valgrind counts the instructions and is not installed: apt-get install valgrind")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", str(program)]
        command[2:2] = [f"--zero-before={_COUNTED}", f"--dump-after={_COUNTED}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{program} failed under valgrind:\n{done.stdout}{done.stderr}")
        compiler, *cases = done.stdout.splitlines()
        counts: Counts = {}
        for number, case in enumerate(cases, 1):
            rounds, _, name = case.partition(" ")
            found = _TOTALS.search(Path(f"{out}.{number}").read_text())
            if found is None:
                raise SystemExit(f"valgrind counted nothing for {name!r}")
            counts[name] = round(int(found[1]) / int(rounds))
    return compiler, counts


def compare(now: Counts, kept: Counts) -> list[str]:
    """Prints both side by side; returns what is wrong, a sentence each."""
    wrong = []
    for name in sorted(now | kept):
        before, after = kept.get(name), now.get(name)
        if before is None:
            wrong.append(f"{name}: not in the table, {after:,} instructions now")
        elif after is None and name.endswith(" avx2"):
            print(f"{name:52} {before:14,}     not counted: no AVX2 here")
        elif after is None:
            wrong.append(f"{name}: in the table, and no longer among the cases")
        else:
            print(f"{name:52} {before:14,} {after:14,} {after / before:8.3f}")
            if after > before * (1 + _TOLERANCE):
                wrong.append(f"{name}: from {before:,} to {after:,} instructions, x {after / before:.2f}")
    return wrong


def main() -> int:
    """Counts, then compares or writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "counts", metavar="FOLDER", help="build there")
    parser.add_argument("--update", action="store_true", help="write the table of this compiler anew")
    arguments = parser.parse_args()
    compiler, now = count(build(arguments.build))
    tables: dict[str, Counts] = json.loads(TABLE.read_text()) if TABLE.exists() else {}
    if arguments.update:
        tables[compiler] = now
        TABLE.write_text(json.dumps(tables, indent=1) + "\n")
        print(f"{len(now)} functions, {compiler}: {TABLE.relative_to(ROOT)}")
        return 0
    if compiler not in tables:
        print(f"not compared: {TABLE.name} has counts of {', '.join(tables)}, and this is {compiler}")
        return 0
    wrong = compare(now, tables[compiler])
    for sentence in wrong:
        print(sentence, file=sys.stderr)
    if wrong:
        print("If this was meant: python -m benchmarks.counts --update", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
