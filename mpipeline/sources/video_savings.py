"""What a `video` source leaves out to save work: packets before they are decoded, frames and pixels behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from av.packet import Packet
    from av.stream import Stream

_REDUCING = {"mjpeg", "mpeg1video", "mpeg2video", "mpeg4"}  # decoders of FFmpeg that can give a smaller picture
_MOST_HALVINGS = 3


class DecodeOptions(BaseModel):
    """Which frames of a video are given, and how large."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    every: int = Field(default=1, ge=1, le=100, description="of so many frames only the first is given")
    keyframes_only: bool = Field(
        default=False, description="only frames that need no other one, and no other is decoded"
    )
    scale: float = Field(default=1.0, gt=0, le=1, description="what width and height are multiplied with")

    @property
    def is_all(self) -> bool:
        """Whether every frame is given."""
        return self.every == 1 and not self.keyframes_only


class Sieve:
    """Says which packets are decoded and which frames shown.

    Where each packet that is decoded gives a frame of its own, the choice is made among packets; else all must be
    decoded and it is made among frames. So it is too where reading does not begin at the start (`from_start`): there
    the first frames are only passed on the way to the one that is wanted.
    """

    def __init__(self, options: DecodeOptions, *, intra_only: bool, from_start: bool) -> None:
        self._options = options
        self._by_packet = (options.keyframes_only or intra_only) and options.every > 1 and from_start
        self._count = 0

    def takes(self, packet: Packet[Stream]) -> bool:
        """Whether a packet is decoded."""
        if self._options.keyframes_only and not packet.is_keyframe:
            return False
        if not self._by_packet:
            return True
        return not packet.is_discard and self._is_its_turn()

    def shows(self) -> bool:
        """Whether the frame that has come out next is shown."""
        return self._by_packet or self._is_its_turn()

    def _is_its_turn(self) -> bool:
        self._count += 1
        return (self._count - 1) % self._options.every == 0


def halvings(scale: float, codec: str) -> int:
    """How often the decoder itself halves width and height on the way to `scale`, which spares it most of its work."""
    if codec not in _REDUCING:
        return 0
    return next((times for times in range(_MOST_HALVINGS, 0, -1) if scale <= 0.5**times), 0)


def scaled(width: int, height: int, scale: float) -> tuple[int, int]:
    """A size by `scale`, both sides even because halved chroma wants them so; by 1 it stays as it is."""
    if scale == 1:
        return width, height
    return max(2, 2 * round(width * scale / 2)), max(2, 2 * round(height * scale / 2))
