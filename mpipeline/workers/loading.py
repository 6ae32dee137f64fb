"""Loads the model that a config asks for: package, backend and family joined into something that predicts."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mpipeline import registry
from mpipeline.backends.backend import Backend, BackendOptions
from mpipeline.backends.cores import physical_cores
from mpipeline.config.device import only
from mpipeline.config.environment import model_cache
from mpipeline.config.schema import ModelSpec
from mpipeline.cuda.beside import ModelOnGpu
from mpipeline.errors import BackendError, ConfigError, ModelError
from mpipeline.models.family import Family, ModelOptions
from mpipeline.models.image_input import image_input
from mpipeline.models.onnx_file import check_if_onnx
from mpipeline.models.options import ModelRequest, resolve_options
from mpipeline.models.package import ModelPackage, open_package
from mpipeline.models.preprocess import Preprocessor
from mpipeline.models.selection import choose_family
from mpipeline.models.sidecar import Sidecar, read_sidecar
from mpipeline.tensor import ModelInfo
from mpipeline.workers.gpu_way import GpuShare, GpuWay
from mpipeline.workers.predictor import FramePredictor, Predictor, TensorPredictor
from mpipeline.workers.ways import HostWay, RingMemory, Way, rows_of_way

logger = logging.getLogger("mpipeline.inference")

Tell = Callable[[str], object]
_DESCRIBED = {"event": "model_described"}
_KEPT = "backends"  # the folder in the models' cache for what backends keep


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model file that a backend has loaded, and how it is to be used. `notes` are sentences for the log."""

    backend: Backend
    info: ModelInfo
    family: type[Family]
    options: ModelOptions
    max_batch: int | None
    notes: tuple[str, ...]
    page_locked_mb: int

    def family_with(self, **changes: Any) -> Family:
        """The family, with some of the options otherwise."""
        return self.family(self.info, replace(self.options, **changes))

    def predictor(self, family: Family, max_batch: int, twins: Sequence[Family] = ()) -> TensorPredictor:
        """What infers by that family, at most `max_batch` frames at once where the model leaves it open.

        `twins` are equal to the family; with each of them one more thread infers.
        """
        allowed = min(max_batch, self.max_batch) if self.max_batch is not None else max_batch
        families = [family, *twins]
        most = max(family.batch or allowed, len(families))
        gpu = self._gpu_ways(families, family.batch or allowed)
        if gpu is not None:
            ways, rings = gpu
            return TensorPredictor(ways, self.backend, most if family.batch else allowed, family.batch, rings)
        rows = rows_of_way(family, most, len(families))
        return TensorPredictor([HostWay(one, self.backend, rows) for one in families], self.backend, most, family.batch)

    def _gpu_ways(self, families: Sequence[Family], rows: int) -> tuple[Sequence[Way], RingMemory] | None:
        """Ways of whole batches, all of it on the GPU; None if the model is on none, or no kernel does the rest."""
        model: ModelOnGpu | None = getattr(self.backend, "on_gpu", None)
        preprocessor: Preprocessor | None = getattr(families[0], "preprocessor", None)
        target = preprocessor.gpu_target(families[0].input_dtype) if preprocessor is not None else None
        if model is None:
            return None
        if preprocessor is None or target is None:
            logger.info("Frames become the model's input on the processor: no kernel does that.", extra=_DESCRIBED)
            return None
        with ExitStack() as made:
            try:
                share = GpuShare(model.thread, self.page_locked_mb << 20)
            except BackendError as error:  # the GPU may be older than the kernels, and infer all the same
                text = "Frames become the model's input on the processor: the GPU does not take the kernels: %s"
                logger.warning(text, error, extra={"event": "gpu_without_kernels"})
                return None
            made.callback(share.close)
            ways: list[Way] = []
            for family in families:
                ways.append(GpuWay(family, preprocessor, target, model, share, rows))
                made.callback(ways[-1].close)
            made.pop_all()  # whoever asked for them closes them
        logger.info("Frames become the model's input on the GPU.", extra=_DESCRIBED)
        return ways, share


