"""Keeps compiled models for later runs: opening one is several times as fast as compiling it again.

A file is the SHA-256 of what follows, a line of JSON with the model's metadata, and what the library wrote. One of
which a bit has changed is as good as none: libraries take it, and infer something else.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

_SUFFIX = ".compiled"
_MOST = 8  # files; those that were not used for longest go


class CompiledFile:
    """The compiled model of one case in a folder; `case` says all on which it depends, as JSON can say it."""

    def __init__(self, folder: Path, case: Mapping[str, Any]) -> None:
        name = hashlib.sha256(json.dumps(case, sort_keys=True).encode()).hexdigest()[:32]
        self._path = folder / f"{name}{_SUFFIX}"

    def load(self) -> tuple[dict[str, str], bytes] | None:
        """The metadata and the compiled model; None if there is none, or it is damaged."""
        try:
            content = self._path.read_bytes()
        except OSError:
            return None
        digest, told = content[:32], memoryview(content)[32:]
        if hashlib.sha256(told).digest() != digest:
            return None
        line, _, compiled = content[32:].partition(b"\n")
        with suppress(OSError):  # read-only, or removed by another process
            os.utime(self._path)
        return json.loads(line), compiled

    def keep(self, metadata: Mapping[str, str], compiled: bytes) -> None:
        """Writes it, in place of an earlier one. Raises OSError."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        told = json.dumps(dict(metadata)).encode() + b"\n" + compiled
        beside = self._path.with_suffix(f".{os.getpid()}")
        try:
            beside.write_bytes(hashlib.sha256(told).digest() + told)
            os.replace(beside, self._path)
        finally:
            beside.unlink(missing_ok=True)
        for old in sorted(self._path.parent.glob(f"*{_SUFFIX}"), key=_last_use, reverse=True)[_MOST:]:
            old.unlink(missing_ok=True)


def _last_use(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # removed by another process
        return 0.0
