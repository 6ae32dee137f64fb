"""Remembers across runs which backend was chosen for a model, and whether trying one has ended the process.

    FOLDER/KEY.json   {"backend": …, "reason": …}; {"attempts": n} during a trial, and after n that ended the process
    FOLDER/lock       held during a trial: two at once would disturb each other, and the second would take the first for
                      one that has ended the process

A file that cannot be read as that is as good as none.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Decision:
    """The kind of the backend, and why: a sentence without its full stop."""

    backend: str
    reason: str


class DecisionFile:
    """What is known of one case, which `key` names, in a folder that may be shared by many processes."""

    def __init__(self, folder: Path, key: str) -> None:
        self._folder = folder
        self._path = folder / f"{key}.json"

    def recall(self) -> Decision | None:
        """What was decided; None if nothing was."""
        known = self._read()
        backend, reason = known.get("backend"), known.get("reason")
        return Decision(backend, reason) if isinstance(backend, str) and isinstance(reason, str) else None

    def decide(self, decision: Decision) -> None:
        """Keeps it. Raises OSError."""
        self._write(asdict(decision))

    @contextlib.contextmanager
    def trial(self) -> Iterator[int]:
        """Around a trial that might end the process: how many have ended one before. Waits for those of others.

        Raises OSError if nothing can be kept here.
        """
        with self._locked():
            before = self._read().get("attempts")
            attempts = before if isinstance(before, int) and before > 0 else 0
            if self.recall() is not None:
                yield attempts
                return
            self._write({"attempts": attempts + 1})
            try:
                yield attempts
            finally:
                if self.recall() is None:  # it came to an end, although to no decision
                    self._write({"attempts": attempts})

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # given back by the kernel, however the process ends
            try:
                yield
            finally:
                fcntl.flock(lock, fcntl.LOCK_UN)  # a fork that this program has made meanwhile would keep it

    def _read(self) -> dict[str, Any]:
        try:
            known = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        return known if isinstance(known, dict) else {}

    def _write(self, known: dict[str, Any]) -> None:
        beside = self._path.with_suffix(f".{os.getpid()}")
        try:
            beside.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
            os.replace(beside, self._path)
        finally:
            beside.unlink(missing_ok=True)


def key_of(case: Mapping[str, Any]) -> str:
    """A name for a case: all that a decision depends on, as JSON takes it."""
    return hashlib.sha256(json.dumps(case, sort_keys=True).encode()).hexdigest()[:32]


def version_of(distribution: str) -> str:
    """Of an installed package."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "unknown"
