"""Makes an engine of a model, with whichever library of the family it is given.

It works in this process, which a fault in the library can end: `apart` gives it one of its own. Calls that fail give
None and tell the reason to the log alone; here they raise it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mpipeline.backends.engines.library import Library, Messages, logger_of
from mpipeline.backends.engines.onnx_model import OnnxModel, read_model
from mpipeline.backends.engines.profile import profile_of
from mpipeline.backends.engines.recipe import Recipe
from mpipeline.backends.engines.stages import Stage, monitor_of
from mpipeline.errors import BackendError, ModelError

_MOST_PROBLEMS = 20  # of a parser that are told one by one


@dataclass(frozen=True, slots=True)
class Built:
    """An engine as bytes, what was learnt for the next build of any model (`timing`), and what is known of it.

    `tensors` has "input" and "output" → name → shape and dtype, as texts; `notes` are sentences for the user.
    """

    plan: bytes
    timing: bytes
    metadata: Mapping[str, str] = field(default_factory=dict)
    tensors: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def build(
    library: Library,
    path: Path,
    recipe: Recipe,
    timing: bytes = b"",
    capability: tuple[int, int] | None = None,
    tell: Callable[[Stage], None] = lambda stage: None,
) -> Built:
    """Builds the engine; may take minutes. `capability` is the GPU's, None to leave it open where that is possible.

    Raises ModelError if the model cannot become such an engine, BackendError if the library fails.
    """
    tell(Stage("reading the model"))
    model = read_model(path, recipe.precision)
    messages = Messages()
    work = _Work(library, path, recipe, messages, logger_of(library, messages))
    tell(Stage("parsing the model"))
    builder = work.made("a builder", lambda: library.module.Builder(work.log))
    network = work.network(builder)
    work.parse(network, model)
    config = work.made("a builder's config", builder.create_builder_config)
    notes = work.configure(builder, config, network, model)
    work.target(config, capability)
    kept = work.timing(config, timing)
    if (monitor := monitor_of(library, tell)) is not None:
        config.progress_monitor = monitor
    tell(Stage("building"))
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise ModelError(f"{path}: {library} makes no engine of it: {messages.why()}")
    learnt = config.get_timing_cache() if kept is not None else None
    return Built(
        bytes(plan), bytes(learnt.serialize()) if learnt is not None else b"", model.metadata, _tensors(network), notes
    )


@dataclass(frozen=True, slots=True)
class _Work:
    """One build: what stays the same in all its steps."""

    library: Library
    path: Path
    recipe: Recipe
    messages: Messages
    log: Any

    def made(self, what: str, make: Callable[[], Any]) -> Any:
        """What `make` gives. Raises BackendError if that is nothing."""
        try:
            thing = make()
        except TypeError as error:  # how the older bindings say it
            raise BackendError(f"{self.library} makes no {what[2:]}: {self.messages.why()} ({error})") from error
        if thing is None:
            raise BackendError(f"{self.library} makes no {what[2:]}: {self.messages.why()}")
        return thing

    def network(self, builder: Any) -> Any:
        """An empty network whose precisions are those of the model; in 8.6, which cannot, one that flags speak for."""
        trt = self.library.module
        strong = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
        flag = strong if strong is not None else trt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH
        return self.made("a network", lambda: builder.create_network(1 << int(flag)))

    def parse(self, network: Any, model: OnnxModel) -> None:
        """Fills the network. Raises ModelError with all that the parser has to say."""
        trt = self.library.module
        trt.init_libnvinfer_plugins(self.log, "")  # layers of which some exports consist
        parser = self.made("a parser", lambda: trt.OnnxParser(network, self.log))
        if parser.parse(model.content, str(self.path)):
            return
        problems = [_problem(parser.get_error(number)) for number in range(parser.num_errors)]
        shown = problems[:_MOST_PROBLEMS] or [self.messages.why()]
        more = [f"and {len(problems) - len(shown)} more"] if len(problems) > len(shown) else []
        raise ModelError("\n  ".join([f"{self.path}: {self.library} does not take this model:", *shown, *more]))

    def configure(self, builder: Any, config: Any, network: Any, model: OnnxModel) -> tuple[str, ...]:
        """What the recipe says; returns notes for the user."""
        trt, recipe = self.library.module, self.recipe
        inputs = {each.name: tuple(each.shape) for each in _inputs(network)}
        try:
            chosen = profile_of(inputs, recipe)
        except ModelError as error:
            raise ModelError(f"{self.path}: {error}") from error
        if chosen.shapes:
            profile = self.made("a profile", builder.create_optimization_profile)
            for name, (least, usual, most) in chosen.shapes.items():
                profile.set_shape(name, least, usual, most)
            if config.add_optimization_profile(profile) < 0:
                raise ModelError(f"{self.path}: {self.library} does not take these shapes: {self.messages.why()}")
        if recipe.workspace is not None:
            config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, recipe.workspace)
        if recipe.level is not None:
            config.builder_optimization_level = recipe.level
        if recipe.hardware_compatible:
            config.hardware_compatibility_level = trt.HardwareCompatibilityLevel.AMPERE_PLUS
        if recipe.version_compatible:
            config.set_flag(trt.BuilderFlag.VERSION_COMPATIBLE)
        if not recipe.tf32:
            config.clear_flag(trt.BuilderFlag.TF32)
        if not hasattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED"):
            if model.has_half:
                config.set_flag(trt.BuilderFlag.FP16)
            if model.is_eight_bit:
                config.set_flag(trt.BuilderFlag.INT8)
        return chosen.notes

    def target(self, config: Any, capability: tuple[int, int] | None) -> None:
        """TensorRT-RTX is told for which GPU it builds; without, it builds for all from Ampere on."""
        kinds = getattr(self.library.module, "ComputeCapability", None)
        if kinds is None or capability is None:
            return
        name = "SM" + "".join(map(str, capability))
        if not hasattr(kinds, name):
            dotted = ".".join(map(str, capability))
            raise BackendError(f"{self.library} does not support GPUs of compute capability {dotted}: use TensorRT")
        config.num_compute_capabilities = 1
        config.set_compute_capability(getattr(kinds, name), 0)

    def timing(self, config: Any, content: bytes) -> Any:
        """The cache of timings that is used, None if the library has none; one of another case is left out."""
        cache = config.create_timing_cache(content)
        if cache is None and content:
            cache = config.create_timing_cache(b"")
        return cache if cache is not None and config.set_timing_cache(cache, False) else None


def _inputs(network: Any) -> list[Any]:
    return [network.get_input(number) for number in range(network.num_inputs)]


def _tensors(network: Any) -> dict[str, dict[str, str]]:
    outputs = [network.get_output(number) for number in range(network.num_outputs)]
    return {
        "input": {each.name: _shown(each) for each in _inputs(network)},
        "output": {each.name: _shown(each) for each in outputs},
    }


def _shown(tensor: Any) -> str:
    sides = "x".join("?" if side < 0 else str(side) for side in tensor.shape)
    return f"{sides} {str(tensor.dtype).rpartition('.')[2].lower()}"


def _problem(error: Any) -> str:
    """One complaint of the parser, with the node of which it is."""
    number = error.node()
    where = f"node {number}" if number >= 0 else "the model"
    if hasattr(error, "node_name") and error.node_name():
        where += f" {error.node_name()!r} ({error.node_operator()})"
    return f"{where}: {error.desc().strip()}"
