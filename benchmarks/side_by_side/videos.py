"""The videos of the comparison: the test data's, or the tests' own, repeated, or with a word about their colours."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.bitstream import BitStreamFilterContext
from support import media

SAMPLED = slice(None, None, 40)  # of rows and columns, as `program.py` samples them
_BT709 = 1  # AVColorSpace
_RED_AND_BLUE = {True: (0.2126, 0.0722), False: (0.299, 0.114)}  # of luma, by ITU-R BT.709 and BT.601


def repeated(video: Path, times: int) -> Path:
    """The video, so many times in a row in one MP4, without encoding anew."""
    return _kept(video, f"repeated-{times}", lambda path: _repeat(video, times, path))


def said_to_be_bt709(video: Path) -> Path:
    """An H.264 video with the same pictures, whose stream says that their colours are those of BT.709."""
    return _kept(video, "bt709", lambda path: _say_bt709(video, path))


def frame_count(video: Path) -> int:
    """How many frames are in it, by decoding."""
    with av.open(str(video)) as container:
        return sum(1 for _ in container.decode(video=0))


def exact_samples(video: Path) -> Iterator[npt.NDArray[np.float64]]:
    """Of each frame the sampled pixels in BGR, not rounded, by the formulas of ITU-R BT.601 or BT.709.

    The video must be YUV 4:2:0 of limited range. Each chroma sample counts for the four pixels that share it.
    """
    with av.open(str(video)) as container:
        for frame in container.decode(video=0):
            planes = frame.to_ndarray(format="yuv420p")
            width, height = frame.width, frame.height
            chroma = planes[height:].reshape(2, height // 2, width // 2)
            luma = (planes[:height][SAMPLED, SAMPLED] - 16.0) / 219
            blue, red = (plane.repeat(2, 0).repeat(2, 1)[SAMPLED, SAMPLED] / 224.0 - 128 / 224 for plane in chroma)
            from_red, from_blue = _RED_AND_BLUE[frame.colorspace == _BT709]
            b, r = luma + 2 * (1 - from_blue) * blue, luma + 2 * (1 - from_red) * red
            g = (luma - from_red * r - from_blue * b) / (1 - from_red - from_blue)
            yield np.clip(np.stack([b, g, r], -1), 0, 1) * 255


def _kept(video: Path, what: str, make: Callable[[Path], None]) -> Path:
    """What is made of a video is kept where the tests keep theirs."""
    version = hashlib.sha256(video.read_bytes()).hexdigest()[:16]
    path = media.folder() / f"{version}-{what}.mp4"
    if not path.exists():
        with tempfile.TemporaryDirectory(dir=media.folder()) as workplace:
            unfinished = Path(workplace) / path.name
            make(unfinished)
            unfinished.replace(path)
    return path


def _repeat(video: Path, times: int, path: Path) -> None:
    with av.open(str(path), "w") as target:
        stream, offset = None, 0
        for _ in range(times):
            with av.open(str(video)) as container:
                source = container.streams.video[0]
                if stream is None:
                    stream = target.add_stream_from_template(source)
                    stream.time_base = source.time_base
                end = 0
                for packet in container.demux(source):
                    if packet.dts is None or packet.pts is None:
                        continue  # the empty one at the end
                    end = max(end, packet.pts + packet.duration)
                    packet.pts += offset
                    packet.dts += offset
                    packet.stream = stream
                    target.mux(packet)
                offset += end


def _say_bt709(video: Path, path: Path) -> None:
    with av.open(str(video)) as container, av.open(str(path), "w") as target:
        source = container.streams.video[0]
        stream = target.add_stream_from_template(source)
        saying = BitStreamFilterContext(f"h264_metadata=matrix_coefficients={_BT709}", source, stream)
        for packet in container.demux(source):
            if packet.dts is not None:
                for changed in saying.filter(packet):
                    changed.stream = stream
                    target.mux(changed)
