"""Small videos that the tests make themselves, with the frame's number readable from its pixels.

The upper third of every picture is a bar code of 16 blocks, most significant first: 12 bits of the frame number, then
4 check bits, so that a grey or foreign picture does not read as a number. `frame_number` reads it back.

Files are made once and kept in a folder of the system's temporary directory, named after what this program makes.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

BLOCKS = 16
_CHECK_BITS = 4
_LOW, _HIGH = 40, 215  # luma of black and white blocks, clear of both range limits


@dataclass(frozen=True)
class VideoSpec:
    """What a test video is like. `width` and `height` are as encoded; `rotation` (degrees counter-clockwise) turns them
    when shown. `suffix` chooses the container. `first` is the number of the first frame."""

    suffix: str = ".mp4"
    codec: str = "libx264"
    pix_fmt: str = "yuv420p"
    width: int = 320
    height: int = 180
    frames: int = 30
    rate: int = 15
    gop: int = 10
    b_frames: int = 0
    rotation: int = 0
    variable_rate: bool = False
    sound: bool = False
    first: int = 0
    colorspace: int | None = None  # AVColorSpace
    color_range: int | None = None  # AVColorRange
    options: tuple[tuple[str, str], ...] = ()
    container_options: tuple[tuple[str, str], ...] = field(default=())

    def pts(self) -> list[float]:
        """Presentation times in seconds, from 0."""
        steps = [(1, 2, 4)[n % 3] if self.variable_rate else 1 for n in range(self.frames)]
        ticks = [sum(steps[:n]) for n in range(self.frames)]
        return [tick / self.rate for tick in ticks]


def folder() -> Path:
    """Where the videos are kept; another one for every version of this file and of PyAV."""
    version = hashlib.sha256(Path(__file__).read_bytes() + av.__version__.encode()).hexdigest()[:12]
    path = Path(tempfile.gettempdir()) / f"mpipeline-test-media-{os.getuid()}-{version}"
    path.mkdir(mode=0o700, exist_ok=True)
    return path


def video(spec: VideoSpec = VideoSpec()) -> Path:
    """The file that `spec` describes, encoded at the first call."""
    path = folder() / f"{hashlib.sha256(repr(spec).encode()).hexdigest()[:16]}{spec.suffix}"
    if not path.exists():
        with tempfile.TemporaryDirectory(dir=folder()) as workplace:
            unfinished = Path(workplace) / path.name
            _encode(spec, unfinished)
            unfinished.replace(path)
    return path


def parts(count: int) -> list[Path]:
    """Two files that together have so many frames, numbered through."""
    first = count // 2
    return [video(VideoSpec(frames=first)), video(VideoSpec(frames=count - first, first=first))]


def pictures(count: int) -> Path:
    """A folder with so many numbered pictures."""
    path = folder() / f"pictures-{count}"
    if not path.exists():
        with tempfile.TemporaryDirectory(dir=folder()) as workplace:
            unfinished = Path(workplace) / path.name
            unfinished.mkdir()
            for number in range(count):
                frame = av.VideoFrame.from_ndarray(picture(number, 160, 96), format="gray")
                frame.to_image().save(unfinished / f"{number}.png")
            unfinished.replace(path)
    return path


def sound_only() -> Path:
    """An MP4 with sound and nothing else."""
    path = folder() / "sound_only.mp4"
    if not path.exists():
        with tempfile.TemporaryDirectory(dir=folder()) as workplace:
            unfinished = Path(workplace) / path.name
            with av.open(str(unfinished), "w") as container:
                _add_sound(container, container.add_stream("aac", rate=8000), seconds=1.0)
            unfinished.replace(path)
    return path


def cut(path: Path, share: float) -> Path:
    """The first `share` of a file's bytes."""
    return derived(path, f"cut{share}", path.read_bytes()[: int(path.stat().st_size * share)])


def without_head(path: Path, share: float) -> Path:
    """A file without the first `share` of its bytes: it starts in the middle of something."""
    return derived(path, f"headless{share}", path.read_bytes()[int(path.stat().st_size * share) :])


def damaged(path: Path, *, flips: int, seed: int = 1, spare: float = 0.1) -> Path:
    """A copy with `flips` random bits turned over, the first and last `spare` of it left whole."""
    rng = np.random.default_rng(seed)
    data = bytearray(path.read_bytes())
    places = rng.integers(int(len(data) * spare), int(len(data) * (1 - spare)), flips)
    for place in places:
        data[place] ^= 1 << int(rng.integers(8))
    return derived(path, f"damaged{flips}-{seed}-{spare}", bytes(data))


def shortened_by_edit_list(path: Path, share: float) -> Path:
    """A copy of an MP4 whose edit list shows only the first `share`, as phones cut without encoding anew."""
    data = bytearray(path.read_bytes())
    box = data.index(b"elst")
    entries = int.from_bytes(data[box + 8 : box + 12], "big")
    assert entries == 1, "the video was made with one edit"
    duration = int.from_bytes(data[box + 12 : box + 16], "big")
    data[box + 12 : box + 16] = int(duration * share).to_bytes(4, "big")
    return derived(path, f"edited{share}", bytes(data))


