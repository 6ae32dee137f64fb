"""What integration tests with the real command work in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.command import Workplace


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Workplace]:
    """A folder for the real command; after the test nothing of its runs may be left."""
    failed_before = request.session.testsfailed
    with Workplace(tmp_path) as workplace:
        yield workplace
        workplace.is_abandoned = request.session.testsfailed > failed_before  # one report of a failure is enough
