"""`mpipeline doctor`: what it prints, and with which code it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mpipeline.cli import doctor, main
from mpipeline.doctor.finding import Finding, Level

WELL = Finding("machine", "cores", Level.OK, "2 [usable]")
ABSENT = Finding("extras", "cuda", Level.MISSING, "not installed", "pip install 'mpipeline[cuda]'")
BROKEN = Finding("memory", "ring", Level.BROKEN, "cannot be made", "--shm-size")


def found(monkeypatch: pytest.MonkeyPatch, *findings: Finding) -> None:
    monkeypatch.setattr(doctor, "examine", lambda: iter(findings))


def test_lines_with_remedies_and_counts(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    found(monkeypatch, WELL, ABSENT)
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["machine", "  ok      cores: 2 [usable]"]
    assert "          → pip install 'mpipeline[cuda]'" in lines
    assert lines[-1] == "1 ok, 1 missing"


def test_only_what_is_broken_makes_it_fail(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    found(monkeypatch, WELL, BROKEN)
    assert main(["doctor", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["counts"] == {"ok": 1, "warning": 0, "missing": 0, "broken": 1}
    ring = {"subject": "memory", "name": "ring", "level": "broken", "text": "cannot be made", "remedy": "--shm-size"}
    assert told["findings"][1] == ring


def test_it_removes_what_killed_runs_have_left_when_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MPIPELINE_RUN_ROOT", str(tmp_path))
    found(monkeypatch, WELL)
    (tmp_path / "dead.lock").write_bytes(b"mpipeline run\n")
    (tmp_path / "dead").mkdir()
    assert main(["doctor"]) == 0
    assert (tmp_path / "dead").exists()
    assert main(["doctor", "--clear-up"]) == 0
    assert not list(tmp_path.iterdir())
    assert "removed what killed runs had left: dead" in capsys.readouterr().out
