"""The images sink: names and pixels of its pictures, how many there are, and what a crash leaves."""

from __future__ import annotations

import errno
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from support.findings import single_label
from support.predictions import failure, found, meta, picture, prediction

from mpipeline.errors import SinkError
from mpipeline.frame import Frame, FrameMeta
from mpipeline.prediction import Prediction
from mpipeline.sinks.images import ImagesOptions, ImagesSink

BOX, OUTSIDE, TWO = ((4, 4, 20, 20),), ((70, 4, 90, 20),), ((4, 4, 20, 20), (30, 10, 80, 20))


def options(path: Path, **more: Any) -> ImagesOptions:
    return ImagesOptions(**{"path": str(path), "max_fps": 25.0, "format": "png", **more})


def sink(path: Path, *, resume: bool = False, **more: Any) -> ImagesSink:
    made = ImagesSink("pictures", options(path, **more))
    made.open(resume)
    return made


def write(sink: ImagesSink, frame: FrameMeta, *rows: tuple[float, float, float, float]) -> None:
    sink.write(prediction(frame, *rows), picture(frame))


def names(path: Path) -> list[str]:
    return sorted(str(each.relative_to(path)) for each in path.rglob("*") if each.is_file())


def test_crops_have_their_place_in_name_and_picture(tmp_path: Path) -> None:
    made = sink(tmp_path)
    frame = meta("gate", 12)
    pixels = np.random.default_rng(1).integers(0, 256, (48, 64, 3), np.uint8)
    made.write(prediction(frame, *TWO), Frame.from_bgr(frame, pixels))
    assert names(tmp_path) == ["gate-00000012-1of2-cat.png", "gate-00000012-2of2-cat.png"]
    assert np.array_equal(cv2.imread(str(tmp_path / "gate-00000012-1of2-cat.png")), pixels[4:20, 4:20])
    assert np.array_equal(cv2.imread(str(tmp_path / "gate-00000012-2of2-cat.png")), pixels[10:20, 30:64])


def test_whole_frames(tmp_path: Path) -> None:
    made = sink(tmp_path, what="frames", format="jpg")
    write(made, meta("gate", 1), *TWO)
    write(made, meta("gate", 2))
    made.write(Prediction.of(meta("gate", 3), single_label()), picture(meta("gate", 3)))
    assert names(tmp_path) == ["gate-00000001-1of1-cat.jpg", "gate-00000003-1of1-cat.jpg"]
    assert cv2.imread(str(tmp_path / "gate-00000003-1of1-cat.jpg")).shape == (48, 64, 3)


def test_what_leaves_no_picture(tmp_path: Path) -> None:
    made = sink(tmp_path)
    write(made, meta("gate", 1))
    write(made, meta("gate", 2), *OUTSIDE)
    made.write(failure(meta("gate", 3)), picture(meta("gate", 3)))
    made.write(prediction(meta("gate", 4), *BOX), None)
    assert names(tmp_path) == []
    write(made, meta("gate", 5), *BOX)
    assert names(tmp_path) == ["gate-00000005-1of1-cat.png"]


def test_a_classification_is_of_the_whole_frame(tmp_path: Path) -> None:
    made = sink(tmp_path)
    made.write(Prediction.of(meta("gate", 1), single_label()), picture(meta("gate", 1)))
    assert cv2.imread(str(tmp_path / "gate-00000001-1of1-cat.png")).shape == (48, 64, 3)


@pytest.mark.parametrize(
    ("max_fps", "rate", "ids"),
    [(25.0, 25.0, [1, 2, 3, 4, 5, 6, 7]), (10.0, 25.0, [1, 4, 7]), (5.0, 0.0, [1, 6]), (0.01, 25.0, [1])],
)
def test_at_most_so_many_a_second(tmp_path: Path, max_fps: float, rate: float, ids: list[int]) -> None:
    made = sink(tmp_path, max_fps=max_fps)
    for frame_id in range(1, 8):
        write(made, meta("gate", frame_id, rate=rate), *BOX)
        write(made, meta("yard", frame_id, rate=rate))
    assert names(tmp_path) == [f"gate-{frame_id:08}-1of1-cat.png" for frame_id in ids]


