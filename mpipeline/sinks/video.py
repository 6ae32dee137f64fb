"""The `video` sink: an annotated MP4 per source that can be played whatever happens."""

from __future__ import annotations

import logging
from collections.abc import Mapping
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
from mpipeline.sinks.encoder import Encoder, frame_size, rewrite
from mpipeline.sinks.fragments import Remains, find_remains, fragment, mark
from mpipeline.sinks.paths import OutputPaths, checked_template, file_error
from mpipeline.sinks.timeline import DEFAULT_RATE, Moment, Timeline, believable_rate

_SUFFIX = ".mp4"


class VideoOptions(BaseModel):
    """`path` needs `{source}` in it if there is more than one source; `.mp4` is added if it has no suffix.

    `crf`: quality of x264, 0 (lossless) to 51, lower is better and bigger. `preset`: its speed, ultrafast to veryslow.
    `labels`: class names and scores beside the boxes. `rate`: Hz; gives each written frame the same duration, instead
    of the time that it had in the source.
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


class VideoSink:
    """Draws boxes and encodes H.264; each frame keeps its time in the source (variable frame rates stay variable).

    While it grows the file is a fragmented MP4, one fragment a frame, handed to the kernel before `write` returns
    (`fragments.py`): it can be played at any moment and after any crash, and a resumed sink goes on in the same file,
    each frame exactly once. At its end it is rewritten without encoding as an ordinary MP4; if that is impossible
    (no space), it stays as it is, and that is logged.

    The first frame fixes the size. After a change of resolution pictures are scaled into it with their proportions
    kept. Odd sizes are rounded up, the last row or column repeated. A prediction without pixels is left out and
    counted in `frames_missing`; the picture before it stays longer. A failed frame shows a note instead of boxes.
    """

    Options = VideoOptions
    wants_frames = True

    def __init__(self, name: str, options: VideoOptions) -> None:
        self.name = name
        self.frames_missing = 0
        self._options = options
        self._paths = OutputPaths(options.path)
        self._tracks: dict[str, _Track] = {}
        self._finished: dict[str, int] = {}  # source → last frame id
        self._logger = logging.getLogger(__name__)
        self._summary = Summariser(self._logger, SystemClock())

    def open(self, resume: bool) -> Mapping[str, int]:
        """Makes the folder; takes up what a predecessor left, or removes what is older. See `Sink.open`."""
        self._paths.prepare()
        for path in OutputPaths(str(_unfinished(Path(self._options.path)))).existing():
            _remove(path)
        for path in self._paths.existing():
            remains = find_remains(path)
            if remains is None or self._paths.path(remains.source) != path:
                continue
            if resume:
                self._take_up(path, remains)
            else:
                _remove(path)  # or a crash before this source's first frame would make it look like this run's work
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
        meta = prediction.frame
        if meta.frame_id <= self._finished.get(meta.source, 0):
            return
        if meta.source in self._finished:
            raise SinkError(f"{self._paths.path(meta.source)} is finished: source {meta.source!r} had ended")
        track = self._tracks.get(meta.source)
        if track is None:
            track = _Track(self._paths.claim(meta.source), Timeline(self._options.rate))
            self._tracks[meta.source] = track
        if meta.frame_id <= track.last_id:
            return
        if frame is None:
            self.frames_missing += 1
            text = f"frame {meta.frame_id} of {meta.source} came without pixels"
            self._summary.add("frames without pixels", text, source=meta.source, sink=self.name)
            return
        picture = annotate(frame.bgr(), prediction, self._options.labels)
        encoder, file = self._ready(track, meta, picture.shape)
        moment, duration = track.timeline.place(meta)
        data, key = encoder.encode(fit(picture, track.width, track.height), moment.ticks)
        track.number += 1
        file.append(fragment(track.number, data, moment.ticks, duration, key) + mark(meta.source, moment))
        track.last_id, track.last = meta.frame_id, moment

    def _ready(self, track: _Track, meta: FrameMeta, shape: tuple[int, ...]) -> tuple[Encoder, AppendingFile]:
        """The encoder and the file of a track, made when the first picture says how big it is."""
        if not track.width:
            track.width, track.height = shape[1] + shape[1] % 2, shape[0] + shape[0] % 2
        if track.encoder is None:
            rate = self._options.rate or believable_rate(meta) or DEFAULT_RATE
            track.encoder = Encoder(track.width, track.height, rate, self._options.crf, self._options.preset)
        if track.file is None:
            track.file = AppendingFile(track.path)
            track.file.append(track.encoder.head)
        return track.encoder, track.file

    def end(self, source: str) -> None:
        """Finishes the file of `source`."""
        track = self._tracks.pop(source, None)
        if track is None:
            return
        if track.encoder is not None:
            track.encoder.close()
        if track.file is not None:
            track.file.close()
        if track.last is None:
            return
        self._finished[source] = track.last_id
        self._rewrite(source, track.path, track.last)

    def close(self) -> None:
        """Finishes all files."""
        for source in list(self._tracks):
            self.end(source)
        self._summary.flush(everything=True)

    def _rewrite(self, source: str, path: Path, last: Moment) -> None:
        unfinished = _unfinished(path)
        try:
            rewrite(path, unfinished)
            with unfinished.open("ab") as file:
                file.write(mark(source, last))
            unfinished.replace(path)
        except (OSError, SinkError) as error:
            unfinished.unlink(missing_ok=True)
            text = "%s stays a fragmented MP4, slow to seek in: %s"
            self._logger.warning(
                text, path, error, extra={"event": "not_rewritten", "sink": self.name, "source": source}
            )


def _unfinished(path: Path) -> Path:
    return path.with_name(f".{path.name}.unfinished")


def _remove(path: Path) -> None:
    try:
        path.unlink()
    except OSError as error:
        raise file_error("replace", path, error) from error
