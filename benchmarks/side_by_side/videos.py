"""A video whose stream says what its colours are, and what they are by the formulas."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.bitstream import BitStreamFilterContext

from benchmarks.videos import kept

SAMPLED = slice(None, None, 40)  # of rows and columns, as `program.py` samples them
_BT709 = 1  # AVColorSpace
_RED_AND_BLUE = {True: (0.2126, 0.0722), False: (0.299, 0.114)}  # of luma, by ITU-R BT.709 and BT.601


def said_to_be_bt709(video: Path) -> Path:
    """An H.264 video with the same pictures, whose stream says that their colours are those of BT.709."""
    return kept(video, "bt709", lambda path: _say_bt709(video, path))


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
