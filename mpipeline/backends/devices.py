"""Which device a config asks for, in the words that all backends share."""

from __future__ import annotations

import re

from mpipeline.errors import ConfigError

_CUDA = re.compile(r"cuda(?::(\d{1,3}))?")

MOST_BATCHES = 3
"""How many batches a GPU has a use for at a time: one goes up, one computes, one comes down."""


def gpu_of(device: str) -> int | None:
    """The number of the GPU in "cuda:1", 0 in "cuda", None where no GPU is asked for by name."""
    found = _CUDA.fullmatch(device)
    return None if found is None else int(found[1] or 0)


def check_device(backend: str, device: str, *, cpu: bool, gpu: bool) -> None:
    """Raises ConfigError if that is no device of the backend, which has a CPU, a GPU or both."""
    names = ["'auto'", *(["'cpu'"] if cpu else []), *(["'cuda'", "'cuda:1' and so on"] if gpu else [])]
    known = device == "auto" or (cpu and device == "cpu") or (gpu and gpu_of(device) is not None)
    if not known:
        where = "a GPU" if not cpu else "the CPU or a GPU" if gpu else "the CPU"
        listed = f"{', '.join(names[:-1])} or {names[-1]}"
        raise ConfigError(f"backend {backend} runs on {where}: device is {listed}, not {device!r}")
