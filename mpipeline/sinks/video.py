"""The `video` sink: an annotated MP4 per source that can be played whatever happens."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, field_validator

from mpipeline.clock import SystemClock
from mpipeline.errors import SinkError
from mpipeline.frame import Frame, FrameMeta
from mpipeline.log import Summariser
from mpipeline.prediction import Prediction
from mpipeline.sinks.appending import AppendingFile
from mpipeline.sinks.drawing import annotate, fit
from mpipeline.sinks.encoder import Encoder, frame_size
from mpipeline.sinks.finishing import finish, reopen, unfinished
from mpipeline.sinks.fragments import Remains, find_remains, fragment, mark
from mpipeline.sinks.paths import OutputPaths, checked_template, remove
from mpipeline.sinks.timeline import DEFAULT_RATE, Moment, Timeline, believable_rate

_SUFFIX = ".mp4"


class VideoOptions(BaseModel):
    """`path` needs `{source}` in it if there is more than one source; `.mp4` is added if it has no suffix.

    `crf`: quality of x264, 0 (lossless) to 51, lower is better and bigger. `preset`: its speed, ultrafast to veryslow.
    `labels`: class names and scores, beside the boxes or of the frame. `rate`: Hz; gives each written frame the same
    duration, instead of the time that it had in the source.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str
    crf: int = Field(default=23, ge=0, le=51)
    preset: str = "veryfast"
    labels: bool = True
    rate: float | None = Field(default=None, gt=0, le=1000)

    @field_validator("path")
    @classmethod
    def _checked_path(cls, path: str) -> str:
        suffix = Path(checked_template(path)).suffix
        if suffix and suffix.lower() != _SUFFIX:
            raise ValueError(f"path {path!r} must end in {_SUFFIX}, which is what is written")
        return path if suffix else path + _SUFFIX


@dataclass
class _Track:
    """The file of one source while it grows. `encoder` and `file` come with the first frame that has pixels."""

    path: Path
    timeline: Timeline
    last_id: int = 0
    number: int = 0
    width: int = 0
    height: int = 0
    encoder: Encoder | None = None
    file: AppendingFile | None = None
    last: Moment | None = None
    unwritten: tuple[bytes, Moment] | None = None  # encoded, but not in the file yet: the encoder cannot go back