@pytest.mark.parametrize("template", ["", "{source}"])
def test_a_successor_goes_on_with_the_same_pauses(tmp_path: Path, template: str) -> None:
    place = tmp_path / template
    first = sink(place, max_fps=5.0)
    for frame_id in (1, 6, 11):
        write(first, meta("gate-2", frame_id), *TWO)
    write(first, meta("yard", 3), *BOX)
    second = ImagesSink("pictures", options(place, max_fps=5.0))
    assert second.open(resume=True) == {"gate-2": 11, "yard": 3}
    for frame_id in (12, 15, 16):
        write(second, meta("gate-2", frame_id), *TWO)
    assert [name[-27:] for name in names(tmp_path) if "gate" in name] == [
        f"gate-2-{frame_id:08}-{number}of2-cat.png"[-27:] for frame_id in (1, 6, 11, 16) for number in (1, 2)
    ]


def test_a_frame_of_which_pictures_are_missing_is_written_again(tmp_path: Path) -> None:
    first = sink(tmp_path, max_fps=5.0)
    for frame_id in (1, 6):
        write(first, meta("gate", frame_id), *TWO)
    whole = names(tmp_path)
    (tmp_path / "gate-00000006-2of2-cat.png").rename(tmp_path / "gate-00000006-2of2-cat.png.unfinished")
    second = ImagesSink("pictures", options(tmp_path, max_fps=5.0))
    assert second.open(resume=True) == {"gate": 5}
    assert names(tmp_path) == whole[:3]
    write(second, meta("gate", 6), *TWO)
    assert names(tmp_path) == whole


def test_without_resume_older_pictures_are_removed_and_strangers_stay(tmp_path: Path) -> None:
    write(sink(tmp_path / "p"), meta("gate", 1), *BOX)
    for name in ("me.jpg", "gate-1-1of1-cat.png", "gate-00000001-1of1-cat.png.txt"):
        (tmp_path / "p" / name).touch()
    assert ImagesSink("pictures", options(tmp_path / "p")).open(resume=False) == {}
    assert names(tmp_path / "p") == ["gate-00000001-1of1-cat.png.txt", "gate-1-1of1-cat.png", "me.jpg"]


def test_names_of_classes_become_names_of_files(tmp_path: Path) -> None:
    made, frame = sink(tmp_path), meta("gate", 1)
    for number, name in enumerate(("../a-b/c", "", "ü" * 200, "..")):
        frame = meta("gate", number + 1)
        one = found(*BOX)
        made.write(Prediction.of(frame, type(one)(one.xyxy, one.score, one.class_id, (name,))), picture(frame))
    assert [name.split("-")[-1] for name in names(tmp_path)] == ["_a_b_c.png", "_.png", "ü" * 60 + ".png", "_.png"]
    assert ImagesSink("pictures", options(tmp_path)).open(resume=True) == {"gate": 4}


def test_a_full_disk_leaves_no_half_picture_and_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, write_bytes = sink(tmp_path), Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        if "2of2" not in path.name:
            return write_bytes(path, data)
        write_bytes(path, data[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", full)
        for _ in range(2):
            with pytest.raises(SinkError, match="the disk is full") as caught:
                write(made, meta("gate", 1), *TWO)
            assert caught.value.retryable
            assert names(tmp_path) == ["gate-00000001-1of2-cat.png"]
    write(made, meta("gate", 1), *TWO)
    assert names(tmp_path) == ["gate-00000001-1of2-cat.png", "gate-00000001-2of2-cat.png"]


def test_a_folder_that_was_removed_is_made_again(tmp_path: Path) -> None:
    made = sink(tmp_path / "p")
    write(made, meta("gate", 1), *BOX)
    shutil.rmtree(tmp_path / "p")
    write(made, meta("gate", 2), *BOX)
    assert names(tmp_path / "p") == ["gate-00000002-1of1-cat.png"]


@pytest.mark.parametrize("path", ["", "/", "{frame}/x"])
def test_a_path_that_is_none_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="path"):
        ImagesOptions(path=path)


def test_models_with_names_have_theirs_at_the_end_and_pauses_of_their_own(tmp_path: Path) -> None:
    made = sink(tmp_path, max_fps=5.0)
    for frame_id, model in ((1, "faces"), (2, "people-v2"), (3, "faces"), (6, "faces")):
        frame = meta("gate-2", frame_id)
        made.write(replace(prediction(frame, *BOX), model=model), picture(frame))
    assert names(tmp_path) == [
        "gate-2-00000001-1of1-cat-faces.png",
        "gate-2-00000002-1of1-cat-people-v2.png",
        "gate-2-00000006-1of1-cat-faces.png",
    ]
    second = ImagesSink("pictures", options(tmp_path, max_fps=5.0))
    assert second.open(resume=True) == {"gate-2:faces": 6, "gate-2:people-v2": 2}
    assert ImagesSink("pictures", options(tmp_path)).open(resume=False) == {}
    assert names(tmp_path) == []
