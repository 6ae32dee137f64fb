"""The fork server by itself: what it makes is a worker like any other, and a run does without it when it is gone."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from support.leftovers import wait_until

from mpipeline.config.inheritance import inheritance
from mpipeline.messages import Role
from mpipeline.supervisor import fork_server as fork_server_module
from mpipeline.supervisor.fork_server import ForkServer
from mpipeline.supervisor.launch import Launched, Order, has_ended
from mpipeline.supervisor.plan import WorkerPlan
from mpipeline.transport import fork_channel


@pytest.fixture
def control(tmp_path: Path) -> str:
    return f"ipc://{tmp_path}/control"  # nobody answers there: a worker waits for its supervisor


@pytest.fixture
def server(control: str) -> Iterator[ForkServer]:
    made = ForkServer(control, ["video", "of another package"])
    made.start()
    yield made
    made.close()
    assert not [child for child in psutil.Process().children() if "mpipeline" in " ".join(child.cmdline())]


@pytest.fixture
def order(control: str) -> Iterator[Order]:
    reading, writing = os.pipe()
    yield Order(WorkerPlan(Role.SINK, "sink:x", {}), 3, control, reading, "info")
    os.close(reading)
    os.close(writing)


def process_of(server: ForkServer) -> psutil.Process:
    assert server._process is not None
    return psutil.Process(server._process.pid)


def end(worker: Launched, number: int = signal.SIGKILL) -> int:
    worker.kill(number)
    wait_until(lambda: has_ended(worker.pidfd), "its end")
    code = worker.reap()
    worker.close()
    return code


def parent_of(worker: Launched) -> int:
    return psutil.Process(worker.pid).ppid()


def test_a_worker_is_forked_and_looks_like_one_that_was_started(server: ForkServer, order: Order) -> None:
    worker = server.launch(order)
    shown = psutil.Process(worker.pid)
    assert parent_of(worker) == process_of(server).pid
    wait_until(lambda: shown.cmdline()[2] == "sink", "its command line")
    given = [*("--name", "sink:x", "--incarnation", "3", "--control", order.control), "--supervisor", str(os.getpid())]
    assert [word for word in shown.cmdline() if word][3 : 3 + len(given)] == given
    assert os.getpgid(worker.pid) == worker.pid
    assert end(worker) == -signal.SIGKILL


def test_it_takes_over_the_folder_of_the_moment(
    server: ForkServer, order: Order, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    worker = server.launch(order)
    wait_until(lambda: Path(psutil.Process(worker.pid).cwd()) == tmp_path, "its folder")
    end(worker)


def test_it_works_in_a_folder_that_was_removed(
    server: ForkServer, order: Order, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert end(server.launch(order)) == -signal.SIGKILL


def test_its_code_is_collected_and_its_words_are_read(server: ForkServer, control: str) -> None:
    reading, writing = os.pipe()
    plan = WorkerPlan(Role.SINK, "sink:x", {})
    worker = server.launch(Order(plan, 1, control, reading, "info"))
    try:
        os.close(writing)  # the supervisor is gone, for all that it can see
        wait_until(lambda: has_ended(worker.pidfd) or select.select([worker.stderr_fd], [], [], 0)[0], "a sign")
        assert end(worker, signal.SIGTERM) == 75
    finally:
        os.close(reading)


def test_memory_is_shared_between_workers(server: ForkServer, order: Order) -> None:
    workers = [server.launch(order) for _ in range(4)]
    for worker in workers:
        memory = psutil.Process(worker.pid).memory_full_info()
        assert memory.uss < memory.rss / 2
    for worker in workers:
        end(worker)


def test_when_it_is_killed_workers_are_started_without_it_until_there_is_another(
    server: ForkServer, order: Order
) -> None:
    first = server.launch(order)
    process_of(server).kill()
    second = server.launch(order)
    assert parent_of(second) == os.getpid()

    def is_forked_again() -> bool:
        worker = server.launch(order)
        try:
            return parent_of(worker) != os.getpid()
        finally:
            end(worker)

    wait_until(is_forked_again, "another server")
    assert end(second) == -signal.SIGKILL
    assert end(first) == 0  # nobody knows it any more: it counts that no goodbye was heard


def test_an_environment_that_is_too_large_for_a_message_costs_the_fork_and_not_the_server(
    server: ForkServer, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As that of a container in a cluster of thousands of services."""
    end(server.launch(order))
    process = process_of(server)
    for n in range(10):
        monkeypatch.setenv(f"SERVICE_{n}", "x" * 100_000)
    worker = server.launch(order)
    assert parent_of(worker) == os.getpid()
    end(worker)
    monkeypatch.undo()
    worker = server.launch(order)
    assert parent_of(worker) == process.pid
    end(worker)


