"""Detection on a GPU: a detector's output in device memory becomes the boxes that are kept, and only these come down.

The kernels find what the postprocessing on the processor finds (`mpipeline.models.nms`), in the same order, ties
included; the numbers of a box are the same to the last bit, but for exponentials (YOLOX), of which the last bits are
each library's own. Every anchor may be a candidate. Only the number of boxes that are kept is limited, by `most`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mpipeline.cuda.driver import Address, DeviceMemory, Gpu, HostMemory, Stream
from mpipeline.cuda.kernels import Kernels

LIMIT = 4096
"""The most boxes of a frame that can be kept: they are found one after the other."""

_BLOCK = 256  # anchors or numbers that a block looks at: kThreads in native/cuda/block.hpp
_SUFFIXES = {"float32": "f32", "float16": "f16"}  # of kernels that read the output

# DetectJob, Tally and Found of native/cuda/detect_kernel.hpp
JOB = np.dtype(
    [(name, "u8") for name in ("keys", "boxes", "classes", "candidates", "wanted", "tallies", "found", "more")]
    + [("strides", "i8", 3)]
    + [(name, "i4") for name in ("anchors", "class_count", "more_count", "objectness")]
    + [("grid", "i4", 2), ("most", "i4"), ("agnostic", "i4"), ("confidence", "f4"), ("iou", "f4")]
)
TALLY = np.dtype([("found", "i4"), ("candidates", "i4")])
FOUND = np.dtype([("xyxy", "f4", 4), ("score", "f4"), ("class_id", "i4"), ("anchor", "i4")])


@dataclass(frozen=True, slots=True)
class Head:
    """How an output is to be read: boxes as centre x, centre y, width, height, and behind them the scores of classes.

    `anchors_last`: its shape is (batch, values, anchors), else (batch, anchors, values). `objectness` stands between
    box and scores, and multiplies them. `grid` is (width, height) of the input where boxes are relative to the cells of
    strides 8, 16 and 32, with logarithms as sizes: YOLOX. `more` values stand behind the scores: of the boxes that are
    kept they come down too.
    """

    anchors: int
    classes: int
    anchors_last: bool = False
    objectness: bool = False
    grid: tuple[int, int] | None = None
    more: int = 0
    dtype: str = "float32"  # or float16

    @property
    def values(self) -> int:
        """Numbers of each anchor."""
        return 4 + self.objectness + self.classes + self.more

    @property
    def strides(self) -> tuple[int, int, int]:
        """Elements from one frame, anchor and value to the next."""
        along = (1, self.anchors) if self.anchors_last else (self.values, 1)
        return (self.anchors * self.values, *along)


@dataclass(frozen=True, slots=True)
class Rules:
    """What is kept, as in `ModelOptions`: `most` boxes at most, only of the classes `wanted` (None: of all)."""

    confidence: float
    iou_threshold: float
    most: int
    agnostic: bool = False
    wanted: frozenset[int] | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """What was kept of one frame, highest score first, of so many `candidates`.

    Boxes (N, 4) float32 in pixels of the input, scores (N,) float32, class ids and anchors (N,) int32, and the numbers
    that stand behind the scores, (N, more) float32.
    """

    xyxy: npt.NDArray[np.float32]
    score: npt.NDArray[np.float32]
    class_id: npt.NDArray[np.int32]
    anchor: npt.NDArray[np.int32]
    more: npt.NDArray[np.float32]
    candidates: int


class Detection:
    """Finds the boxes in batches of one model. Each batch that is in flight needs one of its own."""

    def __init__(self, gpu: Gpu, kernels: Kernels, head: Head, rules: Rules, rows: int, stream: Stream) -> None:
        """For batches of at most `rows` frames; uses the stream to make that ready, and waits for it.

        Raises ValueError if more than LIMIT boxes are to be kept.
        """
        if not 1 <= rules.most <= LIMIT:
            raise ValueError(
                f"a GPU keeps 1 to {LIMIT} boxes of a frame, not {rules.most}: postprocess on the processor"
            )
        self._gpu, self._kernels, self._head, self._rows, self._most = gpu, kernels, head, rows, rules.most
        self._memory: list[DeviceMemory | HostMemory] = []
        try:
            self._prepare(rules, stream)
        except BaseException:
            self.free()
            raise

    def _prepare(self, rules: Rules, stream: Stream) -> None:
        gpu, head, rows = self._gpu, self._head, self._rows
        self._found_at = rows * TALLY.itemsize  # in the results
        self._more_at = self._found_at + rows * rules.most * FOUND.itemsize
        self._results_bytes = self._more_at + rows * rules.most * head.more * 4
        self._results = self._allocate(self._results_bytes)
        self._candidates = self._allocate(4 * rows)
        wanted = _class_bits(rules.wanted, head.classes)
        self._here = gpu.allocate_host(max(self._results_bytes, JOB.itemsize + wanted.nbytes))
        self._memory.append(self._here)
        self._job = self._allocate(JOB.itemsize + wanted.nbytes)
        room = rows * head.anchors
        packed = np.zeros(1, JOB)
        packed[0] = (
            *(self._allocate(size * room) for size in (8, 16, 4)),  # keys, boxes, classes
            self._candidates,
            self._job + JOB.itemsize if len(wanted) else 0,
            self._results,
            self._results + self._found_at,
            self._results + self._more_at if head.more else 0,
            head.strides,
            *(head.anchors, head.classes, head.more, head.objectness, head.grid or (0, 0)),
            *(rules.most, rules.agnostic, rules.confidence, rules.iou_threshold),
        )
        code = np.concatenate([packed.view(np.uint8), wanted.view(np.uint8)])
        self._here.array[: code.nbytes] = code
        gpu.upload(self._job, self._here.array[: code.nbytes], stream)
        stream.synchronize()

    def run(self, output: Address, rows: int, stream: Stream) -> None:
        """Puts into the stream that the boxes in the first `rows` frames of the output are found and come down.

        Not to be called again before `found` has told them. Raises ValueError if there are more frames than rows.
        """
        if rows > self._rows:
            raise ValueError(f"{rows} frames do not fit a batch of {self._rows}")
        if rows < 1:
            return
        job, head = np.uint64(self._job), self._head
        self._gpu.fill(self._candidates, 0, 4 * rows, stream)
        suffix, arguments = _SUFFIXES[head.dtype], [job, np.uint64(output)]
        self._kernels.launch(f"detect_candidates_{suffix}", (_blocks(head.anchors), rows, 1), arguments, stream)
        self._kernels.launch("detect_suppress", (rows, 1, 1), [job], stream)
        if head.more:
            blocks = _blocks(self._most * head.more)
            self._kernels.launch(f"detect_gather_{suffix}", (blocks, rows, 1), arguments, stream)
        self._gpu.download(self._here.array[: self._results_bytes], self._results, stream)

    def found(self, rows: int) -> list[Kept]:
        """What was kept of each frame, when the stream has done what `run` put into it."""
        results = self._here.array[: self._results_bytes]
        tallies = results[: self._found_at].view(TALLY)
        boxes = results[self._found_at : self._more_at].view(FOUND).reshape(self._rows, self._most)
        more = results[self._more_at :].view(np.float32).reshape(self._rows, self._most, self._head.more)
        return [_kept(*frame) for frame in zip(tallies[:rows], boxes[:rows], more[:rows], strict=True)]

    def free(self) -> None:
        """Gives its memory back. No stream may have work left that uses it."""
        for memory in self._memory:
            memory.free()

    def _allocate(self, size: int) -> Address:
        memory = self._gpu.allocate(size)
        self._memory.append(memory)
        return memory.address


def _blocks(threads: int) -> int:
    return -(-threads // _BLOCK)


def _class_bits(wanted: frozenset[int] | None, classes: int) -> npt.NDArray[np.uint32]:
    """A bit for each class, the lowest first; empty if all are wanted."""
    if wanted is None:
        return np.zeros(0, np.uint32)
    bits = np.zeros(-(-classes // 32) * 32, np.uint8)
    bits[[class_id for class_id in wanted if 0 <= class_id < classes]] = 1
    return np.packbits(bits, bitorder="little").view(np.uint32)


def _kept(tally: np.void, boxes: npt.NDArray[np.void], more: npt.NDArray[np.float32]) -> Kept:
    """Copies: the memory is the next batch's."""
    count = int(tally["found"])
    xyxy, score, class_id, anchor = (boxes[name][:count].copy() for name in ("xyxy", "score", "class_id", "anchor"))
    return Kept(xyxy, score, class_id, anchor, more[:count].copy(), int(tally["candidates"]))
