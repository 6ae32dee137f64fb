"""Opens a source, reads it for a moment, and tells what it is; nothing of it goes anywhere."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from mpipeline import registry
from mpipeline.clock import NS_PER_S, Clock, SystemClock
from mpipeline.config.schema import SourceSpec
from mpipeline.credentials import redact_address
from mpipeline.errors import Reason, SourceError
from mpipeline.sources.source import Source, StreamInfo


@dataclass(frozen=True, slots=True)
class Probe:
    """What a source has shown. Times are seconds; `rate` and `frame_count` are what it declares, 0 if nothing.

    `measured_rate` is that of the frames that were read, which is the speed of decoding where it is a file; None if
    fewer than two came. `first_frame` is the time from the beginning to the first decoded frame. `decoder` is what
    decodes, and why that, empty where nothing is chosen. `shown` has no credentials.
    """

    shown: str
    kind: str
    live: bool
    codec: str
    width: int
    height: int
    pixel_format: str
    rate: float
    frame_count: int
    opened: float
    first_frame: float
    frames: int
    measured_rate: float | None
    decode_errors: int
    decoder: str = ""

    @property
    def duration(self) -> float | None:
        """Seconds that a file lasts by what it declares; None if it does not."""
        return self.frame_count / self.rate if self.frame_count and self.rate else None


def probe(spec: SourceSpec, seconds: float, limit: float, clock: Clock | None = None) -> Probe:
    """Reads the source for `seconds` behind its first frame, one frame at least.

    Raises SourceError as the source does, and TIMEOUT after `limit` seconds: it then still hangs in a thread of this
    process, of which nobody should expect anything more.
    """
    outcome: list[Probe | BaseException] = []

    def read() -> None:
        try:
            outcome.append(_probe(spec, seconds, clock or SystemClock()))
        except BaseException as error:  # noqa: BLE001 - it is raised again by who waits
            outcome.append(error)

    thread = threading.Thread(target=read, name="probe", daemon=True)
    thread.start()
    thread.join(limit)
    if not outcome:
        text = f"{_shown(spec)}: nothing has come of it within {limit:g} s"
        raise SourceError(f"{text}; --timeout gives it longer", Reason.TIMEOUT)
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    return outcome[0]


def _probe(spec: SourceSpec, seconds: float, clock: Clock) -> Probe:
    source: Source = registry.load("sources", spec.kind)(spec.name, spec.options)
    began_ns = clock.monotonic_ns()

    def since() -> float:
        return (clock.monotonic_ns() - began_ns) / NS_PER_S

    try:
        info = source.open()
        opened = since()
        grabbed = source.grab()
        if grabbed is None:
            raise SourceError(f"{_shown(spec)}: it has ended without a frame", Reason.END_OF_STREAM)
        first_frame = since()
        frames = _count(source, since, first_frame + seconds)
        pixel_format = grabbed.format.pixel_format.name.lower()
        return _told(spec, info, source, pixel_format, opened, first_frame, frames)
    finally:
        source.close()


def _count(source: Source, since: Callable[[], float], until: float) -> tuple[int, float]:
    """How many frames come until then, the first included, and when the last did."""
    count, last = 1, since()
    while since() < until and source.grab() is not None:
        count, last = count + 1, since()
    return count, last


def _told(
    spec: SourceSpec,
    info: StreamInfo,
    source: Source,
    pixel_format: str,
    opened: float,
    first_frame: float,
    frames: tuple[int, float],
) -> Probe:
    count, last = frames
    span = last - first_frame
    return Probe(
        shown=_shown(spec),
        kind=spec.kind,
        live=info.live,
        codec=info.codec,
        width=info.width,
        height=info.height,
        pixel_format=pixel_format,
        rate=info.rate,
        frame_count=info.frame_count,
        opened=opened,
        first_frame=first_frame,
        frames=count,
        measured_rate=(count - 1) / span if count > 1 and span > 0 else None,
        decode_errors=source.decode_errors,
        decoder=getattr(source, "decoder", ""),
    )


def _shown(spec: SourceSpec) -> str:
    shown: str = getattr(spec.options, "shown", "") or redact_address(str(getattr(spec.options, "uri", spec.name)))
    return shown
