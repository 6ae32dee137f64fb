"""`mpipeline run` over folders of pictures and lists of files: killed and resumed, incomplete, of many sizes."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path
from typing import Any

import cv2
from support import media, runs
from support.command import Workplace
from support.media import VideoSpec

FILES = [media.video(VideoSpec(frames=60, first=60 * number, gop=15, b_frames=2)) for number in range(3)]


def album(folder: Path, count: int, *, sizes: int = 1) -> Path:
    """A folder of pictures, the n-th of one of so many sizes."""
    folder.mkdir()
    for number in range(count):
        size = (160 + 16 * (number % sizes), 96)
        assert cv2.imwrite(str(folder / f"shot{number}.png"), media.picture(number, *size))
    return folder


def job(folder: Path, detector: str) -> dict[str, Any]:
    sources = (
        {"name": "list", "uris": [str(path) for path in FILES]},
        {"name": "album", "uri": str(folder), "rate": 5},
    )
    return runs.config(*sources, detector=detector)


def test_a_killed_job_goes_on_and_its_output_is_equal(place: Workplace) -> None:
    folder = album(place.folder / "album", 120)
    out = place.folder / "out.jsonl"
    assert place.run(job(folder, "Fingerprint")).wait() == 0
    undisturbed = runs.by_source(out)
    assert {name: len(lines) for name, lines in undisturbed.items()} == {"list": 180, "album": 120}
    out.unlink()

    run = place.run(job(folder, "Leisurely"))
    run.wait_until(lambda: runs.count_lines(out) >= 200, "two hundred lines")
    run.signal(signal.SIGKILL)
    run.wait()
    place.wait_until_nothing_left()
    resumed = place.run(job(folder, "Leisurely"), "--resume")
    assert resumed.wait() == 0, resumed.log
    assert runs.by_source(out) == undisturbed


def test_a_decoder_that_is_killed_leaves_no_gap(place: Workplace) -> None:
    folder = album(place.folder / "album", 120)
    out = place.folder / "out.jsonl"
    run = place.run(job(folder, "Leisurely"))
    run.wait_for("playlist_file", file=str(FILES[1]))
    run.kill_worker("decoder:list")
    run.wait_until(lambda: runs.count_lines(out) >= 120, "a hundred and twenty lines")
    run.kill_worker("decoder:album")
    assert run.wait() == 0, run.log
    assert runs.frame_ids(out) == runs.complete(list=180, album=120)
    assert len(run.events("playlist_file", file=str(FILES[0]))) == 1  # it was not read a second time


def test_what_is_damaged_is_named_and_everything_else_is_done(place: Workplace) -> None:
    folder = album(place.folder / "album", 12, sizes=5)
    (folder / "shot2.png").write_bytes(b"no picture")
    broken = place.folder / "broken.mp4"
    broken.write_bytes(b"no video" * 100)
    sources = (
        {"name": "list", "uris": [str(FILES[0]), str(broken), str(FILES[1])]},
        {"name": "album", "uri": str(folder)},
    )
    command = place.run(runs.config(*sources))
    assert command.wait() == 65, command.log
    assert "broken.mp4" in command.events("source_failed", source="list")[0]["message"]
    assert "shot2.png" in command.events("source_failed", source="album")[0]["message"]
    assert runs.frame_ids(place.folder / "out.jsonl") == runs.complete(list=120, album=11)


def test_a_missing_file_is_told_with_its_line(place: Workplace) -> None:
    shutil.copy(FILES[0], place.folder / "here.mp4")
    command = place.run(runs.config({"name": "list", "uris": ["here.mp4", "hera.mp4"]}))
    assert command.wait() == 78
    assert "sources[0].uris[1]: no such file: 'hera.mp4'; did you mean 'here.mp4'?" in command.log


def test_check_tells_the_size_of_what_it_can_see(place: Workplace) -> None:
    place.write("run.yaml", job(album(place.folder / "album", 3), "Fingerprint"))
    command = place.start("check", "run.yaml")
    assert command.wait() == 0, command.log
    assert "320x180" in command.output
    assert "160x96" in command.output
    assert "assumed" not in command.output