def derived(path: Path, name: str, data: bytes) -> Path:
    """`data` as a file named after the one it was made from."""
    result = folder() / f"{path.stem}-{name}{path.suffix}"
    if not result.exists() or result.read_bytes() != data:
        unfinished = result.with_suffix(f".{os.getpid()}")
        unfinished.write_bytes(data)
        unfinished.replace(result)
    return result


def picture(number: int, width: int, height: int) -> npt.NDArray[np.uint8]:
    """Luma of frame `number`, shape (height, width): bar code above, a moving ramp below."""
    columns = np.arange(width)
    below = (columns[None, :] + 3 * np.arange(height)[:, None] + 5 * number) % 128 + 60
    luma = below.astype(np.uint8)
    bits = [_code(number) >> (BLOCKS - 1 - block) & 1 for block in range(BLOCKS)]
    luma[: height // 3] = np.where(np.array(bits)[columns * BLOCKS // width], _HIGH, _LOW).astype(np.uint8)
    return luma


def frame_number(luma: npt.NDArray[np.uint8]) -> int | None:
    """The number in a picture's bar code, given its luma (or any colour plane) of shape (height, width).

    None if the check bits disagree.
    """
    height, width = luma.shape
    code = 0
    for block in range(BLOCKS):
        left, right = width * block // BLOCKS, width * (block + 1) // BLOCKS
        margin = (right - left) // 4
        patch = luma[height // 12 : height // 4, left + margin : right - margin]
        code = code << 1 | int(patch.mean() > 128)
    number = code >> _CHECK_BITS
    return number if _code(number) == code else None


def _code(number: int) -> int:
    return number << _CHECK_BITS | (number * 7 + 5) % (1 << _CHECK_BITS)


def _encode(spec: VideoSpec, path: Path) -> None:
    with av.open(str(path), "w", container_options=dict(spec.container_options)) as container:
        stream = container.add_stream(spec.codec, rate=spec.rate)
        stream.width, stream.height, stream.pix_fmt = spec.width, spec.height, spec.pix_fmt
        context = stream.codec_context
        context.time_base = Fraction(1, spec.rate)
        context.gop_size = spec.gop
        context.max_b_frames = spec.b_frames
        context.options = _quick(spec) | dict(spec.options)
        if spec.colorspace is not None:
            context.colorspace = spec.colorspace
        if spec.color_range is not None:
            context.color_range = spec.color_range
        if spec.rotation:
            stream.set_display_rotation(spec.rotation)
        sound = container.add_stream("aac", rate=8000) if spec.sound else None
        for number, pts in enumerate(spec.pts()):
            for packet in stream.encode(_frame(spec, number + spec.first, round(pts * spec.rate))):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
        if sound is not None:
            _add_sound(container, sound, spec.frames / spec.rate)


def _quick(spec: VideoSpec) -> dict[str, str]:
    """Options that make an encoder fast, and give it key frames where `gop` says and nowhere else."""
    return {
        "libx264": {"preset": "ultrafast", "crf": "28", "sc_threshold": "0"},
        "libx265": {"preset": "ultrafast", "x265-params": "log-level=none:scenecut=0"},
        "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8", "crf": "35", "b": "0"},
        "libsvtav1": {"preset": "12"},
        "mpeg4": {"qscale": "5"},
        "mjpeg": {"qscale": "5"},
    }.get(spec.codec, {})


def _frame(spec: VideoSpec, number: int, pts: int) -> av.VideoFrame:
    upright = (spec.height, spec.width) if spec.rotation % 180 == 0 else (spec.width, spec.height)
    luma = picture(number, upright[1], upright[0])
    turned = np.ascontiguousarray(np.rot90(luma, -(spec.rotation // 90)))  # the player turns it back
    grey = av.VideoFrame.from_ndarray(turned, format="gray")
    frame = grey if spec.pix_fmt == "gray" else _coloured(grey, spec.pix_fmt)
    frame.pts, frame.time_base = pts, Fraction(1, spec.rate)
    return frame


def _coloured(grey: av.VideoFrame, pix_fmt: str) -> av.VideoFrame:
    """The picture in another format, luma unchanged where the format has one, chroma neutral."""
    if pix_fmt in ("yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p"):
        frame = av.VideoFrame(grey.width, grey.height, pix_fmt)
        luma = np.frombuffer(memoryview(grey.planes[0]), np.uint8).reshape(-1, grey.planes[0].line_size)[
            :, : grey.width
        ]
        rows = np.zeros((frame.planes[0].height, frame.planes[0].line_size), np.uint8)
        rows[:, : grey.width] = luma
        frame.planes[0].update(rows.tobytes())
        for plane in frame.planes[1:]:
            plane.update(bytes([128]) * plane.buffer_size)
        return frame
    return grey.reformat(format=pix_fmt)


def _add_sound(container: av.container.OutputContainer, stream: av.AudioStream, seconds: float) -> None:
    rate, block = 8000, 1024
    for start in range(0, int(rate * seconds), block):
        wave = np.sin(np.arange(start, start + block) * 0.2).astype(np.float32)[None]
        frame = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
        frame.rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
        for packet in stream.encode(frame):
            container.mux(packet)
    for packet in stream.encode(None):
        container.mux(packet)
