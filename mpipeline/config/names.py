"""Names for what the config leaves nameless: from a source's address, from a sink's kind; each one once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from mpipeline.config.explain import PLAIN

LONGEST_NAME = 64
_LARGEST_NUMBER = 10**12  # that is taken for one of a camera; most of them are none, which is told
_NUMBER = re.compile(r"[0-9]{1,6}")  # of a camera
LONGEST_RUN_NAME = 40  # it is part of a socket's path, which may have 107 characters in all
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_RUN_NAME = re.compile(r"[a-z0-9_][a-z0-9_.-]*")


def checked_name(name: str) -> str:
    """`name`, which becomes part of file names; raises ValueError if it cannot."""
    if not _NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        raise ValueError(
            f"expected up to {LONGEST_NAME} letters, digits, '-', '_' and '.', not beginning with '-' or '.'"
        )
    return name


def checked_run_name(name: str) -> str:
    """`name`, which becomes part of paths and of shared memory's names; raises ValueError if it cannot."""
    if name.endswith(".lock"):  # such a folder would look like the lock of another run
        raise ValueError("a run's name must not end in '.lock'")
    if not _RUN_NAME.fullmatch(name) or len(name) > LONGEST_RUN_NAME:
        raise ValueError(
            f"expected up to {LONGEST_RUN_NAME} small letters, digits, '-', '_' and '.', not beginning with '-' or '.'"
        )
    return name


def run_name(stem: str) -> str:
    """A run's name from the stem of its config file."""
    return _cleaned(stem.lower())[:LONGEST_RUN_NAME].strip("-.").removesuffix(".lock") or "run"


def address(uri: Any) -> str | None:
    """A `uri` as text: the number of a camera needs no quotes. None if it is neither text nor such a number."""
    if isinstance(uri, int) and not isinstance(uri, bool) and abs(uri) <= _LARGEST_NUMBER:
        return str(uri)
    return uri if isinstance(uri, str) else None


def source_base(uri: Any, kind: Any, index: int) -> str:
    """The name that a nameless source would get were it alone: the stem of its path, its host, or kind and number."""
    base = _cleaned(_stem(address(uri) or ""))[:LONGEST_NAME].strip("-.")
    return base or f"{kind if isinstance(kind, str) else 'source'}-{index + 1}"


def unique_names(given: Sequence[str | None], bases: Sequence[str]) -> list[str]:
    """A name for each: the given one, else its base, with "-2", "-3", … where that is taken."""
    taken = {name for name in given if name}
    names = []
    for name, base in zip(given, bases, strict=True):
        free, number = name or base, 1
        while not name and free in taken:
            number += 1
            free = f"{base[: LONGEST_NAME - 5]}-{number}"
        taken.add(free)
        names.append(free)
    return names


def named(specs: tuple[Any, ...], bases: list[str], group: str) -> tuple[Any, ...]:
    """The specs, each with a name of its own; raises if two were given the same."""
    first: dict[str, int] = {}
    errors = []
    for index, name in enumerate(spec.name for spec in specs):
        if name and name in first:
            message = f"duplicate name {name!r}: {group}[{first[name]}] has it already"
            kind = PydanticCustomError(PLAIN, "{message}", {"message": message})
            errors.append(InitErrorDetails(type=kind, loc=(index, "name"), input=name))
        first.setdefault(name, index)
    if errors:
        raise ValidationError.from_exception_data("config", errors, hide_input=True)
    unique = unique_names([spec.name for spec in specs], bases)
    return tuple(spec.model_copy(update={"name": name}) for spec, name in zip(specs, unique, strict=True))


def source_names(items: Sequence[Any]) -> list[str]:
    """The names of the sources in a config that is not checked yet."""
    pairs = [item if isinstance(item, dict) else {} for item in items]
    bases = [source_base(item.get("uri"), item.get("kind"), index) for index, item in enumerate(pairs)]
    return unique_names([_text(item.get("name")) for item in pairs], bases)


def sink_names(items: Sequence[Any]) -> list[str]:
    """The names of the sinks in a config that is not checked yet."""
    pairs = [item if isinstance(item, dict) else {} for item in items]
    bases = [_text(item.get("kind")) or "sink" for item in pairs]
    return unique_names([_text(item.get("name")) for item in pairs], bases)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _cleaned(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", text).strip("-.")


def _stem(uri: str) -> str:
    """The last part of a path without its ending; nothing of a user part or a query, which may hold a password."""
    if _NUMBER.fullmatch(uri.strip()):
        return f"video{int(uri)}"  # the camera of that number, as its path ends
    _, separator, rest = uri.partition("://")
    if not separator:
        return PurePosixPath(uri).stem if "/" in uri or "." in uri else uri.partition(":")[0]
    host, _, path = re.split(r"[?#]", rest.rpartition("@")[2], maxsplit=1)[0].partition("/")
    path = path.rstrip("/")
    if not path or "=" in path:
        return host.rpartition("]")[0] or host.partition(":")[0]
    return PurePosixPath(path).stem
