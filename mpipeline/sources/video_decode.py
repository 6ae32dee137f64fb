"""Turns packets into frames: counts errors and goes on, holds back what comes before the first key frame."""

from __future__ import annotations

import os
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mpipeline.clock import Clock
from mpipeline.sources.video_log import FFmpegLog

if TYPE_CHECKING:
    import av
    from av.packet import Packet
    from av.stream import Stream
    from av.video.stream import VideoStream

_FILE_THREADS = 4
_STREAM_THREADS = 2
GATE_PATIENCE: int | None = 300  # frames, where nothing else bounds the wait for a key frame
_DAMAGED = "damaged"
_INTRA = 1  # AVPictureType
_DRAIN_LIMIT = 64  # calls; each takes at least one frame or error out of the decoder


@dataclass(frozen=True, slots=True)
class DecodedFrame:
    """A frame, and the two clocks at the moment when the packet that completed it had arrived.

    `is_corrupt`: the decoder concealed errors in it, or its data or those of a frame before it, back to the last key
    frame, were incomplete.
    """

    frame: av.VideoFrame
    captured_ns: int
    wall_ns: int
    is_corrupt: bool


class KeyFrameGate:
    """Lets frames pass from the first key frame on; what comes before is grey or smeared.

    After `patience` frames it opens without one, since some encoders refresh gradually and never mark a key frame; with
    None it does not. `is_holding_back`: frames came, and none that may be shown.
    """

    def __init__(self, patience: int | None = GATE_PATIENCE) -> None:
        self._is_open = False
        self._held_back = 0
        self._patience = patience

    @property
    def is_holding_back(self) -> bool:
        return self._held_back > 0 and not self._is_open

    def feed(self, packet: Packet[Stream]) -> None:
        """Sees what goes into the decoder: a key frame that an edit list hides comes out as no frame."""
        if packet.is_discard and packet.is_keyframe:
            self._is_open = True

    def passes(self, frame: av.VideoFrame) -> bool:
        """Whether this frame may be shown."""
        if not self._is_open:
            is_late = self._patience is not None and self._held_back >= self._patience
            self._is_open = frame.key_frame or frame.pict_type == _INTRA or is_late
            self._held_back += not self._is_open
        return self._is_open


class FrameDecoder:
    """The decoder of one stream, from the first packet to the last.

    `errors` counts the packets whose decoding raised or logged an error. Frames of files are decoded by several
    threads at once; frames of live streams are not, because each such thread delays the picture by one frame. Without
    `threads` there are no more of them than `cores` (0: those of the machine): more would only wait for each other.
    `patience` as of the `KeyFrameGate`. `halvings`: how often the decoder halves width and height. `at_once`: what is
    fed are key frames only, and each comes out when it is fed, not when the next one is.
    """

    def __init__(
        self,
        stream: VideoStream,
        clock: Clock,
        log: FFmpegLog,
        *,
        live: bool,
        threads: int = 0,
        cores: int = 0,
        patience: int | None = GATE_PATIENCE,
        halvings: int = 0,
        at_once: bool = False,
    ) -> None:
        self.errors = 0
        self._at_once = at_once
        self._clock = clock
        self._log = log
        self._logged = log.errors
        self._patience = patience
        self._gate = KeyFrameGate(patience)
        self._is_suspect = False
        self._ready: deque[DecodedFrame] = deque()
        self._time_base = stream.time_base
        self._codec = stream.codec_context
        self._codec.copy_opaque = True
        self._codec.thread_type = "SLICE" if live else "AUTO"
        self._codec.thread_count = threads or min(_STREAM_THREADS if live else _FILE_THREADS, cores or _cpus())
        if halvings:
            self._codec.options = {"lowres": str(halvings)}

    def feed(self, packet: Packet[Stream] | None, *, is_damaged: bool = False) -> None:
        """Decodes one packet that has just arrived; None says that it was the last."""
        import av

        captured_ns, wall_ns = self._clock.monotonic_ns(), self._clock.wall_ns()
        if packet is not None:
            self._gate.feed(packet)
            if is_damaged:
                packet.opaque = _DAMAGED  # comes out again with the packet's own frame
        failed = False
        try:
            frames = self._codec.decode(packet)
            if self._at_once and packet is not None:
                frames += self._codec.decode(None)
                self._codec.flush_buffers()
        except av.EOFError:
            frames = []
        except av.FFmpegError:
            frames, failed = [], True
        logged = self._log.errors
        self.errors += failed or logged > self._logged
        self._logged = logged
        for frame in frames:
            if frame.time_base is None:  # frames that only the end brought out have no packet to take it from
                frame.time_base = self._time_base
            if self._gate.passes(frame):
                self._ready.append(DecodedFrame(frame, captured_ns, wall_ns, self._is_corrupt(frame)))

    def _is_corrupt(self, frame: av.VideoFrame) -> bool:
        if frame.opaque == _DAMAGED:
            self._is_suspect = True
        elif frame.key_frame:
            self._is_suspect = False
        return frame.is_corrupt or self._is_suspect

    @property
    def is_holding_back(self) -> bool:
        """Whether frames came out that may not be shown, for want of a key frame."""
        return self._gate.is_holding_back

    def pop(self) -> DecodedFrame | None:
        """The next finished frame, in presentation order; None if more packets are needed."""
        return self._ready.popleft() if self._ready else None

    def rest(self) -> None:
        """Forgets what is in the decoder and lets its threads come to rest; to be called before a seek and a close.

        PyAV frees and flushes a decoder while it holds the interpreter; a thread of the decoder that wants to log an
        error in that moment would wait for the interpreter, and the freeing for the thread, for ever.
        """
        import av

        self._ready.clear()
        self._gate = KeyFrameGate(self._patience)
        if not self._codec.is_open:
            return
        for _ in range(_DRAIN_LIMIT):
            try:
                self._codec.decode(None)
            except av.EOFError:
                return
            except av.FFmpegError:
                continue


def _cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
