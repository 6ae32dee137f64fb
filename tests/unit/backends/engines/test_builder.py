"""What the builder asks of a library that is older, or fails: calls that give nothing become errors that say why."""

from __future__ import annotations

import enum
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from support.engine_cases import eight_bit
from support.engines import StandIn
from support.onnx_models import detector

from mpipeline.backends.engines.builder import build
from mpipeline.backends.engines.recipe import Recipe
from mpipeline.demo import MODEL_PATH
from mpipeline.errors import BackendError, ModelError


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    return StandIn(tmp_path / "library", monkeypatch)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return detector(tmp_path / "m.onnx", np.ones((2, 6)), batch="N")


@pytest.fixture
def asked(library: StandIn, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What a build has asked for: the flags of the network, then what it has said to the config."""
    said: list[Any] = []
    builder = library.module.Builder
    make_network, make_plan = builder.create_network, builder.build_serialized_network

    def create_network(self: Any, flags: int) -> Any:
        said.append(flags)
        return make_network(self, flags)

    def build_serialized_network(self: Any, network: Any, config: Any) -> Any:
        said.extend(config.said)
        return make_plan(self, network, config)

    monkeypatch.setattr(builder, "create_network", create_network)
    monkeypatch.setattr(builder, "build_serialized_network", build_serialized_network)
    return said


class OldNetworkFlag(enum.IntEnum):
    EXPLICIT_BATCH = 3  # not the number it has, so that nobody takes a number for it


class OldBuilderFlag(enum.Enum):
    TF32, VERSION_COMPATIBLE, FP16, INT8 = range(4)


@pytest.mark.parametrize(
    ("precision", "flag"), [("float32", None), ("float16", "OldBuilderFlag.FP16"), ("int8", "OldBuilderFlag.INT8")]
)
def test_version_8_is_told_by_flags_what_the_model_says_elsewhere(
    precision: Any,
    flag: str | None,
    library: StandIn,
    asked: list[Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in (("NetworkDefinitionCreationFlag", OldNetworkFlag), ("BuilderFlag", OldBuilderFlag)):
        monkeypatch.setattr(library.module, name, value)
    monkeypatch.delattr(library.module, "ComputeCapability")
    path = eight_bit(MODEL_PATH, tmp_path / "m.onnx") if precision == "int8" else MODEL_PATH
    build(library.library, path, Recipe(precision))
    assert asked[0] == 1 << 3
    assert [said for said in asked[1:] if "OldBuilderFlag" in str(said)] == ([[flag]] if flag else [])


def test_version_8_without_a_progress_monitor(library: StandIn, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(library.module, "IProgressMonitor")
    assert build(library.library, model, Recipe()).plan


def test_what_the_recipe_says_is_asked_for(library: StandIn, model: Path, asked: list[Any]) -> None:
    recipe = Recipe(workspace=1 << 30, level=2, hardware_compatible=True, version_compatible=True, tf32=False)
    build(library.library, model, recipe, capability=(8, 6))
    flags, level = library.module.BuilderFlag, library.module.HardwareCompatibilityLevel.AMPERE_PLUS
    for said in (
        [str(library.module.MemoryPoolType.WORKSPACE), str(1 << 30)],
        ("builder_optimization_level", 2),
        ("hardware_compatibility_level", level),
        [str(flags.VERSION_COMPATIBLE)],
        [str(flags.TF32)],
        ("num_compute_capabilities", 1),
        [str(library.module.ComputeCapability.SM86), "0"],
    ):
        assert said in asked, said


@pytest.mark.parametrize(
    ("call", "what"),
    [
        ("create_network", "makes no network"),
        ("create_builder_config", "makes no builder's config"),
        ("create_optimization_profile", "makes no profile"),
    ],
)
def test_a_call_that_gives_nothing(
    call: str, what: str, library: StandIn, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(self: Any, *_: Any) -> None:
        self._logger.log(library.module.ILogger.Severity.ERROR, "out of luck")

    monkeypatch.setattr(library.module.Builder, call, nothing)
    with pytest.raises(BackendError, match=rf"TensorRT-RTX 1\.2\.3 {what}: out of luck"):
        build(library.library, model, Recipe())


def test_older_bindings_raise_in_its_place(library: StandIn, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(logger: Any) -> None:
        raise TypeError("factory function returned nullptr")

    monkeypatch.setattr(library.module, "Builder", refuse)
    with pytest.raises(BackendError, match="makes no builder: it does not say why \\(factory function"):
        build(library.library, model, Recipe())


def test_all_complaints_of_the_parser_are_told(library: StandIn, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    problems = [SimpleNamespace(node=lambda: 4, desc=lambda: "no such operator\n")] * 25
    parser = library.module.OnnxParser
    monkeypatch.setattr(parser, "parse", lambda self, content, path: False)
    monkeypatch.setattr(parser, "num_errors", len(problems))
    monkeypatch.setattr(parser, "get_error", lambda self, number: problems[number], raising=False)
    with pytest.raises(ModelError, match="does not take this model:") as caught:
        build(library.library, model, Recipe())
    lines = str(caught.value).splitlines()
    assert lines[1].strip() == "node 4: no such operator"
    assert (len(lines), lines[-1].strip()) == (22, "and 5 more")


def test_timings_that_are_of_no_use_are_left_out(
    library: StandIn, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert build(library.library, model, Recipe(), b"known ").timing == b"known learnt "
    config = type(library.module.Builder(None).create_builder_config())
    make = config.create_timing_cache
    monkeypatch.setattr(config, "create_timing_cache", lambda self, content: None if content else make(self, content))
    assert build(library.library, model, Recipe(), b"known ").timing == b"learnt "
