"""Which frames are in the model right now, and in which of them its process has died: a small file that survives it.

The file is mapped into memory: written before and after every call of the model, it costs a few microseconds, and the
kernel has it whatever becomes of the process. What cannot be read (torn, foreign, of another version) is taken as
empty, and what cannot be written is gone without: the journal must never be the reason why frames are not inferred.

Two records, each a head (magic, crc32 and length of the rest) and then unsigned 64-bit numbers, all little-endian: the
incarnation that wrote it (and a zero) with the frames in flight, each a source and a frame id; and the suspects, each a
source, a frame id and the number of deaths. A source is a hash of its name.
"""

from __future__ import annotations

import logging
import mmap
import os
import struct
import zlib
from collections.abc import Iterable
from hashlib import blake2b

logger = logging.getLogger("mpipeline.inference")

_HEAD = struct.Struct("<8sII")  # magic, crc32, length
_MAGIC = b"mpjourn\x02"
_RECORD = 1 << 15  # bytes of one record, its head included: 2000 frames in flight, 1300 suspects
_NOTHING = _HEAD.pack(_MAGIC, 0, 0)

_Key = tuple[int, int]  # hash of the source, frame id


class Journal:
    """The journal of one inference worker. Without a `path` it is kept in memory only.

    `blamed`: the predecessor died by its own fault, a crash or a hang, so each frame that was in flight gets one death.
    Otherwise somebody else has killed it, and the frames are innocent. `incarnation` is of this worker: what one before
    its predecessor has left in flight is no fault of the predecessor's either, which died before it got so far.
    """

    def __init__(self, path: str | None = None, *, blamed: bool = False, incarnation: int = 1) -> None:
        self._incarnation = incarnation
        self._suspects: dict[_Key, int] = {}
        self._hashes: dict[str, int] = {}
        self._left: list[_Key] = []  # what was in flight when the predecessor ended
        self._map: mmap.mmap | None = _opened(path) if path is not None else None
        if self._map is None:
            return
        for source, frame_id, deaths in _rows(self._map, _RECORD, 3):
            self._suspects[source, frame_id] = deaths
        (writer, _), *in_flight = _rows(self._map, 0, 2) or [(0, 0)]
        if writer == incarnation - 1:
            self._left = [(source, frame_id) for source, frame_id in in_flight]
        if blamed:
            for source, frame_id in self._left:
                self._suspects[source, frame_id] = self._suspects.get((source, frame_id), 0) + 1
        self._note_suspects()
        self.leave()

    @property
    def has_suspects(self) -> bool:
        """Whether the process has died in any frame that is not through yet."""
        return bool(self._suspects)

    def deaths(self, source: str, frame_id: int) -> int:
        """How often the process has died while this frame was in the model."""
        return self._suspects.get((self._hash(source), frame_id), 0) if self._suspects else 0

    def left(self, source: str) -> set[int]:
        """The frames of `source` that were in the model when the predecessor ended; told once."""
        of_source = self._hash(source)
        left = {frame_id for key, frame_id in self._left if key == of_source}
        self._left = [key for key in self._left if key[0] != of_source]
        return left

    def enter(self, frames: Iterable[tuple[str, int]]) -> None:
        """These frames, each source and frame id, go into the model now."""
        if self._map is not None:
            numbers = [number for source, frame_id in frames for number in (self._hash(source), frame_id)]
            _write(self._map, 0, [self._incarnation, 0, *numbers])

    def leave(self) -> None:
        """No frame is in the model."""
        if self._map is not None:
            self._map[: len(_NOTHING)] = _NOTHING

    def forget(self, source: str, last_id: int) -> None:
        """The frames of `source` up to `last_id` are through."""
        key = self._hash(source)
        through = [one for one in self._suspects if one[0] == key and one[1] <= last_id]
        for one in through:
            del self._suspects[one]
        if through:
            self._note_suspects()

    def close(self) -> None:
        """Gives the file back; harmless when repeated."""
        if self._map is not None:
            self._map.close()
            self._map = None

    def _note_suspects(self) -> None:
        if self._map is not None:
            _write(self._map, _RECORD, [number for key, deaths in self._suspects.items() for number in (*key, deaths)])

    def _hash(self, source: str) -> int:
        found = self._hashes.get(source)
        if found is None:
            found = self._hashes[source] = int.from_bytes(blake2b(source.encode(), digest_size=8).digest(), "little")
        return found


def _opened(path: str) -> mmap.mmap | None:
    """The file in memory, with all its blocks reserved: a full disk would be a SIGBUS at the first write."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, 2 * _RECORD)
            return mmap.mmap(descriptor, 2 * _RECORD)
        finally:
            os.close(descriptor)
    except OSError as error:
        text = "no journal of the frames in the model can be kept (%s): one that crashes it will be tried for ever"
        logger.warning(text, error, extra={"event": "no_journal"})
        return None


def _write(target: mmap.mmap, offset: int, numbers: list[int]) -> None:
    """Writes one record; numbers that do not fit into it are left out."""
    count = min(len(numbers), (_RECORD - _HEAD.size) // 8 // 6 * 6)  # whole rows, be they of two or of three numbers
    body = struct.pack(f"<{count}Q", *numbers[:count])
    data = _HEAD.pack(_MAGIC, zlib.crc32(body), len(body)) + body
    target[offset : offset + len(data)] = data


def _rows(data: mmap.mmap, offset: int, columns: int) -> list[tuple[int, ...]]:
    """The rows of the record at `offset`; none if it is not a whole record of ours."""
    magic, checksum, length = _HEAD.unpack_from(data, offset)
    begin = offset + _HEAD.size
    body = data[begin : min(begin + length, offset + _RECORD)]
    row = struct.Struct(f"<{columns}Q")
    if magic != _MAGIC or len(body) != length or zlib.crc32(body) != checksum or length % row.size:
        return []
    return list(row.iter_unpack(body))
