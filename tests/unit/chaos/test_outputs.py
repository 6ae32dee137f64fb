"""Outputs: two folders are compared file by file, each by its nature."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from support import media

from mpipeline.chaos.outputs import findings, times_of
from mpipeline.chaos.staging import Stage, StagedSink
from mpipeline.config import RunConfig

CONFIG = RunConfig.from_mapping({"sources": [{"kind": "synthetic", "count": 1}], "model": {"target": "some:Detector"}})


def stage(folder: Path, exact: bool = True) -> Stage:
    (folder / "s").mkdir(parents=True)
    return Stage(CONFIG, folder, (StagedSink("s", "jsonl", folder / "s", exact),), ())


@pytest.fixture
def stages(tmp_path: Path) -> tuple[Stage, Stage]:
    return stage(tmp_path / "expected"), stage(tmp_path / "found")


def write(stage: Stage, name: str, *ids: int) -> None:
    text = "".join(json.dumps({"source": "a", "frame_id": number}) + "\n" for number in ids)
    (stage.folder / "s" / name).write_text(text)


def kinds(expected: Stage, found: Stage) -> dict[str, int]:
    return {finding.kind: finding.count for finding in findings(expected, found)}


def test_equal_files_are_no_finding(stages: tuple[Stage, Stage]) -> None:
    for each in stages:
        write(each, "out.jsonl", 1, 2, 3)
    assert kinds(*stages) == {}


def test_lines_are_compared_by_source_and_id(stages: tuple[Stage, Stage]) -> None:
    write(stages[0], "out.jsonl", 1, 2, 3, 4)
    write(stages[1], "out.jsonl", 1, 2, 2)
    assert kinds(*stages) == {"lost": 2, "duplicated": 1}


def test_a_half_line_is_unreadable(stages: tuple[Stage, Stage]) -> None:
    for each in stages:
        write(each, "out.jsonl", 1, 2)
    with (stages[1].folder / "s" / "out.jsonl").open("a") as file:
        file.write('{"source": "a"')
    assert kinds(*stages) == {"unreadable": 1}


def test_a_file_that_is_missing_or_superfluous_is_told(stages: tuple[Stage, Stage]) -> None:
    write(stages[0], "a.jsonl", 1)
    write(stages[1], "b.jsonl", 1)
    assert kinds(*stages) == {"lost": 1, "unknown": 1}


def test_text_of_any_kind_may_be_repeated_but_not_lost(stages: tuple[Stage, Stage]) -> None:
    (stages[0].folder / "s" / "x.csv").write_text("a,1\na,2\na,3\n")
    (stages[1].folder / "s" / "x.csv").write_text("a,1\na,2\na,1\na,3\n")
    assert kinds(*stages) == {}
    (stages[1].folder / "s" / "x.csv").write_text("a,1\na,3\n")
    assert kinds(*stages) == {"lost": 1}


def test_videos_are_compared_by_their_frames_and_times(stages: tuple[Stage, Stage]) -> None:
    ten, nine = media.video(media.VideoSpec(frames=10)), media.video(media.VideoSpec(frames=9))
    uneven = media.video(media.VideoSpec(frames=10, variable_rate=True))
    shutil.copy(ten, stages[0].folder / "s" / "a.mp4")
    outcomes = []
    for other in (ten, nine, uneven, media.cut(ten, 0.5)):
        shutil.copy(other, stages[1].folder / "s" / "a.mp4")
        outcomes.append(kinds(*stages))
    assert outcomes == [{}, {"lost": 1}, {"changed": 1}, {"unreadable": 1}]


def test_the_times_of_a_video_are_those_of_its_frames() -> None:
    spec = media.VideoSpec(frames=6, variable_rate=True)
    assert times_of(media.video(spec)) == pytest.approx(spec.pts(), abs=1e-3)
