"""The source kind `playlist`: files one after the other as if they were one, named in the config or by an .m3u file."""

from __future__ import annotations

import logging
import math
from dataclasses import replace
from typing import ClassVar

from pydantic import BaseModel

from mpipeline.clock import Clock, SystemClock
from mpipeline.credentials import redact_address
from mpipeline.errors import Reason, SourceError
from mpipeline.frame import Pixels
from mpipeline.sources.playlist_files import PlaylistOptions, enumerated, files_of, playlist_error
from mpipeline.sources.source import GrabbedFrame, StreamInfo
from mpipeline.sources.video import SEEK_FROM, VideoSource
from mpipeline.sources.video_open import Deadline

logger = logging.getLogger("mpipeline.source")

_SEEK_S = 10.0  # how long a seek may read; a worker that shows no progress for much longer counts as hung
_SAME_S = 1e-6  # times that differ by less are of one frame: sums of them are rounded


class PlaylistSource:
    """Reads one file after the other; see `Source` for the contract.

    Frame ids count through all of them, and the pts goes on where the file before ended. A file that is not there is an
    error at once. One that is damaged, or cut off, is told in the log and gives what it has, the rest goes on, and at
    the end `grab` raises SourceError with the names and the reason of the first.
    """

    Options: ClassVar[type[BaseModel]] = PlaylistOptions
    libraries: ClassVar[tuple[str, ...]] = VideoSource.libraries

    def __init__(
        self, name: str, options: PlaylistOptions, clock: Clock | None = None, *, seek_from: int = SEEK_FROM
    ) -> None:
        self.decode_errors = 0
        self.connects = not options.is_on_disk
        self.cores = 0
        self._name = name
        self._options = options
        self._clock: Clock = clock if clock is not None else SystemClock()
        self._seek_from = seek_from
        self._files: list[str] = []
        self._place = 0  # of the file after the present one
        self._source: VideoSource | None = None
        self._counted = 0  # errors of the present file that stand in `decode_errors`
        self._end: float | None = None  # pts at which the file before ended
        self._shift: float | None = None  # what the times of the present file are raised by, once that is known
        self._frame_id = 0
        self._broken: list[tuple[str, SourceError]] = []
        self._told = 0  # of these, in the log
        self._is_new = False  # the present file has given no frame yet

    def open(self) -> StreamInfo:
        """Looks whether all files are there, and opens the first that can be read. Raises SourceError."""
        self._files = files_of(self._name, self._options)
        self._place, self._end, self._frame_id, self._told = 0, None, 0, 0
        self._broken.clear()
        info = self._open_next()
        if info is None:
            raise self._verdict()
        return info if len(self._files) == 1 else replace(info, frame_count=0)

    def seek(self, frame_id: int, pts: float) -> bool:
        """Goes on behind frame `frame_id`, if the files before can be counted by their packets. Raises SourceError.

        Files are read to be counted, at most for some seconds, and decoded only around the place.
        """
        if frame_id < 1 or not self._options.decode.is_all:
            return False
        errors = self.decode_errors
        try:
            if self._sought(frame_id, pts):
                return True
        except SourceError as error:
            if error.retryable:
                raise
        self.close()
        self.open()
        self.decode_errors = errors
        return False

    def grab(self) -> GrabbedFrame | None:
        """The next frame; None behind the last one of the last file. Raises SourceError."""
        while self._source is not None:
            try:
                grabbed = self._source.grab()
            except SourceError as error:
                if error.retryable:
                    raise
                self._note(error)
                grabbed = None
            finally:
                self._count_errors()
                self._tell()
            if grabbed is not None:
                self._frame_id += 1
                if self._is_new:
                    self._tell_place()
                return replace(grabbed, pts=self._shifted(grabbed.pts))
            self._open_next()
        self._tell()
        if self._broken:
            raise self._verdict()
        return None

    @property
    def decoder(self) -> str:
        """What decodes the present file, and why that."""
        return self._source.decoder if self._source is not None else ""

    def retrieve(self, planes: tuple[Pixels, ...]) -> None:
        """Copies the grabbed frame into `planes`, laid out by its format."""
        if self._source is None:
            raise RuntimeError("retrieve needs a grabbed frame")
        self._source.retrieve(planes)

    def close(self) -> None:
        """Closes the present file; harmless when repeated."""
        source, self._source = self._source, None
        if source is not None:
            source.close()

    def _open_next(self) -> StreamInfo | None:
        """Leaves the present file and opens the next one that can be read; None if there is none."""
        self._leave()
        while self._place < len(self._files):
            try:
                return self._enter(self._place)
            except SourceError as error:
                if error.retryable:
                    raise
                self._note(error)
                self._leave()
        return None

    def _enter(self, place: int) -> StreamInfo:
        file = self._files[place]
        self._place, self._shift, self._counted, self._is_new = place + 1, None, 0, True
        source = self._source = self._video(file)
        info = source.open()
        if info.live:
            raise playlist_error(
                self._name, f"{redact_address(file)} has no end, and a playlist is of files", Reason.NOT_A_VIDEO
            )
        return info

    def _leave(self) -> None:
        source = self._source
        if source is not None and (extent := source.extent()) is not None:
            self._end = extent[1] + self._shift_of(extent[0])
        self.close()

    def _shift_of(self, begin: float) -> float:
        """What the times of a file that begins so are raised by, to go on where the one before ended."""
        return 0.0 if self._end is None else self._end - begin

    def _shifted(self, pts: float | None) -> float | None:
        if pts is None or self._source is None:
            return None
        if self._shift is None:
            extent = self._source.extent()
            self._shift = self._shift_of(extent[0] if extent is not None else pts)
        return pts + self._shift

    def _sought(self, frame_id: int, pts: float) -> bool:
        patience = Deadline(self._clock, _SEEK_S)
        self.close()
        self._end, before = None, 0
        for place, file in enumerate(self._files):
            counted = self._video(file)
            try:
                frames, extent = counted.count_frames(patience), counted.extent()
            finally:
                counted.close()
            if frames is None or extent is None:
                return False
            if before + frames >= frame_id:
                self._frame_id = before
                self._enter(place)
                return self._reaches(frame_id, pts - self._shift_of(extent[0]), patience)
            before += frames
            self._end = extent[1] + self._shift_of(extent[0])
        return False

    def _reaches(self, frame_id: int, pts: float, patience: Deadline) -> bool:
        """In a file just entered: goes on behind the frame, of which the file's own time is given."""
        assert self._source is not None
        wanted, grabbed = frame_id - self._frame_id, None
        if not self._source.seek(wanted, pts):
            for _ in range(wanted):
                if patience.passed():
                    return False
                grabbed = self._source.grab()
            if grabbed is None or grabbed.pts is None or not math.isclose(grabbed.pts, pts, abs_tol=_SAME_S):
                return False
        self._frame_id = frame_id
        self._count_errors()
        return True

    def _video(self, file: str) -> VideoSource:
        source = VideoSource(self._name, self._options.video(file), self._clock, seek_from=self._seek_from)
        source.cores = self.cores
        return source

    def _count_errors(self) -> None:
        if self._source is not None:
            self.decode_errors += self._source.decode_errors - self._counted
            self._counted = self._source.decode_errors

    def _note(self, error: SourceError) -> None:
        """A file that gives no more frames, or none: the rest goes on."""
        self.decode_errors += 1
        self._broken.append((redact_address(self._files[self._place - 1]), error))

    def _tell(self) -> None:
        """Of broken files; not before a frame is asked for, because a look at a source only opens it."""
        for file, error in self._broken[self._told :]:
            fields = {"event": "playlist_file_broken", "source": self._name, "file": file, "reason": error.reason.value}
            logger.error("%s; the playlist goes on with the next file", error, extra=fields)
        self._told = len(self._broken)

    def _tell_place(self) -> None:
        file = redact_address(self._files[self._place - 1])
        self._is_new = False
        fields = {"event": "playlist_file", "source": self._name, "file": file}
        text = f"{self._name}: file {self._place} of {len(self._files)}, with frame {self._frame_id}"
        logger.info("%s: %s", text, file, extra=fields)

    def _verdict(self) -> SourceError:
        names = enumerated([file for file, _ in self._broken])
        text = f"{len(self._broken)} of {len(self._files)} files could not be read to their end: {names}"
        return playlist_error(self._name, text, self._broken[0][1].reason)
