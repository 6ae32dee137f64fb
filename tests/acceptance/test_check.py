"""`mpipeline check`: prints the plan or says what is wrong, and starts nothing."""

from __future__ import annotations

import pytest
from support import media, runs
from support.command import Workplace


def test_a_good_config_prints_the_plan(place: Workplace) -> None:
    film = media.video(media.VideoSpec(frames=20))
    place.write("run.yaml", runs.config(runs.clip("a", 10), {"name": "film", "uri": str(film)}, runs.camera("cam")))
    check = place.start("check", "run.yaml")
    assert check.wait() == 0
    assert "5 processes" in check.output
    for word in ("film", "320x180", "every_frame", "latest", "shared memory", "jsonl"):
        assert word in check.output
    assert sorted(path.name for path in place.folder.iterdir()) == ["run.yaml", "stderr-0", "stdout-0"]


def test_a_file_that_cannot_be_read_is_told(place: Workplace) -> None:
    place.write("film.mp4", "this is no video")
    place.write("run.yaml", runs.config({"name": "film", "uri": "film.mp4"}, runs.clip("a", 10)))
    check = place.start("check", "run.yaml")
    assert check.wait() == 65
    assert "film" in check.output
    assert "cannot be read" in check.output


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sources: [{kind: synthetic, cuont: 3}]\nmodel: {target: 'a:b'}\n", ["run.yaml:1", "cuont", "count"]),
        ("sources: []\nmodel: {target: 'a:b'}\n", ["run.yaml:1", "sources"]),
        ("sources: [{kind: synthetic}\n", ["run.yaml"]),
        ("sources: [{uri: 'rtsp://u:${NOT_SET_ANYWHERE}@h/x'}]\nmodel: {target: 'a:b'}\n", ["NOT_SET_ANYWHERE"]),
        ("sources: [{kind: synthetic}]\nmodel: {target: 'a:b'}\nsinks: [{kind: jsnol}]\n", ["run.yaml:3", "jsonl"]),
    ],
)
@pytest.mark.parametrize("command", ["check", "run"])
def test_a_wrong_config_is_refused_with_file_line_and_key(
    place: Workplace, command: str, text: str, words: list[str]
) -> None:
    place.write("run.yaml", text)
    refused = place.start(command, "run.yaml")
    assert refused.wait() == 78
    assert all(word in refused.log for word in words), refused.log
    assert "Traceback" not in refused.log
