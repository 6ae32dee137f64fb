"""`mpipeline run`: what the arguments mean, and how a run is framed. The run itself is a stand-in."""

from __future__ import annotations

import argparse
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mpipeline.cli import main, run
from mpipeline.config import RunConfig
from mpipeline.errors import ConfigError
from mpipeline.supervisor.status import RunStatus

CONFIG = """
sources: [{name: made, kind: synthetic, count: 5}]
model: {target: "m:Model"}
sinks: [{kind: jsonl, path: out.jsonl}]
"""


def parsed(*arguments: str) -> RunConfig:
    parser = argparse.ArgumentParser()
    run.add_arguments(parser)
    return run.config_of(parser.parse_args(arguments))


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "gate.yaml"
    path.write_text(CONFIG)
    return str(path)


class StandIn:
    """A pipeline that does what the test says while it runs."""

    made: list[StandIn] = []
    act: Callable[[StandIn], int] = staticmethod(lambda _: 0)

    def __init__(self, config: RunConfig, log_level: str, *, resume: bool = False) -> None:
        self.config, self.log_level, self.resume = config, log_level, resume
        self.stops = 0
        StandIn.made.append(self)

    def run(self, watch: Any) -> int:
        self.watch = watch
        return StandIn.act(self)

    def stop(self) -> None:
        self.stops += 1

    def status(self) -> RunStatus:
        return RunStatus("gate", "over", (), (), {})


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> type[StandIn]:
    StandIn.made = []
    StandIn.act = staticmethod(lambda _: 0)
    monkeypatch.setattr(run, "Pipeline", StandIn)
    return StandIn


def test_a_config_file_with_overrides(config: str) -> None:
    made = parsed(config, "--set", "model.threads=3", "--name", "night", "--model", "other:Model")
    assert (made.name, made.model.threads, made.model.target) == ("night", 3, "other:Model")


def test_a_model_of_the_command_line_takes_the_place_of_the_configs(config: str, tmp_path: Path) -> None:
    assert parsed(config, "--model", "coco/3", "--set", "model.backend=auto").model.given() == {
        "backend": "auto",
        "id": "coco/3",
    }
    (tmp_path / "m.onnx").touch()
    assert parsed(config, "--model", str(tmp_path / "m.onnx")).model.path == tmp_path / "m.onnx"


def test_videos_and_a_model(tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4", "m.onnx"):
        (tmp_path / name).touch()
    made = parsed(str(tmp_path / "a.mp4"), str(tmp_path / "b.mp4"), "--model", str(tmp_path / "m.onnx"))
    assert [source.name for source in made.sources] == ["a", "b"]
    assert made.model.path == tmp_path / "m.onnx"
    assert sorted(sink.kind for sink in made.sinks) == ["jsonl", "video"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a.yaml", "b.mp4"], "one config file or videos"),
        (["a.mp4"], "--model"),
        (["a.yaml", "--save", "out"], "--save goes with videos"),
    ],
)
def test_what_does_not_go_together(arguments: list[str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parsed(*arguments)


def test_the_runs_code_is_the_commands(config: str, stand_in: type[StandIn]) -> None:
    stand_in.act = staticmethod(lambda _: 65)
    assert main(["run", config, "--quiet"]) == 65
    assert stand_in.made[0].watch is None
    assert stand_in.made[0].log_level == "warning"
    assert not stand_in.made[0].resume


def test_a_run_ends_with_where_its_results_are(
    config: str, stand_in: type[StandIn], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", config]) == 0
    assert capsys.readouterr().err.rstrip().endswith("written: out.jsonl  event=written")
    stand_in.act = staticmethod(lambda _: 65)
    assert main(["run", config]) == 65
    assert "event=written" not in capsys.readouterr().err


def test_a_run_is_resumed_if_asked_to(config: str, stand_in: type[StandIn]) -> None:
    assert main(["run", config, "--resume"]) == 0
    assert stand_in.made[0].resume


def test_signals_stop_the_run_and_are_given_back(config: str, stand_in: type[StandIn]) -> None:
    def act(pipeline: StandIn) -> int:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        return pipeline.stops

    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    stand_in.act = staticmethod(act)
    assert main(["run", config]) == 2
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_signals_are_given_back_after_an_error(config: str, stand_in: type[StandIn]) -> None:
    def act(_: StandIn) -> int:
        raise ConfigError("no room")

    before = signal.getsignal(signal.SIGINT)
    stand_in.act = staticmethod(act)
    assert main(["run", config, "--log-level", "error"]) == 78
    assert signal.getsignal(signal.SIGINT) == before