class VideoSink:
    """Draws predictions, encodes H.264; each frame keeps its time in the source (variable frame rates stay variable).

    While it grows the file is a fragmented MP4, one fragment a frame, handed to the kernel before `write` returns
    (`fragments.py`): it can be played at any moment and after any crash, and a resumed sink goes on in the same file,
    each frame exactly once. At its end it is rewritten without encoding as an ordinary MP4; if that is impossible
    (no space), it stays as it is, and that is logged. If more frames of the source come after its end (a stopped job is
    resumed), it is made fragmented again, as it was before, and goes on.

    A file that is renamed or removed meanwhile is noticed within a second, and a new one begun in its place.

    The first frame fixes the size. After a change of resolution pictures are scaled into it with their proportions
    kept. Odd sizes are rounded up, the last row or column repeated. A prediction without pixels is left out and
    counted in `frames_missing`; the picture before it stays longer. A failed frame shows a note instead of boxes.
    Of several models all findings are drawn into one picture.
    """

    Options = VideoOptions
    wants_frames = True
    several_models = True

    def __init__(self, name: str, options: VideoOptions) -> None:
        self.name = name
        self.frames_missing = 0
        self.pulse: Callable[[], None] = lambda: None
        self._options = options
        self._paths = OutputPaths(options.path)
        self._tracks: dict[str, _Track] = {}
        self._finished: dict[str, int] = {}  # source → last frame id
        self._logger = logging.getLogger(__name__)
        self._summary = Summariser(self._logger, SystemClock())

    def open(self, resume: bool) -> Mapping[str, int]:
        """Makes the folder; takes up what a predecessor left, or removes what is older. See `Sink.open`."""
        self._paths.prepare()
        for path in OutputPaths(str(unfinished(Path(self._options.path)))).existing():
            remove(path)
        for path in self._paths.existing():
            remains = find_remains(path)
            if remains is None or self._paths.path(remains.source) != path:
                continue
            if resume:
                self._take_up(path, remains)
            else:
                remove(path)  # or a crash before this source's first frame would make it look like this run's work
        return {**self._finished, **{source: track.last_id for source, track in self._tracks.items()}}

    def _take_up(self, path: Path, remains: Remains) -> None:
        self._paths.claim(remains.source)
        if remains.finished:
            self._finished[remains.source] = remains.last.frame_id
            return
        track = _Track(path, Timeline(self._options.rate, remains.last), remains.last.frame_id, remains.fragments)
        track.last = remains.last
        track.file = AppendingFile(path, keep=remains.end)
        track.width, track.height = frame_size(path)
        self._tracks[remains.source] = track

    def write(self, prediction: Prediction, frame: Frame | None) -> None:
        """Adds one picture; a frame that was written before is left out."""
        self.write_together([prediction], frame)

    def write_together(self, predictions: Sequence[Prediction], frame: Frame | None) -> None:
        """Adds one picture, with what several models have found in it. See `Sink`."""
        meta = predictions[0].frame
        if meta.frame_id <= self._finished.get(meta.source, 0):
            return
        if meta.source in self._finished:
            if frame is None:
                self._leave_out(meta)
                return
            self._reopen(meta.source)
        track = self._tracks.get(meta.source)
        if track is None:
            track = self._tracks[meta.source] = _Track(self._paths.claim(meta.source), Timeline(self._options.rate))
        elif track.file is not None and track.file.has_vanished():
            track = self._begin_anew(meta.source, track)
        self._append(meta.source, track)
        if meta.frame_id <= track.last_id:
            return
        if frame is None:
            self._leave_out(meta)
            return
        picture = annotate(frame.bgr(), *predictions, labels=self._options.labels)
        if not track.width:
            track.width, track.height = (side + side % 2 for side in (picture.shape[1], picture.shape[0]))
        encoder = self._ready(track, meta)
        moment, duration = track.timeline.place(meta)
        data, key = encoder.encode(fit(picture, track.width, track.height), moment.ticks)
        track.number += 1
        data = fragment(track.number, data, moment.ticks, duration, key) + mark(meta.source, moment)
        track.unwritten = data, moment
        self._append(meta.source, track)

    def _leave_out(self, meta: FrameMeta) -> None:
        self.frames_missing += 1
        text = f"frame {meta.frame_id} of {meta.source} came without pixels"
        self._summary.add("frames without pixels", text, source=meta.source, sink=self.name)

    def _reopen(self, source: str) -> None:
        """Goes on in the file of a source that had ended, or begins a new one if that is not there any more."""
        path = self._paths.path(source)
        remains = find_remains(path)
        if remains is not None and remains.source == source:
            self._take_up(path, reopen(path, remains, self.pulse))
            fields = {"event": "file_reopened", "sink": self.name, "source": source}
            self._logger.info("%s was finished: going on in it", path, extra=fields)
        elif path.exists():
            raise SinkError(f"{path} is not the file that was finished for source {source!r}: move it away")
        else:
            self._begin_anew(source, _Track(path, Timeline(self._options.rate), self._finished[source]))
        del self._finished[source]

    def _append(self, source: str, track: _Track) -> None:
        """Brings the picture that was encoded last into the file, if it is not there yet."""
        if track.unwritten is None or track.file is None:
            return
        data, moment = track.unwritten
        track.file.append(data)
        track.last_id, track.last, track.unwritten = moment.frame_id, moment, None

    def _begin_anew(self, source: str, old: _Track) -> _Track:
        """A track for a new file, beginning with a key frame; what was in the old one is gone with it."""
        fields = {"event": "file_vanished", "sink": self.name, "source": source}
        self._logger.warning("%s was moved or removed: going on in a new file", old.path, extra=fields)
        _release(old)
        track = _Track(old.path, Timeline(self._options.rate), last_id=old.last_id)
        self._tracks[source] = track
        return track

    def _ready(self, track: _Track, meta: FrameMeta) -> Encoder:
        """The encoder of a track. It and the file are made when the first picture has said how big it is."""
        if track.encoder is None:
            rate = self._options.rate or believable_rate(meta) or DEFAULT_RATE
            track.encoder = Encoder(track.width, track.height, rate, self._options.crf, self._options.preset)
        if track.file is None:
            file = AppendingFile(track.path)
            try:
                file.append(track.encoder.head)
            except SinkError:
                file.close()
                raise
            track.file = file
        return track.encoder

    def end(self, source: str) -> None:
        """Finishes the file of `source`."""
        track = self._tracks.get(source)
        if track is None:
            return
        self._append(source, track)
        del self._tracks[source]
        _release(track)
        if track.last is None:
            return
        self._finished[source] = track.last_id
        self._finish(source, track.path, track.last)

    def close(self) -> None:
        """Finishes all files. A picture that cannot be written is left out: nobody was told that it was."""
        for source, track in list(self._tracks.items()):
            with suppress(SinkError):
                self._append(source, track)
            track.unwritten = None
            self.end(source)
        self._summary.flush(everything=True)

    def abandon(self) -> None:
        """Lets the files grow on under a successor: they are left as a crash would leave them."""
        for track in self._tracks.values():
            _release(track)
        self._tracks.clear()
        self._summary.flush(everything=True)

    def _finish(self, source: str, path: Path, last: Moment) -> None:
        try:
            finish(path, source, last, self.pulse)
        except SinkError as error:
            text = "%s stays a fragmented MP4, slow to seek in: %s"
            self._logger.warning(
                text, path, error, extra={"event": "not_rewritten", "sink": self.name, "source": source}
            )


def _release(track: _Track) -> None:
    if track.encoder is not None:
        track.encoder.close()
    if track.file is not None:
        track.file.close()
