"""Fetches one file: into NAME.part, which a later attempt or process goes on with, then checked, then renamed."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from mpipeline.errors import DownloadError, Reason
from mpipeline.store.faults import shown_address
from mpipeline.store.http import Client, Response
from mpipeline.store.offers import RemoteFile
from mpipeline.store.patience import Attempts
from mpipeline.store.progress import Progress

logger = logging.getLogger("mpipeline.store")

_PIECE = 256 << 10
_MOST_MISMATCHES = 2  # a second whole file with a wrong checksum is no accident of the way
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class _Origin:
    """What a half file is half of: enough to know whether the rest of an answer belongs to it.

    `validator` is a strong ETag or a Last-Modified, by which the server can tell the same (RFC 9110, If-Range).
    """

    md5: str | None = None
    validator: str | None = None
    total: int | None = None


class Download:
    """One file on its way to `target`."""

    def __init__(self, client: Client, file: RemoteFile, target: Path, progress: Progress) -> None:
        self._client = client
        self._file = file
        self._target = target
        self._part = target.with_name(target.name + ".part")
        self._note = target.with_name(target.name + ".part.json")
        self._progress = progress

    def run(self) -> None:
        """Fetches the file, unless it is there already. Raises DownloadError; OSError if the disk fails."""
        attempts = Attempts(self._client.patience, self._client.clock)
        mismatches = 0
        while not self._target.exists():
            before = self._size()
            try:
                self._attempt()
                mismatches += self._finish()
            except DownloadError as error:
                if self._size() > before:
                    attempts.progressed()
                attempts.failed(error)
            if mismatches >= _MOST_MISMATCHES:
                raise self._wrong_checksum()

    def _attempt(self) -> None:
        """Asks for what is missing and appends it."""
        origin, done = self._kept()
        headers = {"Accept-Encoding": "identity"}
        if done:
            headers["Range"] = f"bytes={done}-"
            if origin.validator is not None:
                headers["If-Range"] = origin.validator
        with self._client.open(self._file.url, headers) as response:
            self._check_status(response)
            resumed = done > 0 and response.status == 206 and _starts_at(response.headers, done, origin.total)
            if response.status == 206 and not resumed:
                self._forget()
                raise self._fault("sent another part than was asked for", retryable=True)
            done = done if resumed else 0
            total = _length(response.headers, done)
            if total is None and self._file.md5 is None and "Transfer-Encoding" not in response.headers:
                raise self._fault("comes without its length and a checksum: it could not be known to be complete")
            self._check_space(total, done)
            if not resumed:
                self._note.write_text(json.dumps(asdict(_Origin(self._file.md5, _validator(response.headers), total))))
            self._progress.begin(self._file.name, total, done)
            try:
                self._receive(response, "ab" if resumed else "wb")
            finally:
                self._progress.end()

    def _receive(self, response: Response, mode: str) -> None:
        with self._part.open(mode) as part:
            while piece := response.read1(_PIECE, decode_content=False):
                part.write(piece)
                self._progress.advance(len(piece))
            part.flush()
            os.fsync(part.fileno())

    def _finish(self) -> int:
        """Renames what has arrived if it is right, else drops it; returns how many wrong checksums were seen."""
        if self._file.md5 is not None and md5_of(self._part) != self._file.md5:
            fields = {"event": "checksum_wrong", "file": self._file.name}
            logger.warning("%s has another checksum than the hub says; fetching it anew", self._file.name, extra=fields)
            self._forget()
            return 1
        self._note.unlink(missing_ok=True)
        self._part.replace(self._target)
        return 0

    def _kept(self) -> tuple[_Origin, int]:
        """What is here of the file from an earlier attempt, if the rest can be told to belong to it."""
        try:
            origin = _Origin(**json.loads(self._note.read_text()))
        except (OSError, ValueError, TypeError):
            return _Origin(), 0
        same = origin.md5 == self._file.md5 and (origin.md5 or origin.validator)
        done = self._size()
        if not same or (origin.total is not None and done >= origin.total):
            return _Origin(), 0
        return origin, done

    def _size(self) -> int:
        return self._part.stat().st_size if self._part.exists() else 0

    def _forget(self) -> None:
        for path in (self._note, self._part):
            with suppress(FileNotFoundError):
                path.unlink()

    def _check_status(self, response: Response) -> None:
        status = response.status
        if status in (200, 206):
            return
        if status == 416:
            self._forget()
            raise self._fault("is shorter than what is here of it", retryable=True)
        if status in (401, 403, 404, 410):
            text = f"is refused with status {status}; its address may have expired, try again"
            raise self._fault(text, Reason.NOT_FOUND if status in (404, 410) else Reason.PERMISSION_DENIED)
        raise self._fault(f"is answered with status {status}", Reason.SERVER_ERROR)

    def _check_space(self, total: int | None, done: int) -> None:
        free = shutil.disk_usage(self._target.parent).free
        if total is not None and total - done > free:
            text = f"needs {(total - done) / _MIB:.1f} MiB, but {self._target.parent} has {free / _MIB:.1f} MiB left"
            raise self._fault(text, Reason.NO_SPACE)

    def _wrong_checksum(self) -> DownloadError:
        return self._fault("has another checksum than the hub says, twice: it was changed on the way, or at the hub")

    def _fault(self, text: str, reason: Reason = Reason.CORRUPT_DATA, *, retryable: bool = False) -> DownloadError:
        where = shown_address(self._file.url)
        return DownloadError(f"{self._file.name} ({where}) {text}", reason, retryable=retryable)


def md5_of(path: Path) -> str:
    """The MD5 of a file, as 32 hexadecimal digits; it guards against accidents, not against malice."""
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while piece := file.read(_MIB):
            digest.update(piece)
    return digest.hexdigest()


def _validator(headers: Mapping[str, str]) -> str | None:
    tag = headers.get("ETag")
    if tag and not tag.startswith("W/"):
        return tag
    return headers.get("Last-Modified")


def _length(headers: Mapping[str, str], done: int) -> int | None:
    text = headers.get("Content-Length", "")
    return done + int(text) if text.isdecimal() else None


def _starts_at(headers: Mapping[str, str], done: int, total: int | None) -> bool:
    """Whether a partial answer goes on where the half file ends, and is of a file of the same length."""
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", headers.get("Content-Range", ""))
    return match is not None and int(match[1]) == done and (total is None or match[2] in ("*", str(total)))
