"""No sink may write over what the run reads, or over what another sink writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from mpipeline.config.load import load_config
from mpipeline.errors import ConfigError

BEGINNING = "sources: [{uri: shop.mp4}]\nmodel: {path: model.onnx}\n"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("shop.mp4", "model.onnx"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "link.mp4").symlink_to("shop.mp4")
    return tmp_path / "cams.yaml"


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("./shop.mp4", "a source of this run"),
        ("{source}.mp4", "a source of this run"),
        ("link.mp4", "a source of this run"),
        ("model.onnx", "the model file"),
        ("model.yaml", "the model's sidecar file"),
        ("cams.yaml", "this config file"),
    ],
)
def test_a_file_that_the_run_reads_is_refused(config: Path, path: str, what: str) -> None:
    config.write_text(BEGINNING + f"sinks: [{{kind: jsonl, path: '{path}'}}]\n")
    with pytest.raises(ConfigError, match=rf"cams.yaml:3:\d+: sinks\[0\].path: would overwrite {what}: "):
        load_config(config)


def test_two_sinks_with_one_file_are_refused(config: Path) -> None:
    config.write_text(BEGINNING + "sinks: [{kind: jsonl, path: a.jsonl}, {kind: jsonl, path: ./a.jsonl}]\n")
    with pytest.raises(ConfigError, match=r"sinks\[1\].path: would overwrite what sinks\[0\] writes"):
        load_config(config)


def test_other_files_are_fine(config: Path) -> None:
    config.write_text(
        BEGINNING + "sinks: [{kind: jsonl, path: out/a.jsonl}, {kind: video, path: 'out/{source}.mp4'}]\n"
    )
    assert len(load_config(config).sinks) == 2
