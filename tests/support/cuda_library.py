"""Builds the driver library of cuda_driver.c, alone or with everything that pycuda wants of one."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("cuda_driver.c")


def build_driver(folder: Path, extension: Path | None = None, kernels: Path | None = None, **defined: int) -> Path:
    """The library in the folder, called as the driver's, with the kernels of the library `kernels`.

    What else `extension` needs of it, fails when it is called.
    """
    library = folder / "libcuda.so.1"
    flags = ["-shared", "-fPIC", "-D_GNU_SOURCE", "-w", *(f"-D{name}={value}" for name, value in defined.items())]
    if kernels is not None:
        flags.append(f'-DKERNELS="{kernels}"')
    sources = [SOURCE]
    if extension is not None:
        wanted = subprocess.run(["nm", "-D", "--undefined-only", extension], capture_output=True, text=True, check=True)
        names = set(re.findall(r"\bcu[A-Z]\w+", wanted.stdout)) - set(re.findall(r"\bcu[A-Z]\w+", SOURCE.read_text()))
        flags.append("-Wl,-soname,libcuda.so.1")  # a process that has loaded it takes it for the driver from then on
        sources.append(folder / "others.c")
        sources[-1].write_text("".join(f"int {name}(void) {{ return 801; }}\n" for name in sorted(names)))
    subprocess.run(["cc", *flags, "-o", library, *sources, "-ldl"], check=True)
    return library
