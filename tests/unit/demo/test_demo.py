"""The demo's config: finite synthetic sources that the detector has never seen, and a model that is in the package."""

from __future__ import annotations

from pathlib import Path

from mpipeline.demo import MODEL_PATH, demo_config
from mpipeline.demo.accuracy import expected_of
from mpipeline.demo.train import FIRST_TRAINING_SEED


def test_four_finite_sources_with_unseen_seeds(tmp_path: Path) -> None:
    expected = expected_of(demo_config(tmp_path))
    assert len(expected) == 4
    assert all(source.frames > 0 and source.scene.seed < FIRST_TRAINING_SEED for source in expected.values())


def test_everything_is_written_below_the_given_folder(tmp_path: Path) -> None:
    sinks = demo_config(tmp_path / "out")["sinks"]
    assert [sink["kind"] for sink in sinks] == ["jsonl", "video"]
    assert all(Path(sink["path"]).parent == tmp_path / "out" for sink in sinks)


def test_the_model_is_in_the_package() -> None:
    assert Path(demo_config("out")["model"]["path"]) == MODEL_PATH
    assert MODEL_PATH.stat().st_size < 2_000_000
