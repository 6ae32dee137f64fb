"""What a process that is started takes over from its parent: the environment and the current folder, as a value."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any


def inheritance() -> dict[str, Any]:
    """What a process would take over that this one started now: `environment`, and `folder`, None if it is removed."""
    folder = None
    with suppress(OSError):
        folder = os.getcwd()
    return {"environment": dict(os.environ), "folder": folder}


def inherit(given: Mapping[str, Any]) -> None:
    """Makes this process as if it had been started by the one that said so."""
    if given["folder"] is not None:
        with suppress(OSError):
            os.chdir(given["folder"])
    if given["environment"] != dict(os.environ):
        os.environ.clear()
        os.environ.update(given["environment"])
