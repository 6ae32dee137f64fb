"""Somebody removes or renames the folder that a sink writes to: it goes on in a new one; nobody else notices."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path
from typing import Any

import av
import pytest
from support import runs
from support.command import Command, Workplace

FRAMES = 200
LINES = {"kind": "jsonl", "name": "away", "path": "away/{source}.jsonl"}
FILM = {"kind": "video", "name": "away", "path": "away/{source}.mp4", "preset": "ultrafast"}


def start(place: Workplace, sink: dict[str, Any], source: dict[str, Any]) -> Command:
    run = place.run(runs.config(source, sinks=(sink, runs.JSONL), detector="Held"))
    path = place.folder / str(sink["path"]).replace("{source}", "a")
    run.wait_until(lambda: path.exists() and path.stat().st_size, "a file in the folder")
    begun = path.stat().st_size
    run.wait_until(lambda: path.stat().st_size > begun, "more of it")
    return run


def remove(place: Workplace, how: str) -> None:
    """The folder is gone afterwards, however quickly the sink makes it again."""
    folder = place.folder / "away"
    folder.rename(place.folder / "kept")
    if how == "removed":
        shutil.rmtree(place.folder / "kept")


def ids_in(path: Path) -> list[int]:
    return [runs.parsed(line)["frame_id"] for line in path.read_text(encoding="utf-8").splitlines()]


def pictures_in(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


@pytest.mark.parametrize("sink", [LINES, FILM], ids=["jsonl", "video"])
def test_a_file_job_goes_on_in_a_new_folder_and_what_was_renamed_keeps_its_part(
    place: Workplace, sink: dict[str, Any]
) -> None:
    run = start(place, sink, runs.clip("a", FRAMES))
    remove(place, "renamed")
    [told] = run.wait_for("file_vanished", sink="away")
    assert "away/a." in told["message"]
    place.write("go", "")
    assert run.wait() == 0
    assert runs.frame_ids(place.folder / "out.jsonl") == runs.complete(a=FRAMES)
    name = Path(str(sink["path"])).name.replace("{source}", "a")
    parts = [place.folder / folder / name for folder in ("kept", "away")]
    if sink is LINES:
        assert [*ids_in(parts[0]), *ids_in(parts[1])] == list(range(1, FRAMES + 1))
    else:
        assert pictures_in(parts[0]) + pictures_in(parts[1]) == FRAMES
    assert not run.events("worker_restart")


@pytest.mark.parametrize("sink", [LINES, FILM], ids=["jsonl", "video"])
def test_a_live_run_goes_on_in_a_new_folder(place: Workplace, sink: dict[str, Any]) -> None:
    run = start(place, sink, runs.camera("a"))
    remove(place, "removed")
    run.wait_for("file_vanished", sink="away")
    before = runs.count_lines(place.folder / "out.jsonl")
    run.wait_until(lambda: runs.count_lines(place.folder / "out.jsonl") >= before + 20, "20 more lines")
    run.signal(signal.SIGINT)
    assert run.wait() == 0
    new = place.folder / "away" / Path(str(sink["path"])).name.replace("{source}", "a")
    assert (len(ids_in(new)) if sink is LINES else pictures_in(new)) >= 10
    assert not run.events("worker_restart")
    assert not run.events("sink_retrying")
