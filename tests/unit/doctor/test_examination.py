"""The doctor's report on a sound machine, and that no check keeps another from being made."""

from __future__ import annotations

import pytest

from mpipeline.doctor import installation
from mpipeline.doctor.examination import CHECKS, examine
from mpipeline.doctor.finding import Finding, Level
from mpipeline.errors import ConfigError
from mpipeline.trackers.library import INSTALL


@pytest.fixture(scope="module")
def report() -> dict[tuple[str, str], Finding]:
    return {(one.subject, one.name): one for one in examine()}


def test_on_a_machine_on_which_tests_run_nothing_is_broken(report: dict[tuple[str, str], Finding]) -> None:
    assert not [one for one in report.values() if one.level is Level.BROKEN]
    assert {subject for subject, _ in report} | {"jetson"} == set(CHECKS), "of a Jetson only where it is one"
    assert all(one.text for one in report.values())


def test_what_a_run_needs_has_really_been_tried(report: dict[tuple[str, str], Finding]) -> None:
    assert "a frame went through shared memory" in report["memory", "ring"].text
    assert "ONNX Runtime" in report["engines", "onnxruntime"].text
    assert "native module" in report["installation", "mpipeline"].text
    assert "h264" in report["video", "codecs"].text


def test_what_is_missing_comes_with_its_remedy(report: dict[tuple[str, str], Finding]) -> None:
    assert all(one.remedy for one in report.values() if one.level is Level.MISSING)
    extras = {name: one for (subject, name), one in report.items() if subject == "extras"}
    assert {"tensorrt", "openvino", "supervision"} <= set(extras)
    assert "test" not in extras
    lacking = [name for name, one in extras.items() if one.level is Level.MISSING]
    assert all(extras[name].remedy == f"pip install 'mpipeline[{name}]'" for name in lacking if name != "tracking")


def test_what_the_extra_of_trackers_cannot_bring_is_told_too(monkeypatch: pytest.MonkeyPatch) -> None:
    brought: dict[str, str | None] = {"trackers": None}
    monkeypatch.setattr(installation, "_version", lambda name: brought.get(name, "1.0"))
    assert _tracking().remedy == INSTALL
    brought["supervision"] = None
    assert _tracking().remedy == f"pip install 'mpipeline[tracking]' && {INSTALL}"
    brought.clear()
    assert _tracking().level is Level.OK


def _tracking() -> Finding:
    return next(one for one in installation.extras("extras") if one.name == "tracking")


def good(subject: str) -> list[Finding]:
    return [Finding(subject, "one", Level.OK, "is well")]


def raising(_: str) -> list[Finding]:
    raise OSError("the library is cut off")


def refusing(_: str) -> list[Finding]:
    raise ConfigError("the folder belongs to somebody else")


def test_a_check_that_fails_is_a_finding_and_the_others_are_made() -> None:
    names = {"a": "raising", "b": "refusing", "c": "good", "d": "absent"}
    checks = {subject: f"{__name__}:{name}" for subject, name in names.items()}
    found = list(examine(checks))
    assert [one.level.value for one in found] == ["broken", "broken", "ok", "broken"]
    assert found[0].text == "OSError: the library is cut off"
    assert found[1].text == "the folder belongs to somebody else"
