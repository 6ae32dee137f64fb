"""A worker in a thread: it ends, is asked to end, and is left behind when code in it does not return."""

from __future__ import annotations

import os
import select
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import pytest
from support.leftovers import wait_until

from mpipeline.errors import EXIT_DONE, EXIT_TEMPORARY
from mpipeline.messages import Bye, Hello, Message, Start
from mpipeline.transport import channel
from mpipeline.workers import hosted as hosted_module
from mpipeline.workers.hosted import HostedWorker
from mpipeline.workers.runtime import Runtime, WorkerContext


class Bench:
    """A control channel with a supervisor that answers, and a worker whose steps the test decides."""

    def __init__(self, endpoint: str) -> None:
        self.context = channel.context()
        self.router = channel.Router(self.context, endpoint)
        self.endpoint = endpoint
        self.free = threading.Event()  # lets a step that holds go on
        self.holding = threading.Event()
        self.done = threading.Event()
        self.heard: list[Message] = []
        self.thread_name = ""

    def host(self) -> HostedWorker:
        runtime = Runtime("sink", "sink:x", 1, self.endpoint, None, "info", hosted=True)
        return HostedWorker(runtime, lambda context, spec: Steps(self, context, spec))

    def serve(self) -> bool:
        """Answers HELLO; notes the rest. True once the worker has said goodbye."""
        while (received := self.router.receive()) is not None:
            self.heard.append(received[1])
            if isinstance(received[1], Hello):
                self.router.send(received[0], Start({"answer": 42}))
        return any(isinstance(message, Bye) for message in self.heard)


class Steps:
    """Works until `done`; with `holding` set, a step does not return until it is freed."""

    exit_code = EXIT_DONE

    def __init__(self, bench: Bench, context: WorkerContext, spec: Mapping[str, Any]) -> None:
        assert spec["answer"] == 42
        self.progress = 0
        self._bench = bench
        self.closed = False

    def open(self) -> Mapping[str, Any]:
        self._bench.thread_name = threading.current_thread().name
        return {}

    def step(self) -> bool:
        if self._bench.holding.is_set():
            self._bench.free.wait()
        return not self._bench.done.wait(0.005)

    def receive(self, message: Message) -> None:
        pass

    def state(self) -> tuple[str, str, str]:
        return "", "", ""

    def goodbye(self) -> Bye:
        return Bye()

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def bench(tmp_path: Any) -> Iterator[Bench]:
    with ExitStack() as stack:
        made = Bench(f"ipc://{tmp_path}/control.sock")
        stack.callback(made.context.destroy, linger=0)
        stack.callback(made.free.set)
        yield made


def ended(worker: HostedWorker) -> bool:
    return bool(select.select([worker.pidfd], [], [], 0)[0])


def test_it_works_and_ends_like_a_process(bench: Bench) -> None:
    before = signal.getsignal(signal.SIGTERM)
    worker = bench.host()
    wait_until(lambda: bench.serve() or len(bench.heard) > 2, "heartbeats")
    assert bench.thread_name == "mpipeline sink:x"
    assert worker.pid == os.getpid()
    assert not ended(worker)
    bench.done.set()
    wait_until(bench.serve, "its last words")
    wait_until(lambda: ended(worker), "its end")
    assert worker.reap() == EXIT_DONE
    worker.close()
    assert signal.getsignal(signal.SIGTERM) is before


def test_it_ends_when_it_is_asked(bench: Bench) -> None:
    worker = bench.host()
    wait_until(lambda: bench.serve() or len(bench.heard) > 2, "heartbeats")
    worker.kill(signal.SIGKILL)
    assert worker.reap() == EXIT_TEMPORARY
    assert ended(worker)
    worker.close()


def test_it_ends_when_it_is_asked_before_anyone_answers(bench: Bench) -> None:
    worker = bench.host()
    worker.kill(signal.SIGTERM)
    assert worker.reap() not in (EXIT_DONE, None)
    worker.close()


def test_one_that_does_not_return_is_left_behind(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosted_module, "_PATIENCE_NS", 50_000_000)
    bench.holding.set()
    worker = bench.host()
    wait_until(lambda: bench.serve() or len(bench.heard) > 1, "its readiness")
    thread = next(one for one in threading.enumerate() if one.name == bench.thread_name)
    wait_until(lambda: worker.kill(signal.SIGKILL) or ended(worker), "being given up")
    assert worker.reap() == EXIT_TEMPORARY
    worker.close()
    assert thread.is_alive()
    bench.free.set()
    thread.join()  # it ends by itself, and touches no descriptor that is somebody else's by now


def test_without_a_thread_nothing_is_left_open(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    before = set(os.listdir("/proc/self/fd"))
    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(OSError, match="no more threads"):
        bench.host()
    monkeypatch.undo()
    assert set(os.listdir("/proc/self/fd")) == before
