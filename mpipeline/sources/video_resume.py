"""Finds the packets from which decoding must begin so that the frame behind a given one comes out whole.

A container's own seek is not used. It lands where an index says or a guess leads, some containers have none, and what
it skips stays unknown: hidden, lost or doubled pictures would shift the frame ids. Here every packet up to the wanted
frame is read and counted, and only those that it needs are decoded. That is as exact as a reading from the start in
every container, and costs the reading of the file without the decoding, which is nearly all of the work.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mpipeline.sources.video_packets import PacketReader

if TYPE_CHECKING:
    from av.packet import Packet
    from av.stream import Stream

_MOST_BYTES = 64 * 2**20  # of packets that are kept: beyond, key frames are so far apart that nothing is won


@dataclass(frozen=True, slots=True)
class Landing:
    """`packets` are those read from the place on where decoding begins; `skipped` counts the ones before.

    `expected` has the pts, in ticks and presentation order, of the frames from the last key frame to the wanted one.
    """

    packets: deque[Packet[Stream]]
    skipped: int
    expected: list[int]


class PacketScan:
    """Reads from the start of a file to behind the frame with pts `target`, in ticks.

    Decoding begins one key frame earlier than it must, since pictures behind a key frame may still refer to those
    before it (open groups of pictures). What makes the count of packets no count of frames ends the scan in vain:
    damage, packets without times or with times that do not rise or come twice, several packets for one picture.
    """

    def __init__(self, packets: PacketReader, target: int) -> None:
        self._packets = packets
        self._target = target
        self._kept: deque[Packet[Stream]] = deque()
        self._kept_bytes = 0
        self._skipped = 0
        self._keys: list[tuple[int, int]] = []  # number of the packet and pts, of the last two usable key frames
        self._shown = 0  # frames up to the target
        self._times: set[int] = set()
        self._last_dts: int | None = None

    def run(self, frame_id: int, gives_up: Callable[[], bool]) -> Landing | None:
        """The landing for frame `frame_id`, None if there is none that can be relied on. Raises SourceError."""
        while not gives_up():
            packet = self._packets.read()
            if self._packets.errors:
                return None
            if packet is None:
                return self._landing(frame_id)
            if packet.pts is None or not self._is_regular(packet.pts, packet.dts):
                return None
            self._keep(packet, packet.pts)
            if self._kept_bytes > _MOST_BYTES:
                return None
            if packet.dts is not None and packet.dts > self._target:  # whatever is decoded later is shown later
                return self._landing(frame_id)
        return None

    def count(self, gives_up: Callable[[], bool]) -> int | None:
        """How many frames the whole file gives; None if its packets do not tell. Raises SourceError."""
        while not gives_up():
            packet = self._packets.read()
            if self._packets.errors:
                return None
            if packet is None:
                return self._shown
            if packet.pts is None or not self._is_regular(packet.pts, packet.dts):
                return None
            self._shown += not packet.is_discard
        return None

    def _is_regular(self, pts: int, dts: int | None) -> bool:
        if pts in self._times:
            return False
        self._times.add(pts)
        before, self._last_dts = self._last_dts, dts
        if dts is None:  # Matroska has none of its own; FFmpeg works them out from the second or third packet on
            return before is None
        return dts <= pts and (before is None or before < dts)

    def _keep(self, packet: Packet[Stream], pts: int) -> None:
        if packet.is_keyframe and pts <= self._target:
            self._keys = [*self._keys[-1:], (self._skipped + len(self._kept), pts)]
            while self._skipped < self._keys[0][0]:
                self._kept_bytes -= self._kept.popleft().size
                self._skipped += 1
        self._kept.append(packet)
        self._kept_bytes += packet.size
        self._shown += pts <= self._target and not packet.is_discard

    def _landing(self, frame_id: int) -> Landing | None:
        if self._shown != frame_id or len(self._keys) < 2 or self._target not in self._times:
            return None
        first = self._keys[1][1]
        times = [packet.pts for packet in self._kept if packet.pts is not None and not packet.is_discard]
        return Landing(self._kept, self._skipped, sorted(time for time in times if first <= time <= self._target))
