"""Which engine the backend asks for, for which model; and that one of an earlier run that is of no use is made anew."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.onnx_models import mean_of_image
from support.tensorrt_engines import Lab, lab_in, mean_of_images

from mpipeline.backends import kept, tensorrt_plan
from mpipeline.backends.engines.engine_file import Request
from mpipeline.backends.engines.recipe import Recipe
from mpipeline.backends.engines.supply import Engine
from mpipeline.errors import BackendError, ModelError

IMAGES = {"images": np.full((2, 3, 8, 8), 5, np.float32)}


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with lab_in(tmp_path) as made:
        yield made


class Maker:
    """Makes engines that are none: `made` anew, or `kept` from an earlier run."""

    def __init__(self, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[tuple[Request, Path | None, bool]] = []
        self.kept: bytes | None = None
        self.made = lab.engine(mean_of_images((1, 8))).read_bytes()
        monkeypatch.setattr(tensorrt_plan, "engine_for", self.engine_for)

    def engine_for(self, request: Request, folder: Path | None, tell: Any, *, fresh: bool) -> Engine:
        self.asked.append((request, folder, fresh))
        tell("building engine")
        if self.kept is not None and not fresh:
            return Engine(self.kept, {"stride": "32"}, {}, None)
        return Engine(self.made, {"stride": "32"}, {}, None, built=True)

    @property
    def recipes(self) -> list[Recipe]:
        return [request.recipe for request, _, _ in self.asked]


@pytest.fixture
def maker(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Maker:
    return Maker(lab, monkeypatch)


def test_a_model_becomes_an_engine(lab: Lab, maker: Maker) -> None:
    said: list[str] = []
    path = mean_of_image(lab.folder / "m.onnx")
    backend = lab.backend(path, cache=lab.folder / "cache", batch=8, precision="float16", tell=said.append)
    info = backend.open()
    ((request, folder, fresh),) = maker.asked
    assert (request.model, request.gpu, fresh) == (path, lab.gpu.facts, False)
    assert str(request.library) == "TensorRT 10.3.0"
    assert folder == lab.folder / "cache" / "engines"
    assert said == ["building engine"]
    assert info.metadata == {"stride": "32"}
    assert info.execution is not None
    assert info.execution.precision == "float16"
    assert backend.run(IMAGES)["mean"].ravel().tolist() == [5, 5]
    backend.close()


def test_what_it_is_made_for(lab: Lab, maker: Maker) -> None:
    """As `mpipeline engine build` would make it beforehand, which knows what to do where the model fixes it."""
    path = mean_of_image(lab.folder / "m.onnx")
    for options in ({}, {"batch": 16}, {"size": (320, 192)}):
        backend = lab.backend(path, **options)
        backend.open()
        backend.close()
    assert maker.recipes == [Recipe(), Recipe(batch=(1, 16, 16)), Recipe(size=((320, 192),) * 3)]


def test_an_engine_of_an_earlier_run_that_is_not_taken_is_made_anew(lab: Lab, maker: Maker) -> None:
    maker.kept = b"of a driver that was replaced"
    backend = lab.backend(mean_of_image(lab.folder / "m.onnx"))
    backend.open()
    assert [fresh for _, _, fresh in maker.asked] == [False, True]
    assert backend.run(IMAGES)["mean"].ravel().tolist() == [5, 5]
    backend.close()
    maker.made = b"of a library that cannot read what it writes"
    with pytest.raises(BackendError, match=r"m\.onnx: TensorRT does not load the engine"):
        backend.open()
    assert [fresh for _, _, fresh in maker.asked[2:]] == [False, True]


def test_a_kept_engine_given_as_the_model(lab: Lab) -> None:
    path = lab.engine(mean_of_images((1, 8)))
    kept.write(lab.folder / "kept.engine", {"metadata": {"stride": "32"}}, path.read_bytes())
    backend = lab.backend(lab.folder / "kept.engine")
    assert backend.open().metadata == {"stride": "32"}
    assert backend.run(IMAGES)["mean"].ravel().tolist() == [5, 5]
    backend.close()


def test_code_for_the_processor_comes_only_from_where_engines_are_kept(lab: Lab) -> None:
    """And there only in what was built so: whoever sends an engine sends no code."""
    file = mean_of_images((1, 8))
    file.host_code = True
    sent, engines = lab.engine(file), lab.folder / "cache" / "engines"
    compatible, other = ({"case": {"recipe": {"version_compatible": one}}} for one in (True, False))
    kept.write(lab.folder / "claims.engine", compatible, sent.read_bytes())
    kept.write(engines / "built.engine", compatible, sent.read_bytes())
    kept.write(engines / "other.engine", other, sent.read_bytes())
    (engines / "bare.engine").write_bytes(sent.read_bytes())
    for path in (sent, lab.folder / "claims.engine", engines / "other.engine", engines / "bare.engine"):
        with pytest.raises(ModelError, match=r"holds code for the processor.*engine build --version-compatible"):
            lab.backend(path, cache=lab.folder / "cache").open()
    for cache in (None, lab.folder):
        with pytest.raises(ModelError, match="holds code for the processor"):
            lab.backend(engines / "built.engine", cache=cache).open()
    backend = lab.backend(engines / "built.engine", cache=lab.folder / "cache")
    backend.open()
    assert backend.run(IMAGES)["mean"].ravel().tolist() == [5, 5]
    backend.close()
