"""A few frames become findings on a GPU: their planes go up as they are, and kernels work before and behind the model.

A slot is given back as soon as its frame is up, not when its findings are there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial

from mpipeline.cuda.beside import DeviceTensor, ModelOnGpu, Step, Written
from mpipeline.cuda.detect import Detection
from mpipeline.cuda.driver import Gpu, Stream
from mpipeline.cuda.kernels import Kernels
from mpipeline.cuda.page_locking import PageLocking
from mpipeline.cuda.preprocess import DeviceFrame, Preprocessing, Target
from mpipeline.cuda.thread import GpuThread
from mpipeline.cuda.uploads import Staged, Uploads
from mpipeline.errors import BackendError
from mpipeline.frame import Frame, Pixels
from mpipeline.models.family import Family
from mpipeline.models.gpu_detection import GpuDetection
from mpipeline.models.preprocess import Placement, Preprocessor
from mpipeline.prediction import Findings
from mpipeline.tensor import Tensor
from mpipeline.workers.ways import LetGo, constants_of

logger = logging.getLogger("mpipeline.inference")


class GpuShare:
    """What all ways of a model share: the kernels, and the page-locked rings, at most `limit` bytes. As RingMemory.

    Raises BackendError if the driver does not take the kernels.
    """

    def __init__(self, thread: GpuThread, limit: int) -> None:
        self.thread = thread
        self.kernels, self.locked = thread.call(lambda gpu: (Kernels(gpu), PageLocking(gpu, limit)))

    def lend(self, name: str, memory: Pixels) -> None:
        """As in RingMemory. Frames in memory that cannot be page-locked are copied once more, which the log says."""
        megabytes = memory.nbytes >> 20
        extra = {"event": "ring_page_locked", "ring": name}
        try:
            self.thread.call(lambda _: self.locked.add(name, memory))
        except BackendError as error:
            text = "ring %s (%d MB) is not page-locked for the GPU, its frames are copied once more: %s"
            logger.warning(text, name, megabytes, error, extra={**extra, "event": "ring_pageable"})
        else:
            logger.info("ring %s (%d MB) is page-locked: the GPU takes its frames itself", name, megabytes, extra=extra)

    def take_back(self, name: str) -> None:
        """As in RingMemory."""
        self.thread.call(lambda _: self.locked.remove(name))

    def close(self) -> None:
        """As in RingMemory."""
        self.thread.call(lambda _: self._free())

    def _free(self) -> None:
        self.locked.free()
        self.kernels.free()


class GpuWay:
    """As Way, for batches of at most `rows` frames. The first batch tells what the outputs look like."""

    def __init__(
        self,
        family: Family,
        preprocessor: Preprocessor,
        target: Target,
        model: ModelOnGpu,
        share: GpuShare,
        rows: int,
    ) -> None:
        """`target` is what the preprocessor has the kernels do."""
        self._family, self._preprocessor = family, preprocessor
        self._model, self._share, self._row_count = model, share, rows
        self._constants = constants_of(family, rows)
        self._uploads = Uploads(share.thread, share.locked)
        self._boxes: tuple[GpuDetection, Detection] | None = None
        self._unread: frozenset[str] | None = None  # outputs that nobody needs; None before the first batch
        self._preprocessing, self._copied = share.thread.call(
            lambda gpu: (Preprocessing(gpu, share.kernels, target, rows), gpu.event())
        )

    def infer(self, frames: Sequence[Frame], let_go: LetGo) -> Sequence[Findings]:
        """As in Way."""
        family, rows = self._family, self._family.batch or len(frames)
        placements, geometries = zip(*[self._preprocessor.placed(frame.format) for frame in frames], strict=True)
        loan = _Loan(self._uploads, frames, self._uploads.stage(frames), placements, let_go)
        written = {family.input_name: Written((rows, *family.input_shape), partial(self._write, loan))}
        constants = {name: value[:rows] for name, value in self._constants.items()}
        try:
            outputs = self._model.run(constants, written, self._reading(len(frames)))
        except BaseException:
            with suppress(BackendError):  # of a GPU that was left
                self._share.thread.call(lambda _: loan.keep())
            raise
        if self._boxes is not None:
            plan, detection = self._boxes
            return plan.findings(detection.found(len(frames)), geometries, outputs)
        if self._unread is None:
            self._learn(outputs)
        return family.postprocess(outputs, geometries)

    def close(self) -> None:
        """As in Way."""
        self._share.thread.call(lambda _: self._free())

    def _write(self, loan: _Loan, gpu: Gpu, rows: DeviceTensor, stream: Stream) -> None:
        """Puts into the stream: the frames come up, and become the first rows of the input."""
        addresses = self._uploads.bring(gpu, loan.staged, stream)
        if not gpu.facts.integrated:
            self._mark(loan, stream)
        frames = [
            DeviceFrame.of_payload(frame.format, address, (at.width, at.height, at.left, at.top))
            for frame, address, at in zip(loan.frames, addresses, loan.placements, strict=True)
        ]
        self._preprocessing.run(frames, rows.address, stream)
        if gpu.facts.integrated:  # which reads them where they lie
            self._mark(loan, stream)

    def _mark(self, loan: _Loan, stream: Stream) -> None:
        self._copied.record(stream)
        self._share.thread.when(self._copied, loan.end)

    def _reading(self, frames: int) -> dict[str, Step]:
        """What is done with outputs on the device; the rest comes down."""
        reading: dict[str, Step] = dict.fromkeys(self._unread or (), _leave)
        if self._boxes is not None:
            plan, detection = self._boxes
            reading[plan.output] = lambda _, output, stream: detection.run(output.address, frames, stream)
        return reading

    def _learn(self, outputs: dict[str, Tensor]) -> None:
        """Whether the boxes can be found on the device, now that the shape of the output is known."""
        ask: Callable[[Mapping[str, Tensor]], GpuDetection | None] | None
        ask = getattr(self._family, "gpu_detection", None)
        plan = ask(outputs) if ask is not None else None
        if plan is None:
            self._unread = frozenset()
            return
        self._boxes = plan, self._share.thread.call(partial(self._detection, plan))
        self._unread = frozenset(outputs) - {plan.output, *plan.others}

    def _detection(self, plan: GpuDetection, gpu: Gpu) -> Detection:
        stream = gpu.stream()
        try:
            return Detection(gpu, self._share.kernels, plan.head, plan.rules, self._row_count, stream)
        finally:
            stream.free()

    def _free(self) -> None:
        self._preprocessing.free()
        self._uploads.free()
        self._copied.free()
        if self._boxes is not None:
            self._boxes[1].free()


def _leave(gpu: Gpu, output: DeviceTensor, stream: Stream) -> None:
    """Nobody needs it."""


class _Loan:
    """Frames whose pixels are used until the copies are done; ended or kept on the GPU's thread, whichever is first."""

    def __init__(
        self,
        uploads: Uploads,
        frames: Sequence[Frame],
        staged: Sequence[Staged],
        placements: Sequence[Placement],
        let_go: LetGo,
    ) -> None:
        self.frames, self.staged, self.placements = frames, staged, placements
        self._uploads = uploads
        self._let_go: LetGo | None = let_go

    def end(self, error: BaseException | None) -> None:
        """The copies are done, or have failed."""
        let_go = self._let_go
        self.keep()
        if let_go is not None and error is None:
            let_go(self.frames)

    def keep(self) -> None:
        """The batch has failed: whoever has lent the frames may want to try them again."""
        if self._let_go is not None:
            self._let_go = None
            self._uploads.let_go(self.staged)
