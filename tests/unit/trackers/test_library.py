"""The library `trackers`: missing, foreign or too old; what is lacking if it comes without its OpenCV; its options."""

from __future__ import annotations

import re
import sys
import types
from importlib import metadata

import pytest
from support.tracks import boxes, follow

from mpipeline.config.tracker import TrackerSpec
from mpipeline.errors import EXIT_CONFIG, ConfigError, MissingDependency
from mpipeline.prediction import Detections
from mpipeline.trackers.bytetrack import ByteTrack
from mpipeline.trackers.library import INSTALL

OPENCV = "opencv-python"
COMMANDS = f"pip install 'mpipeline[tracking]' && {INSTALL}"

installed = pytest.mark.skipif(
    "trackers" not in {name for names in metadata.packages_distributions().items() for name in names[:1]},
    reason=f"needs the library: {INSTALL}",
)


def tracker(**options: object) -> ByteTrack:
    return ByteTrack(TrackerSpec.from_mapping({"kind": "bytetrack", **options}).options, 30.0)


def test_a_missing_library_is_told_with_both_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trackers", None)
    with pytest.raises(
        MissingDependency, match=re.escape(f"tracking needs trackers, which is not installed: {COMMANDS}")
    ):
        tracker()
    assert MissingDependency.exit_code == EXIT_CONFIG


def test_what_the_library_lacks_is_told_with_both_commands(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.delitem(sys.modules, "trackers", raising=False)
    (tmp_path / "trackers.py").write_text("import scypi_that_is_not_there.optimize\n")  # type: ignore[operator]
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingDependency, match="needs scypi_that_is_not_there, which is not installed"):
        tracker()


def test_an_opencv_that_does_not_load_is_told_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.delitem(sys.modules, "trackers", raising=False)
    (tmp_path / "trackers.py").write_text("raise ImportError('libGL.so.1: cannot open')\n")  # type: ignore[operator]
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match=r"libGL\.so\.1: cannot open.*pip uninstall -y opencv-python"):
        tracker()


def test_an_old_library_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    old = types.ModuleType("trackers")

    class ByteTrackTracker:
        def update(self, detections: object) -> None: ...

    old.__dict__["ByteTrackTracker"] = ByteTrackTracker
    monkeypatch.setitem(sys.modules, "trackers", old)
    with pytest.raises(ConfigError, match="too old: pip install --no-deps"):
        tracker()


def names_of(requirements: list[str] | None, extra: str = "") -> set[str]:
    """The distributions that a list of requirements asks for, with that extra."""
    wanted = set()
    for requirement in requirements or []:
        text, _, marker = requirement.partition(";")
        if ("extra" not in marker) or (extra and f'"{extra}"' in marker.replace("'", '"')):
            wanted.add(re.split(r"[^A-Za-z0-9._-]", text.strip(), maxsplit=1)[0].lower().replace("_", "-"))
    return wanted


@installed
def test_the_extra_brings_all_that_the_library_asks_for_but_its_opencv() -> None:
    """Else `pip install --no-deps` would leave something out."""
    brought: set[str] = set()
    waiting = names_of(metadata.requires("mpipeline"), "tracking")
    while waiting:
        name = waiting.pop()
        brought.add(name)
        try:
            waiting |= names_of(metadata.requires(name)) - brought
        except metadata.PackageNotFoundError:  # of another platform
            continue
    assert names_of(metadata.requires("trackers")) - brought == {OPENCV}


@installed
def test_here_the_headless_opencv_is_in_its_place() -> None:
    import cv2

    with pytest.raises(metadata.PackageNotFoundError):
        metadata.version(OPENCV)
    assert re.search(r"GUI:\s+NONE", cv2.getBuildInformation())


@installed
@pytest.mark.parametrize(("lost_after", "kept"), [(0.5, False), (2.0, True)])
def test_lost_after_is_in_seconds_whatever_the_rate(lost_after: float, kept: bool) -> None:
    for rate in (5.0, 30.0, 60.0):
        box = boxes((10, 10, 60, 60))
        made = ByteTrack(TrackerSpec.from_mapping({"kind": "bytetrack", "lost_after": lost_after}).options, rate)
        before = follow(made, [box] * 5, rate=rate)[-1]
        follow(made, [Detections.empty()] * int(rate), rate=rate, first=6)
        after = follow(made, [box] * 5, rate=rate, first=6 + int(rate))[-1]
        assert (before == after) is kept


@installed
def test_faint_boxes_go_on_with_a_track_and_begin_none() -> None:
    sure, faint = boxes((10, 10, 60, 60)), boxes((10, 10, 60, 60), score=0.3)
    assert follow(tracker(), [faint] * 10)[-1] == [-1]
    assert follow(tracker(), [sure] * 3 + [faint] * 30 + [sure])[-1] == [0]
    assert follow(tracker(track_activation_threshold=0.2, high_conf_det_threshold=0.2), [faint] * 10)[-1] == [0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lost_after": -1}, "lost_after: expected a number between 0 and 3600"),
        ({"minimum_consecutive_frames": 0}, "minimum_consecutive_frames: expected a whole number between 1 and 1000"),
        ({"minimum_iou_threshold": 1.5}, "minimum_iou_threshold: expected a number between 0 and 1"),
        ({"lost_track_buffer": 30}, "lost_track_buffer: unknown key"),
        ({"lost_after": True}, "lost_after: expected a number between 0 and 3600, got true"),
    ],
)
def test_wrong_options_are_told(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        tracker(**options)
