"""The compiled part of mpipeline, as Python sees it."""

from collections.abc import Sequence
from mmap import mmap
from typing import Any

import numpy as np
import numpy.typing as npt

Buffer = bytearray | memoryview | mmap

# --- the ring: native/bindings/ring.cpp ---

MAX_READERS: int
WRITER_BIT: int

def segment_bytes(slots: int, payload_bytes: int) -> int: ...
def ring_layout() -> dict[str, Any]: ...

class SlotHeader:
    frame_id: int
    pts: float
    captured_ns: int
    wall_ns: int
    rate: float
    width: int
    height: int
    shown_width: int
    shown_height: int
    pixel_format: int
    matrix: int
    flags: int
    strides: Sequence[int]
    decode_us: int
    offsets: Sequence[int]
    payload_length: int
    def __init__(self) -> None: ...
    @property
    def source_index(self) -> int: ...
    @property
    def sequence(self) -> int: ...

class Ring:
    def __init__(self, buffer: Buffer) -> None: ...
    @staticmethod
    def create(
        buffer: Buffer,
        slots: int,
        payload_bytes: int,
        source_index: int = 0,
        owner_pid: int = 0,
        last_frame_id: int = 0,
    ) -> Ring: ...
    @property
    def slots(self) -> int: ...
    @property
    def payload_bytes(self) -> int: ...
    @property
    def source_index(self) -> int: ...
    @property
    def owner_pid(self) -> int: ...
    @property
    def readers(self) -> int: ...
    @property
    def pinned(self) -> int: ...
    @property
    def published(self) -> int: ...
    @property
    def expired(self) -> int: ...
    @property
    def last_frame_id(self) -> int: ...
    @property
    def last_pts(self) -> float: ...
    @property
    def publish_events(self) -> int: ...
    def payload_offset(self, slot: int) -> int: ...
    def populate(self) -> None: ...
    def reserve(self, reuse: bool, timeout_s: float, counted: int = 1) -> int | None: ...
    def publish(self, slot: int, header: SlotHeader) -> int: ...
    def cancel(self, slot: int) -> None: ...
    def reap_writer(self) -> int: ...
    def acquire(self, slot: int, sequence: int, bit: int) -> bool: ...
    def release(self, slot: int, sequence: int, bit: int) -> bool: ...
    def skip(self, slot: int, sequence: int, mask: int) -> bool: ...
    def recover(self, bit: int) -> int: ...
    def pending(self, bit: int) -> list[tuple[int, SlotHeader]]: ...
    def header(self, slot: int, sequence: int) -> SlotHeader | None: ...
    def add_reader(self, bit: int, pinned: bool) -> None: ...
    def remove_reader(self, bit: int) -> int: ...
    def reap(self, bit: int) -> int: ...
    def control(self, slot: int) -> tuple[int, int, int]: ...
    def idle(self) -> bool: ...
    def wait_published(self, seen: int, timeout_s: float) -> int: ...

# --- end of the ring ---

# --- pixels, preprocessing, boxes and masks: native/bindings/pixels.cpp ---

def to_bgr(
    pixel_format: int,
    width: int,
    height: int,
    matrix: int,
    full_range: bool,
    planes: Sequence[npt.NDArray[np.uint8]],
    portable: bool = False,
) -> npt.NDArray[np.uint8]: ...
def has_avx2() -> bool: ...

class Preprocessor:
    def __init__(
        self,
        width: int,
        height: int,
        bgr: bool,
        scale: tuple[float, float, float],
        bias: tuple[float, float, float],
        pad: float,
        portable: bool = False,
    ) -> None: ...
    def run(
        self,
        out: npt.NDArray[Any],
        pixel_format: int,
        width: int,
        height: int,
        matrix: int,
        full_range: bool,
        planes: Sequence[npt.NDArray[np.uint8]],
        placement: tuple[int, int, int, int],
    ) -> None: ...

class SmoothPreprocessor:
    def __init__(
        self,
        width: int,
        height: int,
        bgr: bool,
        scale: tuple[float, float, float],
        bias: tuple[float, float, float],
        pad: float,
    ) -> None: ...
    def run(
        self,
        out: npt.NDArray[Any],
        pixel_format: int,
        width: int,
        height: int,
        matrix: int,
        full_range: bool,
        planes: Sequence[npt.NDArray[np.uint8]],
        placement: tuple[int, int, int, int],
    ) -> None: ...

def select_candidates(
    scores: npt.NDArray[np.float32],
    threshold: float,
    objectness: npt.NDArray[np.float32] | None = None,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[np.float32]]: ...
def non_maximum_suppression(
    xyxy: npt.NDArray[np.float32],
    score: npt.NDArray[np.float32],
    class_id: npt.NDArray[np.int32] | None,
    threshold: float,
    max_detections: int,
) -> npt.NDArray[np.int64]: ...
def enlarged_runs(
    patch: npt.NDArray[np.float32], across: tuple[int, int, int], down: tuple[int, int, int]
) -> tuple[tuple[int, int, int, int], npt.NDArray[np.uint16]]: ...

# --- end of pixels, preprocessing, boxes and masks ---
