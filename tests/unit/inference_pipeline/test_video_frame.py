"""§2.6: fields of `VideoFrame`, and pixels that are made when they are first looked at."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import threading
from datetime import datetime, timezone

import numpy as np
import pytest
from support.video_frames import BEGIN, frame, grey

from mpipeline.errors import FrameReleased
from mpipeline.frame import Pixels
from mpipeline.inference_pipeline.video_frame import VideoFrame, age_s, local_time


class Loader:
    """Counts how often it is asked."""

    def __init__(self, pixels: Pixels) -> None:
        self.pixels = pixels
        self.calls = 0

    def __call__(self) -> Pixels:
        self.calls += 1
        return self.pixels


def test_2_6_the_fields_have_their_names_and_defaults() -> None:
    made = VideoFrame(grey(), 3, BEGIN)
    fields = {field.name: getattr(made, field.name) for field in dataclasses.fields(VideoFrame)}
    assert fields.pop("image").shape == (240, 320, 3)
    optional = "fps measured_fps source_id comes_from_video_file total_frames pts captured_ns"
    assert fields == {"frame_id": 3, "frame_timestamp": BEGIN, **dict.fromkeys(optional.split())}


def test_2_6_it_is_frozen() -> None:
    made = frame()
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.frame_id = 4  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.image = grey()  # type: ignore[misc]


def test_the_image_is_required() -> None:
    with pytest.raises(TypeError, match="image"):
        VideoFrame(frame_id=1, frame_timestamp=BEGIN)


def test_a_ready_image_is_that_image() -> None:
    image = grey()
    made = frame(image=image)
    assert made.image is image
    assert made.is_materialised


def test_the_loader_is_asked_at_the_first_look_and_once() -> None:
    loader = Loader(grey(level=7))
    made = frame(image=loader)
    assert (loader.calls, made.is_materialised) == (0, False)
    first = made.image
    assert made.image is first
    assert (loader.calls, made.is_materialised) == (1, True)
    assert (first == 7).all()


def test_two_threads_that_look_at_once_get_one_image() -> None:
    loader = Loader(grey())
    made = frame(image=loader)
    barrier = threading.Barrier(4, timeout=30)
    seen: list[Pixels] = []

    def look() -> None:
        barrier.wait()
        seen.append(made.image)

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert loader.calls == 1
    assert all(image is seen[0] for image in seen)


def test_pixels_that_cannot_be_written_are_copied_so_that_the_user_can() -> None:
    shared = grey()
    shared.setflags(write=False)
    made = frame(image=lambda: shared)
    made.image[:] = 1
    assert (shared == 90).all()
    assert (made.image == 1).all()


def test_a_materialised_image_outlives_the_release() -> None:
    made = frame(image=Loader(grey()))
    assert made.materialise() is made
    made.release()
    made.release()
    assert made.image.shape == (240, 320, 3)


def test_a_first_look_after_the_release_is_told_what_to_do() -> None:
    loader = Loader(grey())
    made = frame(7, source_id=2, image=loader)
    made.release()
    with pytest.raises(FrameReleased, match=r"frame 7 of source 2 are gone.*materialise\(\)"):
        _ = made.image
    with pytest.raises(FrameReleased, match="materialise"):
        made.materialise()
    assert loader.calls == 0


def test_a_ready_image_is_not_lost_by_the_release() -> None:
    made = frame()
    made.release()
    assert made.image.shape == (240, 320, 3)


def test_a_release_waits_for_the_conversion_that_is_going_on() -> None:
    converting, may_end = threading.Event(), threading.Event()

    def load() -> Pixels:
        converting.set()
        assert may_end.wait(30)
        return grey()

    made = frame(image=load)
    looker = threading.Thread(target=made.materialise)
    looker.start()
    assert converting.wait(30)
    releaser = threading.Thread(target=made.release)
    releaser.start()
    assert releaser.is_alive()  # it cannot end before `may_end` is set, however long one looks
    may_end.set()
    releaser.join(30)
    looker.join(30)
    assert not releaser.is_alive()
    assert made.is_materialised


def test_a_loader_that_fails_is_asked_again() -> None:
    answers = [OSError("gone for a moment"), grey()]

    def load() -> Pixels:
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    made = frame(image=load)
    with pytest.raises(OSError, match="gone for a moment"):
        made.materialise()
    assert made.image.shape == (240, 320, 3)


def test_a_copy_for_another_process_has_its_pixels() -> None:
    made = frame(5, image=lambda: grey(level=5))
    for other in (pickle.loads(pickle.dumps(made)), copy.copy(made), copy.deepcopy(made)):
        assert (other.frame_id, other.frame_timestamp, other.fps) == (5, made.frame_timestamp, 25.0)
        assert np.array_equal(other.image, made.image)


def test_a_field_can_be_replaced() -> None:
    made = frame(5, image=lambda: grey(level=5))
    other = dataclasses.replace(made, image=grey(level=6), source_id=3)
    assert (other.frame_id, other.source_id) == (5, 3)
    assert (other.image == 6).all()
    assert (made.image == 5).all()


def test_frames_are_told_apart_by_identity_and_shown_without_pixels() -> None:
    loader = Loader(grey())
    made, other = frame(image=loader), frame(image=loader)
    assert made != other
    assert len({made, other, made}) == 2
    assert repr(made) == "VideoFrame(frame_id=1, source_id=0, frame_timestamp=2026-03-01T12:00:00)"
    assert loader.calls == 0


def test_2_6_time_stamps_are_local_without_a_time_zone() -> None:
    moment = datetime(2026, 3, 1, 12, 0, 0, 123456)
    wall_ns = round(moment.timestamp()) * 1_000_000_000 + 123_456_789
    assert local_time(wall_ns) == moment
    assert local_time(wall_ns).tzinfo is None


def test_the_age_is_by_the_monotonic_clock_where_it_is_known() -> None:
    made = frame(captured_ns=1_000_000_000)
    assert age_s(made, 1_250_000_000, 0) == 0.25


def test_the_age_of_a_live_frame_without_it_is_by_the_time_stamp() -> None:
    wall_ns = int(BEGIN.timestamp()) * 1_000_000_000 + 500_000_000
    assert age_s(frame(captured_ns=None), 0, wall_ns) == pytest.approx(0.5)
    aware = frame(captured_ns=None, frame_timestamp=BEGIN.astimezone(timezone.utc))
    assert age_s(aware, 0, wall_ns) == pytest.approx(0.5)


def test_the_time_stamp_of_a_file_tells_no_age() -> None:
    assert age_s(frame(captured_ns=None, comes_from_video_file=True), 0, 0) is None
