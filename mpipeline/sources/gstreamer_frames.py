"""Reads GStreamer's samples: format, times and flags, and a copy of their planes straight out of GStreamer's memory."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from mpipeline.clock import NS_PER_S
from mpipeline.frame import ColorMatrix, FrameFormat, PixelFormat, Pixels
from mpipeline.sources.gstreamer_library import Library

CAPS = "video/x-raw, format=(string){ I420, NV12, BGR, GRAY8 }"

_FORMATS = {
    "I420": PixelFormat.I420,
    "NV12": PixelFormat.NV12,
    "BGR": PixelFormat.BGR24,
    "GRAY8": PixelFormat.GRAY8,
}
# GstVideoColorMatrix; SMPTE 240M is the near relative of BT.709. What a stream leaves open, GStreamer sets by its size.
_MATRICES = {3: ColorMatrix.BT709, 5: ColorMatrix.BT709, 6: ColorMatrix.BT2020}
_RANGE_FULL = 1  # GstVideoColorRange
_SYSTEM_MEMORY = "memory:SystemMemory"
_MAP_READ = 1  # GstMapFlags
_NO_TIME = 2**64 - 1  # GST_CLOCK_TIME_NONE

Places = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """One sample. `sample` and `buffer` keep its memory; `places` are offset and stride in bytes of each of its planes.

    `running_ns` is its time since the pipeline began to play, `stream_s` that within what is played; None if unknown.
    """

    sample: Any
    buffer: Any
    format: FrameFormat
    places: Places
    is_corrupt: bool
    running_ns: int | None
    stream_s: float | None


class _MapInfo(ctypes.Structure):
    """GstMapInfo of gst/gstmemory.h; its layout is part of the ABI of all GStreamer 1.x."""

    _fields_ = [
        ("memory", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("data", ctypes.c_void_p),
        ("size", ctypes.c_size_t),
        ("maxsize", ctypes.c_size_t),
        ("user_data", ctypes.c_void_p * 4),
        ("reserved", ctypes.c_void_p * 4),
    ]


class SampleReader:
    """Tells what a sample is and copies its planes. `rate` is that of the last one in Hz, 0 if unknown or varying.

    PyGObject gives the bytes of a buffer only as a copy of their own, for which every frame would pay once more; so
    buffers are mapped by GStreamer's C function.
    """

    def __init__(self, library: Library) -> None:
        self.rate = 0.0
        self._gst, self._video = library.gst, library.video
        native = ctypes.CDLL("libgstreamer-1.0.so.0")  # the one that PyGObject has loaded
        self._map, self._unmap = native.gst_buffer_map, native.gst_buffer_unmap
        self._map.argtypes = (ctypes.c_void_p, ctypes.POINTER(_MapInfo), ctypes.c_int)
        self._unmap.argtypes = (ctypes.c_void_p, ctypes.POINTER(_MapInfo))
        self._unmap.restype = None
        self._caps: Any = None
        self._format = FrameFormat(PixelFormat.I420, 0, 0)
        self._places: Places = ()  # where a buffer says nothing else

    def picture(self, sample: Any) -> Picture | None:
        """What a sample is; None if its memory is smaller than its format says.

        Raises ValueError, with a remedy, for frames that a ring cannot hold.
        """
        caps = sample.get_caps()
        if self._caps is None or not caps.is_equal(self._caps):
            self._learn(caps)
            self._caps = caps.copy()  # of our own: the sample's goes with it
        buffer = sample.get_buffer()
        places = self._places_in(buffer)
        if places is None:
            return None
        segment, pts = sample.get_segment(), buffer.pts
        running = stream = _NO_TIME
        if pts != _NO_TIME:
            running = segment.to_running_time(self._gst.Format.TIME, pts)
            stream = segment.to_stream_time(self._gst.Format.TIME, pts)
        return Picture(
            sample,
            buffer,
            self._format,
            places,
            is_corrupt=buffer.has_flags(self._gst.BufferFlags.CORRUPTED),
            running_ns=running if running != _NO_TIME else None,
            stream_s=stream / NS_PER_S if stream != _NO_TIME else None,
        )

    def copy(self, picture: Picture, planes: tuple[Pixels, ...]) -> None:
        """Copies its planes into `planes`, views of shape (rows, row_bytes).

        Raises ValueError if the processor cannot read its memory.
        """
        with self._mapped(picture.buffer) as memory:
            for (offset, stride), plane in zip(picture.places, planes, strict=True):
                np.copyto(plane, np.ndarray(plane.shape, np.uint8, memory, offset, (stride, 1)))

    @contextmanager
    def _mapped(self, buffer: Any) -> Iterator[Any]:
        """The bytes of a buffer, as they lie in GStreamer's memory."""
        info, pointer = _MapInfo(), hash(buffer)  # of what PyGObject wraps, the hash is the address
        if not self._map(pointer, ctypes.byref(info), _MAP_READ):
            raise ValueError("the processor cannot read the memory of its frames")
        try:
            yield (ctypes.c_uint8 * info.size).from_address(info.data)
        finally:
            self._unmap(pointer, ctypes.byref(info))

    def _places_in(self, buffer: Any) -> Places | None:
        """Where the planes are in a buffer; None if it is too small for them."""
        meta = self._video.buffer_get_video_meta(buffer)
        places = self._places
        if meta is not None:
            places = tuple(zip(meta.offset[: meta.n_planes], meta.stride[: meta.n_planes], strict=True))
        planes, size = self._format.planes(), buffer.get_size()
        if len(places) != len(planes):
            return None
        for (offset, stride), plane in zip(places, planes, strict=True):
            if stride < plane.row_bytes or offset + stride * (plane.rows - 1) + plane.row_bytes > size:
                return None
        return places

    def _learn(self, caps: Any) -> None:
        features = caps.get_features(0)
        if features is not None and not features.contains(_SYSTEM_MEMORY):
            raise ValueError(
                f"its frames lie in {features.to_string()}: bring them into the processor's memory before the appsink, "
                "on Jetson by `nvvidconv ! video/x-raw,format=NV12`, behind nvh264dec by `cudadownload`"
            )
        info = self._video.VideoInfo.new_from_caps(caps)
        name = info.finfo.name if info is not None else caps.to_string()
        if name not in _FORMATS:
            raise ValueError(f"its frames are {name}: put `videoconvert` before the appsink, and no format behind it")
        pixel_format = _FORMATS[name]
        is_yuv = pixel_format in (PixelFormat.I420, PixelFormat.NV12)
        color = info.colorimetry
        self._format = FrameFormat(
            pixel_format,
            info.width,
            info.height,
            _MATRICES.get(int(color.matrix), ColorMatrix.BT601) if is_yuv else ColorMatrix.BT601,
            full_range=not is_yuv or int(color.range) == _RANGE_FULL,
        )
        count = len(self._format.planes())
        self._places = tuple(zip(info.offset[:count], info.stride[:count], strict=True))
        self.rate = info.fps_n / info.fps_d if info.fps_n > 0 and info.fps_d > 0 else 0.0
