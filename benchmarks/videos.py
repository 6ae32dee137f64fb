"""Videos that are made of others, without encoding anew: repeated to a length that is worth measuring, or cut short."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import av
from av.container import InputContainer
from av.packet import Packet
from support import media


def repeated(video: Path, times: int) -> Path:
    """The video, so many times in a row in one MP4."""
    return kept(video, f"repeated-{times}", lambda path: _repeat(video, times, path))


def of_length(video: Path, frames: int) -> Path:
    """So many frames in one MP4: the video from its beginning, again and again.

    It must be one whose frames come in the order of its packets, as those without B-frames do.
    """
    return kept(video, f"length-{frames}", lambda path: _repeat(video, -(-frames // frame_count(video)), path, frames))


def frame_count(video: Path) -> int:
    """How many frames are in it, by decoding."""
    with av.open(str(video)) as container:
        return sum(1 for _ in container.decode(video=0))


def kept(video: Path, what: str, make: Callable[[Path], None]) -> Path:
    """What is made of a video is kept where the tests keep theirs."""
    version = hashlib.sha256(video.read_bytes()).hexdigest()[:16]
    path = media.folder() / f"{version}-{what}.mp4"
    if not path.exists():
        with tempfile.TemporaryDirectory(dir=media.folder()) as workplace:
            unfinished = Path(workplace) / path.name
            make(unfinished)
            unfinished.replace(path)
    return path


def _repeat(video: Path, times: int, path: Path, frames: int | None = None) -> None:
    with av.open(str(path), "w") as target:
        stream, offset, left = None, 0, frames
        for _ in range(times):
            with av.open(str(video)) as container:
                source = container.streams.video[0]
                if stream is None:
                    stream = target.add_stream_from_template(source)
                    stream.time_base = source.time_base
                end = 0
                for packet in islice(_packets(container), left):
                    end = max(end, packet.pts + packet.duration)
                    packet.pts += offset
                    packet.dts += offset
                    packet.stream = stream
                    target.mux(packet)
                    left = None if left is None else left - 1
                offset += end


def _packets(container: InputContainer) -> Iterator[Packet]:
    """The video's packets without the empty one at the end."""
    return (packet for packet in container.demux(video=0) if packet.dts is not None and packet.pts is not None)
