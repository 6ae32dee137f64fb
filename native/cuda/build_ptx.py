"""Makes mpipeline/cuda/kernels.ptx of kernels.cu, with nvcc of the CUDA toolkit or of PyPI's nvidia-cuda-nvcc.

    python native/cuda/build_ptx.py            # writes the file
    python native/cuda/build_ptx.py --check    # also assembles it for every architecture, which writes nothing

The file is code for a virtual machine, which the driver compiles for its GPU. It is made for compute capability 7.5,
the oldest that compilers still know, and calls itself the oldest version of PTX that has it: a driver refuses what
calls itself newer than the driver, though it may use nothing new. Whether it does, the assembler finds out.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]
SHIPPED = ROOT / "mpipeline" / "cuda" / "kernels.ptx"
ARCHITECTURES = (75, 80, 86, 87, 88, 89, 90, 100, 103, 110, 120, 121)  # from T4 to Thor and RTX 50

_VIRTUAL = "compute_75"
_VERSION = "6.3"  # of PTX, the first that has 7.5: drivers of CUDA 10 and later
_MEMORY = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")


def tool(name: str) -> str | None:
    """Where nvcc or ptxas is: on the path, or in a package beside this Python; None if nowhere."""
    packages = Path(sysconfig.get_paths()["purelib"])
    found = [shutil.which(name), *map(str, sorted(packages.glob(f"nvidia/*/bin/{name}")))]
    return next((path for path in found if path is not None), None)


def made_with(ptx: str) -> str:
    """The version of the compiler that has made PTX: 13.0.88. Each makes its own text."""
    match = re.search(r"^// Cuda compilation tools, .*V(\S+)$|^// Made .* by CUDA (\S+)\.$", ptx, re.MULTILINE)
    if match is None:
        raise SystemExit("the PTX tells no version of its compiler")
    return match.group(1) or match.group(2)


def compiled(nvcc: str) -> str:
    """The PTX. The same text from each compiler of a version, wherever the sources lie."""
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "kernels.ptx"
        # No fused multiply-add: the arithmetic is that of the pass on the processor.
        options = ["-std=c++20", "-O3", "-fmad=false", "--expt-relaxed-constexpr", f"-I{ROOT / 'native' / 'include'}"]
        _run([nvcc, "-ptx", f"-arch={_VIRTUAL}", *options, "-o", str(made), "kernels.cu"])
        text = made.read_text(encoding="ascii")
    code = "\n".join(line.rstrip() for line in text.splitlines() if not line.startswith("//"))
    lowered, times = re.subn(r"^\.version \S+$", f".version {_VERSION}", code, flags=re.MULTILINE)
    if times != 1:
        raise SystemExit(f"{nvcc} wrote {times} lines with a version")
    origin = f"// Made of native/cuda/kernels.cu with native/cuda/build_ptx.py by CUDA {made_with(text)}."
    return f"{origin}\n{lowered.strip()}\n"


def assembled(ptxas: str, ptx: Path, architecture: int) -> list[str]:
    """What the assembler tells about each kernel for this architecture. Raises SystemExit if one needs a stack."""
    with tempfile.TemporaryDirectory() as folder:
        command = [ptxas, "-v", f"-arch=sm_{architecture}", "-o", f"{folder}/kernels.cubin", str(ptx)]
        told = _run(command)
    usage = _MEMORY.findall(told)
    if not usage or any(numbers != ("0", "0", "0") for numbers in usage):
        raise SystemExit(f"sm_{architecture}: a kernel does not fit the registers:\n{told}")
    return re.findall(r"Used \d+ registers.*", told)


def _run(command: Sequence[str]) -> str:
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="assemble what was made for every architecture")
    check = parser.parse_args().check
    nvcc, ptxas = tool("nvcc"), tool("ptxas")
    if nvcc is None or (check and ptxas is None):
        raise SystemExit("nvcc and ptxas are not installed: pip install nvidia-cuda-nvcc")
    SHIPPED.write_text(compiled(nvcc), encoding="ascii")
    print(f"{SHIPPED.relative_to(ROOT)}: {SHIPPED.stat().st_size} bytes")
    if check and ptxas is not None:
        for architecture in ARCHITECTURES:
            for line in assembled(ptxas, SHIPPED, architecture):
                print(f"sm_{architecture}: {line}")


if __name__ == "__main__":
    sys.exit(main())
