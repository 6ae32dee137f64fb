"""What the cameras of the benchmarks show: real pictures as cameras send them, with their numbers painted in if wanted.

Encoded at the first call and kept where the tests keep their videos.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from support import media

from benchmarks.stand_ins import STRIP
from benchmarks.videos import kept

_GREY = 128


@dataclass(frozen=True)
class Camera:
    """How a camera sends: `rate` pictures a second, a key frame every `gop` of them, no B-frames.

    Of the video every `every`-th picture is taken, `frames` in all if there are as many. `numbered`: each bears its
    number in the file, from 0, in a strip at its upper edge, where `stand_ins.number_of` reads it.
    """

    rate: int
    gop: int
    every: int = 1
    frames: int = 150
    numbered: bool = False


def camera_video(video: Path, camera: Camera) -> Path:
    """The pictures of the video as this camera sends them: H.264 in MP4."""
    return kept(video, f"camera-{_name_of(camera)}", lambda path: _encode(video, camera, path))


def _name_of(camera: Camera) -> str:
    return hashlib.sha256(str(camera).encode()).hexdigest()[:12]


def _encode(video: Path, camera: Camera, path: Path) -> None:
    with av.open(str(path), "w") as target:
        stream = target.add_stream("libx264", rate=camera.rate)
        stream.pix_fmt = "yuv420p"
        stream.codec_context.gop_size = camera.gop
        stream.codec_context.max_b_frames = 0
        stream.codec_context.options = {"preset": "veryfast", "crf": "23", "sc_threshold": "0"}
        for number, frame in enumerate(_pictures(video, camera)):
            if not number:
                stream.width, stream.height = frame.width, frame.height
            frame.pts, frame.time_base = number, Fraction(1, camera.rate)
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))


def _pictures(video: Path, camera: Camera) -> Iterator[av.VideoFrame]:
    with av.open(str(video)) as container:
        chosen = islice(container.decode(video=0), 0, camera.frames * camera.every, camera.every)
        for number, frame in enumerate(chosen):
            planes = frame.to_ndarray(format="yuv420p")
            if camera.numbered:
                _paint(planes, number, frame.width, frame.height)
            yield av.VideoFrame.from_ndarray(planes, format="yuv420p")


def _paint(planes: npt.NDArray[np.uint8], number: int, width: int, height: int) -> None:
    """Into I420 as PyAV gives it: the rows of Y, below them those of U and V, two to a row of the array."""
    rows = STRIP // 3
    planes[:rows] = media.picture(number, width, STRIP)[:rows]
    chroma = planes[height:].reshape(2, height // 2, width // 2)
    chroma[:, : rows // 2] = _GREY
