"""What the supervisor knows of a worker: its log lines, its counters, its last words. No process is started."""

from __future__ import annotations

import json
import logging
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from mpipeline.config.schema import RestartSpec
from mpipeline.errors import Reason
from mpipeline.messages import Bye, Heartbeat, Role
from mpipeline.supervisor.child import Child, ProcessState, Sentence
from mpipeline.supervisor.launch import Order
from mpipeline.supervisor.plan import WorkerPlan
from mpipeline.supervisor.restart import RestartPolicy


class Process:
    """A launched worker whose standard error is a pipe and which has ended."""

    def __init__(self, stderr: int, code: int) -> None:
        self.pid = 2**22 - 3  # nobody has it
        self.pidfd = os.pidfd_open(os.getpid())
        self.stderr_fd = stderr
        self.code = code

    def kill(self, signal_number: int) -> None:
        pass

    def reap(self) -> int:
        return self.code

    def close(self) -> None:
        os.close(self.pidfd)
        os.close(self.stderr_fd)


class Bench:
    """A child with a pipe for its stderr."""

    def __init__(self) -> None:
        plan = WorkerPlan(Role.SINK, "sink:x", {})
        self.child = Child(plan, RestartPolicy(RestartSpec()), "ipc://nowhere", "info", self._launch)
        self.writing = -1
        self._code = 0

    def start(self, code: int = 0) -> None:
        """Spawns it, without a process; it will end with that code."""
        self._code = code
        self.child.spawn(-1, 0)

    def _launch(self, order: Order) -> Process:
        reading, self.writing = os.pipe()
        os.set_blocking(reading, False)
        return Process(reading, self._code)

    def say(self, text: str) -> None:
        os.write(self.writing, text.encode())

    def end(self) -> int:
        os.close(self.writing)
        self.writing = -1
        return self.child.reap()


@pytest.fixture
def bench(caplog: pytest.LogCaptureFixture) -> Iterator[Bench]:
    logger = logging.getLogger("mpipeline")
    before = logger.propagate, logger.level
    logger.propagate = True
    caplog.set_level(logging.DEBUG, "mpipeline")
    yield Bench()
    logger.propagate, logger.level = before


def line(message: str, level: str = "warning", **fields: Any) -> str:
    return json.dumps({"time": "t", "level": level, "logger": "l", "message": message, **fields}) + "\n"


