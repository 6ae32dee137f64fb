"""Cameras of this machine in a config that is checked: what is told before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from mpipeline.config.load import config_from_arguments, load_config
from mpipeline.errors import ConfigError

TEXT = "sources: [{uri: %s}]\nmodel: {target: m:Model}\nsinks: [{kind: jsonl, path: out.jsonl}]\n"


def test_a_camera_that_is_not_there_is_no_mistake() -> None:
    found = config_from_arguments(["98", "/dev/video99", "/dev/front-door"], "m:Model", sinks_required=False).sources
    assert [source.kind for source in found] == ["device"] * 3
    assert [source.name for source in found] == ["video98", "video99", "front-door"]


def test_a_file_in_shared_memory_that_is_not_there_is_one() -> None:
    with pytest.raises(ConfigError, match=r"no such file: '/dev/shm/nobody-has-made-this\.mp4'"):
        config_from_arguments(["/dev/shm/nobody-has-made-this.mp4"], "m:Model", sinks_required=False)


@pytest.mark.parametrize("number", ["-1", "1234567", '"-1"'])
def test_a_number_that_no_camera_has_is_told(number: str, tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(TEXT % number)
    with pytest.raises(ConfigError, match=r"sources\[0\]\.uri: expected the number of a camera, such as 0"):
        load_config(path)
