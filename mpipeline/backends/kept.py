"""Files that are kept for later runs: a line with the SHA-256 of all that follows, a line of JSON, and bytes.

One of which a bit has changed is as good as none: libraries take it, and infer something else. `head -2 FILE` shows
what it is.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

_MARK = b"mpipeline-kept-1 "
_LONGEST_LINE = 1 << 24  # bytes


def read(path: Path) -> tuple[dict[str, Any], bytes] | None:
    """What the file says of itself, and the bytes; None if there is none, or it is damaged or cut off."""
    try:
        with path.open("rb") as file:
            first, second = file.readline(_LONGEST_LINE), file.readline(_LONGEST_LINE)
            content = file.read()
    except OSError:
        return None
    digest = hashlib.sha256(second)
    digest.update(content)
    if first != _MARK + digest.hexdigest().encode() + b"\n":
        return None
    told: dict[str, Any] = json.loads(second)
    return told, content


def write(path: Path, told: Mapping[str, Any], content: bytes) -> None:
    """Writes it, in place of an earlier one, so that at every moment there is a whole one or none. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps(dict(told)).encode() + b"\n"
    digest = hashlib.sha256(line)
    digest.update(content)
    beside = path.with_suffix(f".{os.getpid()}")
    try:
        with beside.open("wb") as file:
            file.writelines((_MARK, digest.hexdigest().encode(), b"\n", line, content))
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def note_use(path: Path) -> None:
    """Makes it the one that was used last."""
    with suppress(OSError):  # read-only, or removed by another process
        os.utime(path)


def last_use(path: Path) -> float:
    """When it was written or used last, in seconds since 1970; 0 if another process has removed it."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