def test_log_lines_are_passed_on_with_their_level_and_fields(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.start()
    bench.say(line("37 errors", event="decode_errors", source="gate", secret="s") + line("x", "error", trace="T\nU"))
    bench.child.read_stderr()
    first, second = caplog.records
    assert (first.getMessage(), first.levelno, vars(first)["source"]) == ("37 errors", logging.WARNING, "gate")
    assert vars(first)["worker"] == "sink:x"
    assert "secret" not in vars(first)
    assert second.getMessage() == "x\nT\nU"
    bench.end()


def test_lines_in_pieces(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.start()
    whole = line("größer")
    for character in whole.encode():
        os.write(bench.writing, bytes([character]))
        bench.child.read_stderr()
    assert [r.getMessage() for r in caplog.records] == ["größer"]
    bench.end()


def test_what_is_no_log_line_is_kept_for_the_report(bench: Bench) -> None:
    bench.start(code=-11)
    bench.say('Fatal Python error: Segmentation fault\n\n[1, 2]\n{"message": 3}\n"text"\n{"a": 1}\nrest')
    bench.end()
    assert bench.child.describe_exit() == 'was killed by SIGSEGV: "text" | {"a": 1} | rest'


def test_the_last_words_count_more_than_the_last_lines(bench: Bench) -> None:
    bench.start(code=78)
    bench.say("noise\n")
    bench.child.bye = Bye("FAILED", "failed", "no such model")
    bench.end()
    assert bench.child.describe_exit() == "ended with exit code 78: no such model"


def test_a_silent_end(bench: Bench) -> None:
    bench.start(code=3)
    bench.end()
    assert bench.child.describe_exit() == "ended with exit code 3"


def test_an_endless_line_does_not_fill_the_memory(bench: Bench) -> None:
    bench.start()
    for _ in range(10):
        bench.say("x" * 60_000)
        bench.child.read_stderr()
    assert len(bench.child._partial) <= 1 << 16
    bench.end()


def test_counters_go_on_over_incarnations(bench: Bench) -> None:
    child = bench.child
    bench.start()
    child.heartbeat = Heartbeat(5, {"a": 5, "b": 1})
    child.heartbeat = Heartbeat(6, {"a": 6, "b": 1})
    assert child.metrics() == {"a": 6, "b": 1}
    bench.end()
    assert child.metrics() == {"a": 6, "b": 1}
    assert child.heartbeat.progress == 6
    bench.start()
    child.heartbeat = Heartbeat(2, {"a": 2, "c": 1})
    assert child.metrics() == {"a": 8, "b": 1, "c": 1}
    bench.end()


def test_before_and_after_its_life(bench: Bench) -> None:
    child = bench.child
    assert (child.pid, child.is_alive, child.is_over, child.identity) == (0, False, False, "sink:x#0.0")
    child.kill()
    bench.start(code=7)
    assert child.is_alive
    child.kill()
    assert bench.end() == 7
    assert (child.pid, child.is_alive, child.pidfd, child.stderr_fd) == (0, False, -1, -1)
    for state, over in ((ProcessState.EXITED, True), (ProcessState.FATAL, True), (ProcessState.BACKOFF, False)):
        child.state = state
        assert child.is_over is over


def test_a_line_that_json_cannot_take_in_is_kept_as_text(bench: Bench) -> None:
    bench.start(code=1)
    bench.say("[" * 60_000 + "\n" + line("and on"))
    bench.child.read_stderr()
    bench.end()
    assert list(bench.child.tail) == ["[" * 60_000, "and on"]


def test_signals_without_a_name_have_a_number(bench: Bench) -> None:
    bench.start(code=-40)
    bench.end()
    assert bench.child.describe_exit() == "was killed by signal 40"


@pytest.mark.parametrize("told", [True, False])
def test_a_failure_shows_no_credentials(bench: Bench, told: bool) -> None:
    words = "cannot open rtsp://admin:secret@cam/1"
    bench.start(code=1)
    if told:
        bench.child.bye = Bye("FAILED", "failed", words)
    else:
        bench.say(words + "\n")
    bench.end()
    assert "secret" not in bench.child.describe_exit()
    assert "cam/1" in bench.child.describe_exit()


def test_tells_when_stderr_is_closed(bench: Bench) -> None:
    bench.start()
    assert bench.child.read_stderr()
    bench.say("last")
    assert bench.child.read_stderr()
    bench.end()
    assert list(bench.child.tail) == ["last"]
    bench.start()
    os.close(bench.writing)
    assert not bench.child.read_stderr()
    bench.child.reap()


@pytest.mark.parametrize(
    ("code", "sentence", "blamed"),
    [
        (-signal.SIGSEGV, None, True),
        (-signal.SIGBUS, None, True),
        (-signal.SIGABRT, None, True),
        (-signal.SIGKILL, None, False),
        (-signal.SIGTERM, None, False),
        (75, None, False),
        (1, None, True),
        (0, None, True),
        (-signal.SIGKILL, Sentence(Reason.STALLED, "has not been heard of for 60 s"), True),
        (75, Sentence(Reason.MEMORY_LIMIT, "used 900 MB"), False),
        (-signal.SIGKILL, Sentence(Reason.CPU_LIMIT, "used 3 cores"), False),
    ],
)
def test_whose_fault_an_end_was(bench: Bench, code: int, sentence: Sentence | None, blamed: bool) -> None:
    """From outside come SIGKILL and SIGTERM, of the kernel that needs memory or of an operator.

    An exit without a goodbye is one of native code, whatever its code; 75 is the answer to a SIGTERM.
    """
    bench.start(code)
    bench.child.sentence = sentence
    bench.end()
    assert bench.child.blamed is blamed
    if sentence is not None:
        assert bench.child.describe_exit() == f"was ended by the supervisor ({sentence.reason}): it {sentence.text}"


@pytest.mark.parametrize("code", [0, 1, 75, 78])
def test_who_says_goodbye_was_not_ended_by_what_it_did(bench: Bench, code: int) -> None:
    """What Python code raises is caught, and was laid at the door of its frame already."""
    bench.start(code)
    bench.child.bye = Bye("FAILED", "failed", "no such model")
    bench.end()
    assert not bench.child.blamed


def test_a_frame_may_be_to_blame_for_a_gpu_that_has_failed(bench: Bench) -> None:
    bench.start(1)
    bench.child.bye = Bye("FAILED", "gpu_lost", "an illegal memory access was encountered")
    bench.end()
    assert bench.child.blamed


@pytest.mark.parametrize("role", [Role.INFERENCE, Role.SINK, Role.DECODER])
def test_a_frame_may_be_to_blame_for_the_memory_of_the_model(bench: Bench, role: Role) -> None:
    bench.child.plan = WorkerPlan(role, "x", {})
    bench.start(-signal.SIGKILL)
    bench.child.sentence = Sentence(Reason.MEMORY_LIMIT, "used 900 MB")
    bench.end()
    assert bench.child.blamed is (role is Role.INFERENCE)


def test_the_blame_of_one_end_does_not_last(bench: Bench) -> None:
    bench.start(-signal.SIGSEGV)
    bench.end()
    bench.start(-signal.SIGKILL)
    bench.end()
    assert not bench.child.blamed


def test_gauges_end_with_their_incarnation(bench: Bench) -> None:
    bench.start()
    bench.child.heartbeat = Heartbeat(1, {"predictions_outstanding{sink=x}": 3, "predictions_sent{sink=x}": 5})
    bench.end()
    assert bench.child.metrics() == {"predictions_sent{sink=x}": 5}
