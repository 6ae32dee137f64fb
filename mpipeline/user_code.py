"""Finds what a config names as "module:Class" in code of the user's, and the line of it that an error comes from."""

from __future__ import annotations

import os
import sys
import traceback
from typing import Any

from mpipeline import registry


def imported(target: str) -> Any:
    """The object behind "module:attribute"; modules in the current folder count too.

    Raises ConfigError, with the reason as its cause, if there is none or its module does not load.
    """
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)
    return registry.resolve(target)


def place_of(error: BaseException, target: str, caller: str) -> str:
    """The last line of the target's module that took part in `error`, as " (file:line in function)".

    The last line of all where none of that module did, and nothing without any. Those of the file `caller` do not
    count.
    """
    module = sys.modules.get(target.partition(":")[0])
    ours = (caller, __file__, registry.resolve.__code__.co_filename)
    frames = [
        each
        for each in traceback.extract_tb(error.__traceback__)
        if each.filename not in ours and "importlib" not in each.filename
    ]
    theirs = [each for each in frames if module is not None and each.filename == getattr(module, "__file__", None)]
    for each in (theirs or frames)[-1:]:
        return f" ({each.filename}:{each.lineno} in {each.name})"
    return ""
