"""The run directory is looked after: what was removed is made again, and told."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from mpipeline.clock import NS_PER_S
from mpipeline.supervisor.premises import Premises
from mpipeline.transport import channel
from mpipeline.transport.run_directory import RunDirectory


class Bench:
    """A run directory with the control socket in it."""

    def __init__(self, root: Path) -> None:
        self.directory = RunDirectory(root, "r")
        self.context = channel.context()
        self.made = Premises(self.directory, channel.Router(self.context, self.directory.endpoints.control))
        self.now = 0

    @property
    def socket(self) -> Path:
        return self.directory.folder / "control.sock"

    def look(self) -> None:
        self.now += NS_PER_S
        self.made.look(self.now)

    def close(self) -> None:
        self.context.destroy(linger=0)
        self.directory.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path / "root")
    yield made
    made.close()


def test_nothing_is_said_while_everything_is_there(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.look()
    assert not caplog.records


def test_it_looks_once_a_second(bench: Bench) -> None:
    bench.look()
    bench.socket.unlink()
    bench.made.look(bench.now + NS_PER_S - 1)
    assert not bench.socket.exists()
    bench.look()
    assert bench.socket.exists()


def test_what_was_removed_is_made_again(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    shutil.rmtree(bench.directory.folder.parent)
    bench.look()
    assert bench.socket.exists()
    assert [record.event for record in caplog.records] == ["run_directory_vanished"]  # type: ignore[attr-defined]


def test_where_it_cannot_be_made_again_that_is_told_once(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    root = bench.directory.folder.parent
    shutil.rmtree(root)
    root.write_text("something else")
    for _ in range(3):
        bench.look()
    (record,) = caplog.records
    assert "workers that die cannot come back" in record.getMessage()
    root.unlink()
    bench.look()
    assert bench.socket.exists()
