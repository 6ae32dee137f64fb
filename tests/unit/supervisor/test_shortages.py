"""What the machine lacks for a while (processes, open files, shared memory) is tried again; others notice nothing."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.membership import Bench

from mpipeline.clock import NS_PER_S, ManualClock
from mpipeline.config import RunConfig
from mpipeline.config.supervision import RestartSpec
from mpipeline.errors import EXIT_CONFIG, EXIT_DONE, Reason, SharedMemoryFull
from mpipeline.messages import Refused, RingGranted, Role
from mpipeline.supervisor import rings
from mpipeline.supervisor.child import Child, ProcessState
from mpipeline.supervisor.plan import make_plan
from mpipeline.supervisor.restart import Restart, RestartPolicy
from mpipeline.supervisor.supervisor import Supervisor

CONFIG = {"sources": [{"name": "a", "kind": "synthetic"}], "model": {"target": "m:M"}}


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.made.close()


class Lacking:
    """A supervisor whose decoder cannot be spawned, with the error of your choice, as often as told."""

    def __init__(self, bench: Bench, monkeypatch: pytest.MonkeyPatch, code: int, live: bool = True) -> None:
        plan = make_plan(RunConfig.from_mapping(CONFIG))
        self.clock = ManualClock()
        self.supervisor: Any = Supervisor(plan, Path("/nowhere"), clock=self.clock)
        self.supervisor._members = bench.made
        self.supervisor._lifeline = (0, 0)
        self.supervisor._shutdown = type("Running", (), {"abandons": lambda *_: False})()
        worker = next(worker for worker in plan.workers if worker.role is Role.DECODER)
        self.child = Child(worker, RestartPolicy(RestartSpec(max_restarts=3)), "ipc://nowhere", "info")
        self.tries = 0

        def fail(*_: object, **__: object) -> None:
            self.tries += 1
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr("subprocess.Popen", fail)

    def attend(self) -> None:
        """Goes on to when the child is due."""
        if self.child.state is ProcessState.BACKOFF:
            self.clock.now_ns = max(self.clock.now_ns, self.child.due_ns)
            self.supervisor._attend(self.child, self.clock.now_ns)
        else:
            self.supervisor._spawn(self.child, self.clock.now_ns)


@pytest.mark.parametrize("code", [errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOMEM])
def test_a_machine_without_processes_or_files_is_waited_for(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    lacking = Lacking(bench, monkeypatch, code)
    lacking.child.ready_ns = 1
    for tries in range(1, 30):
        lacking.attend()
        assert lacking.tries == tries
        assert lacking.child.state is ProcessState.BACKOFF
        assert lacking.child.due_ns - lacking.clock.now_ns <= 30 * NS_PER_S
    assert os.strerror(code) in lacking.child.failure
    assert lacking.child.restarts == 28


def test_a_first_start_is_given_up_after_some_tries(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing would be lost by trying on, but nobody would hear of it either."""
    lacking = Lacking(bench, monkeypatch, errno.EAGAIN)
    for _ in range(4):
        assert not lacking.child.is_over
        lacking.attend()
    assert lacking.child.state is ProcessState.FATAL
    assert os.strerror(errno.EAGAIN) in lacking.child.failure


def test_a_command_that_is_not_there_is_given_up(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    lacking = Lacking(bench, monkeypatch, errno.ENOENT)
    lacking.attend()
    assert lacking.child.state is ProcessState.FATAL


def test_a_live_source_without_shared_memory_is_tried_again_much_later(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    lacking = Lacking(bench, monkeypatch, errno.EAGAIN)
    fill_memory(monkeypatch)
    bench.all_ready()
    bench.request(live=True)
    for _ in range(20):
        lacking.supervisor._decide(lacking.child, EXIT_CONFIG, 0, lacking.clock.now_ns)
        assert lacking.child.state is ProcessState.BACKOFF
        assert lacking.child.due_ns - lacking.clock.now_ns >= 15 * NS_PER_S


def test_a_file_without_shared_memory_is_given_up(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    lacking = Lacking(bench, monkeypatch, errno.EAGAIN)
    fill_memory(monkeypatch)
    bench.all_ready()
    bench.request(live=False)
    lacking.supervisor._decide(lacking.child, EXIT_CONFIG, 0, lacking.clock.now_ns)
    assert lacking.child.state is ProcessState.FATAL


def test_the_decoder_hears_why_it_got_no_ring(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    fill_memory(monkeypatch)
    bench.all_ready()
    bench.take()
    bench.request(live=True)
    assert bench.take() == [("decoder:a#1", Refused("no room; --shm-size"))]
    assert bench.made.lacks_memory(bench.children["decoder:a"])
    monkeypatch.undo()
    bench.request(live=True)
    assert not bench.made.lacks_memory(bench.children["decoder:a"])
    assert SharedMemoryFull.reason is Reason.NO_SPACE


def test_a_ring_that_cannot_be_made_for_want_of_open_files_is_made_later(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    bench.all_ready()
    bench.take()
    monkeypatch.setattr(rings, "create_ring", fail)
    bench.request()
    bench.made.serve(NS_PER_S)
    assert bench.take() == []
    monkeypatch.undo()
    bench.made.serve(NS_PER_S)
    assert bench.take() == [], "it is not tried at every turn"
    bench.made.serve(3 * NS_PER_S)
    assert isinstance(bench.take()[-1][1], RingGranted)


def test_postponing_never_ends_in_a_crash_loop() -> None:
    policy = RestartPolicy(RestartSpec(max_restarts=1, first_delay=0.5, max_delay=4))
    delays = [policy.postpone().delay_s for _ in range(50)]
    assert max(delays) <= 4
    assert all(2 <= policy.postpone(long=True).delay_s <= 4 for _ in range(50))
    assert isinstance(policy.on_exit(EXIT_DONE + 1, 0, 0), Restart)


def fill_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise SharedMemoryFull("no room; --shm-size")

    monkeypatch.setattr(rings, "create_ring", full)
