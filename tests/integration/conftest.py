"""What integration tests work in: folders for the real command, and a model hub."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.command import Workplace
from support.model_hub import ModelHub
from support.pulling import BALLAST


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Workplace]:
    """A folder for the real command; after the test nothing of its runs may be left."""
    failed_before = request.session.testsfailed
    with Workplace(tmp_path) as workplace:
        yield workplace
        workplace.is_abandoned = request.session.testsfailed > failed_before  # one report of a failure is enough


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelHub]:
    """A hub with the model coco/3, asked directly and not through a proxy."""
    for name in ("http_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "hub").mkdir()
    with ModelHub(tmp_path / "hub") as server:
        server.add("coco/3", ballast=BALLAST)
        yield server


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """Where models are to be kept."""
    return tmp_path / "cache"
