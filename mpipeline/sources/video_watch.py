"""Says when a network stream has stalled although packets arrive: no frame has come out of them for too long."""

from __future__ import annotations

from mpipeline.clock import NS_PER_S, Clock
from mpipeline.errors import Reason

_LONGEST_REORDER = 16  # packets that a decoder of H.264 or H.265 may want before it gives the first frame


class FrameWatch:
    """Follows the packets of one wait for a frame, and ends it.

    A wait lasts at most `read_timeout`, the first one of a stream `key_frame_timeout` if that is longer: who joins a
    stream in the middle waits for its next key frame, which with some cameras comes every ten seconds. It is cut short
    when a key frame has arrived and was not decoded. Of a stream that is no live one nothing tells how many packets its
    decoder wants before it gives the first frame, so there every wait may be long.
    """

    def __init__(self, clock: Clock, read_timeout: float, key_frame_timeout: float, *, live: bool) -> None:
        self._clock = clock
        self._short_ns = int(read_timeout * NS_PER_S)
        self._long_ns = max(self._short_ns, int(key_frame_timeout * NS_PER_S))
        self._live = live
        self._is_first = True
        self.begin()

    def begin(self) -> None:
        """A frame is waited for."""
        self._begin_ns = self._clock.monotonic_ns()
        self._packets = self._keys = self._after_key = self._failed = self._damaged = 0
        self._key_ns = 0  # when the first key frame arrived

    def fed(self, *, is_key: bool, failed: bool, damaged: bool = False) -> None:
        """A packet went into the decoder. `damaged`: it was not whole; `failed`: that, or the decoder complained."""
        self._packets += 1
        self._after_key += bool(self._keys)
        self._keys += is_key
        self._failed += failed
        self._damaged += damaged
        if is_key and not self._key_ns:
            self._key_ns = self._clock.monotonic_ns()

    def came(self) -> None:
        """A frame came out."""
        self._is_first = False

    def verdict(self, *, held_back: bool) -> tuple[Reason, str] | None:
        """The reason and a sentence if the wait is over. `held_back`: frames came that are not whole."""
        now = self._clock.monotonic_ns()
        waited_ns = now - self._begin_ns
        is_long = not self._live or self._is_first
        if is_long and self._live and self._key_ns and (self._failed or self._after_key > _LONGEST_REORDER):
            is_over = now - self._key_ns >= self._short_ns
        else:
            is_over = waited_ns >= (self._long_ns if is_long else self._short_ns)
        if not is_over:
            return None
        detail = f"{self._packets} packets in {waited_ns / NS_PER_S:.0f} s gave no frame"
        if self._failed:
            detail += f", {self._failed} of them with errors"
        return self._reason(held_back), detail

    def _reason(self, held_back: bool) -> Reason:
        if held_back:
            return Reason.NO_KEY_FRAME
        if self._packets and not self._keys:
            # Before its first key frame a decoder complains of every packet, so that complaints tell nothing.
            at_fault = self._damaged if self._is_first else self._failed
            return Reason.CORRUPT_DATA if 2 * at_fault > self._packets else Reason.NO_KEY_FRAME
        return Reason.CORRUPT_DATA if self._packets else Reason.TIMEOUT