def test_when_it_hangs_it_is_replaced(server: ForkServer, order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fork_server_module, "_ANSWER_S", 0.2)
    end(server.launch(order))
    hanging = process_of(server)
    hanging.suspend()
    worker = server.launch(order)
    assert parent_of(worker) == os.getpid()
    wait_until(lambda: not hanging.is_running(), "the end of the one that hangs")
    end(worker)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_all_processes_of_a_run_leaves_it_to_tell_how_they_ended(
    server: ForkServer, order: Order, number: int
) -> None:
    """As service managers send one to a whole control group."""
    worker = server.launch(order)
    process_of(server).send_signal(number)
    assert end(worker, signal.SIGTERM) in (75, -signal.SIGTERM)
    assert parent_of(last := server.launch(order)) == process_of(server).pid
    assert end(last) == -signal.SIGKILL


def test_it_tells_how_workers_ended_although_its_supervisor_ignores_the_end_of_children(
    control: str, order: Order
) -> None:
    server, before = ForkServer(control, []), signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        server.start()
        assert end(server.launch(order)) == -signal.SIGKILL
    finally:
        signal.signal(signal.SIGCHLD, before)
        server.close()


def test_no_program_that_a_worker_or_the_supervisor_starts_gets_their_descriptors(
    server: ForkServer, order: Order
) -> None:
    worker = server.launch(order)
    wait_until(lambda: psutil.Process(worker.pid).cmdline()[2] == "sink", "its command line")
    assert not os.get_inheritable(worker.pidfd)
    inherited = [fd for fd in os.listdir(f"/proc/{worker.pid}/fd") if not closes_on_exec(worker.pid, fd)]
    assert sorted(inherited) == ["0", "1", "2"]
    end(worker)


def closes_on_exec(pid: int, descriptor: str) -> bool:
    told = Path(f"/proc/{pid}/fdinfo/{descriptor}").read_text()
    flags = next(line.split()[1] for line in told.splitlines() if line.startswith("flags:"))
    return bool(int(flags, 8) & os.O_CLOEXEC)


def test_workers_share_no_random_numbers(tmp_path: Path) -> None:
    """NumPy's generator is seeded when it is imported, which may have happened before the fork."""
    program = (
        "import sys; from mpipeline.transport import fork_channel; from mpipeline.workers import fork_server\n"
        "channel = fork_channel.from_descriptor(int(sys.argv[1]))\n"
        "if fork_server.serve(channel, int(sys.argv[2]), ['numpy.random'], []) is not None:\n"
        "    import numpy; print(numpy.random.random(), file=sys.stderr)"
    )
    ours, theirs = fork_channel.pair()
    given = [str(theirs.fileno()), str(os.getpid())]
    server = subprocess.Popen([sys.executable, "-c", program, *given], pass_fds=[theirs.fileno()], cwd=tmp_path)
    theirs.close()
    assert ours.receive() == ({}, [])
    numbers = set()
    for _ in range(2):
        (lifeline, end_of_it), (reading, writing) = os.pipe(), os.pipe()
        ours.send({"arguments": [], **inheritance()}, (lifeline, writing))
        answer = ours.receive()
        assert answer is not None
        for descriptor in (lifeline, end_of_it, writing, *answer[1]):
            os.close(descriptor)
        with os.fdopen(reading) as words:
            numbers.add(words.read())
    ours.close()
    assert server.wait() == 0
    assert len(numbers) == 2


def test_it_ends_although_its_supervisor_was_gone_before_it_looked(tmp_path: Path) -> None:
    """A fork of the supervisor's program, here this one, may hold the other end of its socket."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    program = (
        "import sys; from mpipeline.transport import fork_channel; from mpipeline.workers import fork_server\n"
        "fork_server.serve(fork_channel.from_descriptor(int(sys.argv[1])), int(sys.argv[2]), [], [])"
    )
    ours, theirs = fork_channel.pair()
    given = [str(theirs.fileno()), str(gone.pid)]
    server = subprocess.Popen([sys.executable, "-c", program, *given], pass_fds=[theirs.fileno()], cwd=tmp_path)
    theirs.close()
    try:
        assert server.wait(timeout=30) == 0
    finally:
        server.kill()
        server.wait()
        ours.close()


def test_it_ends_with_its_supervisor(control: str, tmp_path: Path) -> None:
    program = (
        "import sys, time; from mpipeline.supervisor.fork_server import ForkServer\n"
        f"server = ForkServer({control!r}, []); server.start(); server._ready_channel()\n"
        "print(server._process.pid, flush=True); time.sleep(600)"
    )
    supervisor = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=tmp_path)
    assert supervisor.stdout is not None
    server = psutil.Process(int(supervisor.stdout.readline()))
    supervisor.kill()
    supervisor.wait()
    supervisor.stdout.close()
    wait_until(lambda: not server.is_running() or server.status() == psutil.STATUS_ZOMBIE, "its end")
