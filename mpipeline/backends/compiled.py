"""Keeps compiled models for later runs: opening one is several times as fast as compiling it again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mpipeline.backends import kept

_SUFFIX = ".compiled"
_MOST = 8  # files; those that were not used for longest go


class CompiledFile:
    """The compiled model of one case in a folder; `case` says all on which it depends, as JSON can say it."""

    def __init__(self, folder: Path, case: Mapping[str, Any]) -> None:
        name = hashlib.sha256(json.dumps(case, sort_keys=True).encode()).hexdigest()[:32]
        self._path = folder / f"{name}{_SUFFIX}"

    def load(self) -> tuple[dict[str, str], bytes] | None:
        """The metadata and the compiled model; None if there is none, or it is damaged."""
        found = kept.read(self._path)
        if found is not None:
            kept.note_use(self._path)
        return found

    def keep(self, metadata: Mapping[str, str], compiled: bytes) -> None:
        """Writes it, in place of an earlier one. Raises OSError."""
        kept.write(self._path, metadata, compiled)
        for old in sorted(self._path.parent.glob(f"*{_SUFFIX}"), key=kept.last_use, reverse=True)[_MOST:]:
            old.unlink(missing_ok=True)
