"""Memory and processor time of workers, read from a /proc of files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mpipeline.clock import ManualClock
from mpipeline.config.supervision import PerRoleSpec, RestartSpec
from mpipeline.errors import Reason
from mpipeline.messages import Role
from mpipeline.supervisor.usage import UsageWatch, read

TICKS = os.sysconf("SC_CLK_TCK")
PID = 77


class Proc:
    """A /proc with one process, and a watch that looks at it."""

    def __init__(self, root: Path, spec: RestartSpec) -> None:
        self.root, self.clock = root, ManualClock()
        self.watch = UsageWatch(spec, root)
        self.cpu_s = 0.0
        (root / str(PID)).mkdir()
        self.write(1)

    def write(self, memory_mb: float) -> None:
        kib = int(memory_mb * 1e6 / 1024)
        folder = self.root / str(PID)
        (folder / "status").write_text(f"Name:\tpython\nVmRSS:\t 999999 kB\nRssAnon:\t {kib} kB\nRssShmem:\t 5 kB\n")
        numbers = " ".join(str(n) for n in range(4, 14))
        ticks = int(self.cpu_s * TICKS)
        (folder / "stat").write_text(f"{PID} (a b) ( c) R {numbers} {ticks // 2} {ticks - ticks // 2} 16 17\n")

    def second(self, memory_mb: float = 1, cpu: float = 0.0) -> tuple[Reason, str] | None:
        """A second with so much memory and this share of a core; what the watch says."""
        self.clock.advance(1)
        self.cpu_s += cpu
        self.write(memory_mb)
        return self.watch.look(PID, Role.DECODER, self.clock.monotonic_ns())


@pytest.fixture
def proc(tmp_path: Path) -> Proc:
    limits = PerRoleSpec(decoder=100)
    return Proc(tmp_path, RestartSpec(max_memory_mb=limits, max_cpu=PerRoleSpec(decoder=0.5)))


def test_what_a_process_uses_is_read_from_proc(proc: Proc) -> None:
    proc.cpu_s = 12.5
    proc.write(64)
    usage = read(PID, proc.root)
    assert usage is not None
    assert usage.memory_mb == pytest.approx(64, rel=1e-3)
    assert usage.cpu_s == pytest.approx(12.5, abs=2 / TICKS)


def test_this_process_can_be_read() -> None:
    usage = read(os.getpid())
    assert usage is not None
    assert usage.memory_mb > 1


def test_a_process_that_is_gone_uses_nothing(proc: Proc) -> None:
    assert read(1 << 30, proc.root) is None
    assert proc.watch.look(1 << 30, Role.DECODER, proc.clock.monotonic_ns()) is None
    assert proc.watch.of(4711) == (0.0, 0.0)


def test_memory_is_over_its_limit_after_three_looks_in_a_row(proc: Proc) -> None:
    assert proc.second(101) is None
    assert proc.second(101) is None
    assert proc.second(99) is None
    assert proc.second(101) is None
    assert proc.second(102) is None
    assert proc.second(103) == (Reason.MEMORY_LIMIT, "used 103 MB of memory, 100 are allowed")


def test_looks_that_come_too_soon_are_none(proc: Proc) -> None:
    proc.second(150)
    for _ in range(9):
        assert proc.watch.look(PID, Role.DECODER, proc.clock.monotonic_ns()) is None


def test_processor_time_counts_over_half_a_minute(proc: Proc) -> None:
    verdicts = [proc.second(cpu=1.0 if second % 2 else 0.2) for second in range(60)]
    assert verdicts[:30] == [None] * 30
    assert verdicts[30] is not None
    assert verdicts[30][0] is Reason.CPU_LIMIT
    assert "0.5 are allowed" in verdicts[30][1]


def test_a_peak_of_processor_time_is_no_fault(proc: Proc) -> None:
    for _ in range(4):
        assert [proc.second(cpu=1.0 if second < 10 else 0.1) for second in range(40)] == [None] * 40


def test_what_was_seen_last_can_be_shown(proc: Proc) -> None:
    for _ in range(40):
        proc.second(50, cpu=0.25)
    memory, cpu = proc.watch.of(PID)
    assert memory == pytest.approx(50, rel=1e-3)
    assert cpu == pytest.approx(0.25, abs=0.01)
    proc.watch.forget(PID)
    assert proc.watch.of(PID) == (0.0, 0.0)


def test_other_roles_have_no_limit(proc: Proc) -> None:
    for _ in range(5):
        proc.second(500)
        proc.clock.advance(1)
        assert proc.watch.look(PID, Role.SINK, proc.clock.monotonic_ns()) is None


@pytest.mark.parametrize("limits", [{"max_memory_mb": PerRoleSpec(sink=1)}, {"max_cpu": PerRoleSpec(sink=1)}])
def test_without_proc_limits_cannot_be_watched(tmp_path: Path, limits: dict[str, PerRoleSpec]) -> None:
    assert UsageWatch(RestartSpec(**limits), tmp_path).is_missing  # type: ignore[arg-type]
    assert not UsageWatch(RestartSpec(**limits)).is_missing  # type: ignore[arg-type]


def test_without_limits_nothing_is_missing(tmp_path: Path) -> None:
    assert not UsageWatch(RestartSpec(), tmp_path).is_missing
