"""What `device` of a model may be: one device, or several GPUs, each with a process and sources of its own."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

from mpipeline.errors import ConfigError

_CUDA = re.compile(r"cuda(:\d{1,3})?")
_MEANT = re.compile(r"cuda|gpu|nvidia", re.IGNORECASE)


def _checked(device: str | tuple[str, ...]) -> str | tuple[str, ...]:
    for one in as_list(device):
        if _MEANT.match(one) and not _CUDA.fullmatch(one):
            raise ValueError(f"expected cuda, or cuda:1 for the second GPU and so on, got {one!r}")
        if not isinstance(device, str) and one == "auto":
            raise ValueError("a list names its devices, and 'auto' is none of them")
        if not isinstance(device, str) and device.count(one) > 1:
            raise ValueError(f"{one!r} is named twice")
    if not device:
        raise ValueError("expected auto, cpu, cuda or cuda:1, or a list of them")
    return device


Device = Annotated[str | tuple[str, ...], AfterValidator(_checked)]


def as_list(device: str | tuple[str, ...]) -> tuple[str, ...]:
    """All of them."""
    return (device,) if isinstance(device, str) else device


def only(device: str | tuple[str, ...]) -> str:
    """The one of a model that is executed in one process. Raises ConfigError if there are several."""
    first, *others = as_list(device)
    if others:
        raise ConfigError(f"device: one process executes a model on one device, not on {first} and {others[0]}")
    return first
