"""The arguments of `mpipeline chaos`, and what it says that it has changed."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from mpipeline.chaos.rounds import ChaosOptions
from mpipeline.chaos.schedule import ROLES, Schedule
from mpipeline.cli.chaos import add_arguments, notes
from mpipeline.cli.chaos import command as chaos
from mpipeline.config import RunConfig
from mpipeline.errors import ConfigError


def parsed(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(["run.yaml", *arguments])


def test_the_defaults_strike_every_role() -> None:
    given = parsed()
    assert (given.kills, given.seed, given.every, given.roles, given.freeze) == (100, 1, 1.0, ROLES, 0.0)


def test_roles_are_named_once_each() -> None:
    assert parsed("--roles", "sink,decoder,sink").roles == ("sink", "decoder")


@pytest.mark.parametrize(
    "wrong",
    [
        ("--roles", "camera"),
        ("--roles", ""),
        ("--freeze", "2"),
        ("--freeze", "nan"),
        ("--kills", "0"),
        ("--kills", "many"),
        ("--every", "soon"),
        ("--every", "-1"),
        ("--duration", "inf"),
    ],
)
def test_wrong_arguments_are_refused(wrong: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        parsed(*wrong)
    assert exit_.value.code == 2
    assert wrong[0] in capsys.readouterr().err


def test_a_folder_with_something_in_it_is_refused(tmp_path: Path) -> None:
    config = tmp_path / "run.yaml"
    config.write_text(
        "sources: [{kind: synthetic, count: 1}]\nmodel: {target: 'some:Detector'}\nsinks: [{kind: jsonl, path: x}]\n"
    )
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    with pytest.raises(ConfigError, match="empty"):
        chaos(parser.parse_args([str(config), "--out", str(tmp_path)]))


def test_it_says_what_it_has_changed(tmp_path: Path) -> None:
    mapping = {
        "sources": [{"kind": "synthetic", "count": 1}],
        "model": {"target": "some:Detector"},
        "sinks": [{"kind": "python", "name": "mine", "target": "some:Sink"}],
    }
    told = notes(RunConfig.from_mapping(mapping), ChaosOptions(1, Schedule(1, 1.0), tmp_path))
    assert "max_restarts 10000" in told[0]
    assert "mine" in told[1]