def load_model(spec: ModelSpec, streams: int = 1, tell: Tell = lambda text: None, max_batch: int = 1) -> LoadedModel:
    """Loads the model at the config's path, a file or a package's folder; may take long.

    As many threads as there are `streams` may use it at the same time, with at most `max_batch` frames where the model
    leaves that open, which matters to engines. `tell` is told now and then what takes so long.
    Raises ConfigError, ModelError or BackendError.
    """
    package = _package_of(spec)
    check_if_onnx(package.weights)  # its words are plainer than those of the backend
    backend = _backend_kind(spec)(_backend_options(spec, str(package.weights), streams, tell, max_batch))
    info = backend.open()
    with closed_on_error(backend):
        given = {key: value for key, value in spec.given().items() if key in ModelRequest.__dataclass_fields__}
        said, notes = _fitting(package.said, info) if package.directory is not None else (None, ())
        resolved = resolve_options(ModelRequest(**given), read_sidecar(package.weights), said)
        family, why = choose_family(info, resolved.family)
    executed = () if info.execution is None else (f"{info.execution}.",)
    sentences = (*notes, *resolved.notes, why, *executed)
    allowed = min((most for most in (package.max_batch, info.max_batch) if most is not None), default=None)
    return LoadedModel(backend, info, family, resolved.options, allowed, sentences, spec.page_locked_mb)


def open_predictor(
    model: ModelSpec, max_batch: int, at_once: int = 1, tell: Tell = lambda text: None
) -> tuple[Predictor, Mapping[str, Any]]:
    """The predictor that the config asks for, ready to work, and what was learnt of the model.

    `at_once`: how many frames will commonly wait together. `tell` as in `load_model`.
    """
    kind = _backend_kind(model)
    if kind.takes == "frames":
        backend = kind(_backend_options(model, str(model.target or model.path)))
        backend.open()
        return FramePredictor(backend, max_batch), {"takes": "frames"}
    streams = _streams(kind, model, at_once)
    loaded = load_model(model, streams, tell, max_batch)
    executed = loaded.info.execution
    lanes = streams if executed is None else min(streams, executed.streams)  # fewer on a GPU than there are cores
    with closed_on_error(loaded.backend):
        family, *twins = [loaded.family_with() for _ in range(lanes)]
        for sentence in (*loaded.notes, *family.notes):
            logger.info("%s", sentence, extra=_DESCRIBED)
        facts = {"input": list(family.input_shape), "batch": family.batch or 0, "classes": len(family.names)}
        return loaded.predictor(family, max_batch, twins), facts


@contextmanager
def closed_on_error(backend: Backend) -> Iterator[None]:
    """An error in this block closes the backend: a GPU has threads and memory that nobody else would give back."""
    try:
        yield
    except BaseException:
        backend.close()
        raise


def _streams(kind: Any, model: ModelSpec, at_once: int) -> int:
    """How many inferences run side by side: one for each thread, as far as there are frames for them."""
    if not getattr(kind, "concurrent", False):
        return 1
    return model.streams or max(1, min(model.threads or physical_cores(), at_once))


def _backend_kind(spec: ModelSpec) -> Any:
    return registry.load("backends", spec.backend)


def _backend_options(
    spec: ModelSpec, target: str, streams: int = 1, tell: Tell = lambda text: None, batch: int = 1
) -> BackendOptions:
    kept = backends_cache()
    return BackendOptions(
        target, only(spec.device), spec.threads, spec.precision, kept, streams, tell, batch, spec.size
    )


def backends_cache() -> Path | None:
    """Where backends may keep something; None if there is no such place, which they do without."""
    with suppress(ConfigError):
        return model_cache() / _KEPT
    return None


def _package_of(spec: ModelSpec) -> ModelPackage:
    """The package in the folder that the path names; a file stands for itself, and is the backend's to judge."""
    if spec.target is not None:
        return ModelPackage(Path(spec.target))
    if spec.path is None:
        raise ConfigError(f"model {spec.id!r} was not looked up: mpipeline.store.resolve.located gives its path")
    return open_package(spec.path) if spec.path.is_dir() else ModelPackage(spec.path)


def _fitting(said: Sidecar, info: ModelInfo) -> tuple[Sidecar, tuple[str, ...]]:
    """What the package says, its size only as far as the model file leaves it open."""
    if said.size is None:
        return said, ()
    try:
        image = image_input(info)
    except ModelError:  # for the family to tell
        return said, ()
    size = (image.width or said.size[0], image.height or said.size[1])
    if size == said.size:
        return said, ()
    note = f"The model package says {said.size[0]} x {said.size[1]}, but the model file's own size counts."
    return said.model_copy(update={"size": size}), (note,)
