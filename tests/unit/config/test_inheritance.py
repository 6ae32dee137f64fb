"""What a process takes over from the one that started it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mpipeline.config.inheritance import inherit, inheritance


def test_environment_and_folder_become_those_that_were_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KEPT", "as it was")
    given = inheritance()
    with monkeypatch.context() as later:
        later.chdir("/")
        later.setenv("KEPT", "changed")
        later.setenv("ADDED", "afterwards")
        inherit(given)
        assert os.environ["KEPT"] == "as it was"
        assert "ADDED" not in os.environ
        assert Path.cwd() == tmp_path


def test_a_folder_that_is_gone_is_not_entered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    given = inheritance()
    assert given["folder"] is None
    monkeypatch.chdir(tmp_path)
    inherit(given)
    assert Path.cwd() == tmp_path
