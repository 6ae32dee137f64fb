"""The supervisor's loop: starts the workers of a plan, listens, restarts what died, and ends the run in order.

It enforces the plan and knows no kind. One thread runs it; `stop` may be called from a signal handler or another
thread.
"""

from __future__ import annotations

import errno
import logging
import os
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path

from mpipeline.clock import NS_PER_S, Clock, SystemClock
from mpipeline.errors import EXIT_DONE, EXIT_FAILED, EXIT_TEMPORARY, MpipelineError
from mpipeline.messages import Drain, PlayMode, Role
from mpipeline.ring.segment import check_capacity, sweep
from mpipeline.supervisor import descriptors, outcome
from mpipeline.supervisor.child import Child, ProcessState
from mpipeline.supervisor.fork_server import ForkServer, fork_server
from mpipeline.supervisor.guard import Guard
from mpipeline.supervisor.hearing import Hearing
from mpipeline.supervisor.launch import Launch, has_ended, launch_process
from mpipeline.supervisor.membership import Membership
from mpipeline.supervisor.plan import Plan, WorkerPlan
from mpipeline.supervisor.playback import Playback
from mpipeline.supervisor.premises import Premises
from mpipeline.supervisor.restart import Done, Fatal, Restart, RestartPolicy
from mpipeline.supervisor.shutdown import Phase, Shutdown
from mpipeline.supervisor.status import RunStatus, describe
from mpipeline.transport import channel, run_directory

logger = logging.getLogger("mpipeline.supervisor")

_TICK_S = 0.1
_WATCH_NS = NS_PER_S // 4
_SHORTAGES = (errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOMEM)  # of processes, open files or memory


class Supervisor:
    """Runs one plan: `start()`, then `step()` until it returns False, then `close()`; or all of it by `run()`.

    `launches`: worker → how it is started, for those that are no processes of their own. What fails there is code of
    the calling program, so they are not started again.
    """

    def __init__(
        self,
        plan: Plan,
        root: Path,
        log_level: str = "info",
        clock: Clock | None = None,
        *,
        resume: bool = False,
        launches: Mapping[str, Launch] | None = None,
    ) -> None:
        self.plan = plan
        self._resume = resume
        self._launches = launches or {}
        self._root = root
        self._log_level = log_level
        self._clock = clock if clock is not None else SystemClock()
        self._children: dict[str, Child] = {}
        self._talking: set[str] = set()  # children whose standard error is still open
        self._playback = Playback(self._children)
        self._stop_calls = 0
        self._directory: run_directory.RunDirectory | None = None
        self._fork_server: ForkServer | None = None

    def start(self) -> None:
        """Claims the run's name, sweeps what dead runs left, checks memory, starts the workers.

        Raises RunExists, SharedMemoryFull or ConfigError; then nothing is left behind.
        """
        swept = sweep() + run_directory.sweep(self._root)
        if swept:
            logger.info("removed what dead runs left behind: %s", ", ".join(swept), extra={"event": "swept"})
        check_capacity(self.plan.known_ring_bytes)
        descriptors.reserve(len(self.plan.workers))
        self._directory = run_directory.RunDirectory(self._root, self.plan.config.name, len(self.plan.models))
        try:
            self._open(self._directory)
        except BaseException:
            self._abandon()
            raise

    def _open(self, directory: run_directory.RunDirectory) -> None:
        endpoints = directory.endpoints
        self._fork_server = fork_server(self.plan, endpoints.control, self._launches)
        self._context = channel.context()
        self._control = channel.Router(self._context, endpoints.control)
        self._premises = Premises(directory, self._control)
        self._poller = channel.Poller()
        self._poller.add(self._control)
        run_id = uuid.uuid4().hex[:12]
        self._members = Membership(
            self.plan, self._children, endpoints, run_id, self._control.send, resume=self._resume
        )
        self._hearing = Hearing(self._control, self._members, self._children, self._clock, self.status)
        limits = self.plan.config.limits
        self._shutdown = Shutdown(limits.stop_timeout, self._children, self._drain, self._members.farewell)
        self._guard = Guard(self.plan.config.supervision, self._members.owes)
        # No worker gets the write end: it closes when this process ends, however it ends.
        self._lifeline = descriptors.pipe()
        now = self._clock.monotonic_ns()
        for worker in self.plan.workers:
            self._children[worker.name] = child = self._child(worker, endpoints)
            self._spawn(child, now)

    def _child(self, worker: WorkerPlan, endpoints: run_directory.Endpoints) -> Child:
        launch, spec = self._launches.get(worker.name), self.plan.config.supervision
        is_hosted = launch is not None
        if launch is None:
            launch = self._fork_server.launch if self._fork_server is not None else launch_process
        else:
            spec = spec.model_copy(update={"max_restarts": 0})
        policy = RestartPolicy(spec)
        return Child(worker, policy, endpoints.control, self._log_level, launch, is_hosted=is_hosted)

    def _abandon(self) -> None:
        """Ends what a start that failed half-way has started, and gives the name free."""
        self._end_children()
        if self._fork_server is not None:
            self._fork_server.close()
        if self._directory is not None:
            self._directory.close()
            self._directory = None

    def step(self, timeout_s: float = _TICK_S) -> bool:
        """Waits for news and acts on it; False when the run is over."""
        self._poller.wait(timeout_s)
        self._hearing.listen()
        now = self._clock.monotonic_ns()
        for child in self._children.values():
            self._attend(child, now)
        for attachment in self._members.attachments.present():
            if has_ended(attachment.pidfd):
                self._members.detach(attachment)
        self._members.serve(now)
        self._premises.look(now)
        self._playback.serve(self._control.send)
        self._shutdown.advance(now, self._stop_calls)
        return self._shutdown.phase is not Phase.OVER

    def run(self, watch: Callable[[RunStatus], None] | None = None) -> int:
        """Start, work, end. `watch` is called a few times a second. Returns the run's exit code."""
        self.start()
        watch_ns = 0
        try:
            while self.step():
                if watch is not None and self._clock.monotonic_ns() >= watch_ns:
                    watch_ns = self._clock.monotonic_ns() + _WATCH_NS
                    watch(self.status())
            if watch is not None:
                watch(self.status())
        finally:
            self.close()
        return self.exit_code()

    def stop(self) -> None:
        """First call: drain, then end. Second call: end now."""
        self._stop_calls += 1

    def play(self, source: str, mode: PlayMode) -> None:
        """What the decoder of `source` does from now on, also after a restart. For any thread, at any time."""
        self._playback.ask(source, mode)

    def close(self) -> None:
        """Kills what still runs, removes segments, sockets and the run directory; harmless when repeated."""
        if self._directory is None:
            return
        self._end_children()
        self._members.close()
        self._control.close()
        self._context.term()
        for descriptor in self._lifeline:
            os.close(descriptor)
        self._abandon()

    def exit_code(self) -> int:
        """0 if all went well; see `outcome.exit_code`."""
        return outcome.exit_code(self._children.values(), self._shutdown.cut_short)

    def status(self) -> RunStatus:
        """The run as it stands, once it was started."""
        if not self._children:
            raise MpipelineError("a run has a status once it was started")
        phase = self._shutdown.phase.value
        now, attached = self._clock.monotonic_ns(), self._members.attachments.present()
        usage = {child.name: self._guard.usage.of(child.pid) for child in self._children.values()}
        return describe(self.plan, phase, self._children, self._members.streams, attached, now, usage)

    def _end_children(self) -> None:
        alive = [child for child in self._children.values() if child.is_alive]
        for child in alive:
            child.kill()
        for child in alive:
            child.reap()

    def _drain(self, child: Child) -> None:
        self._control.send(child.identity, Drain())

    # --- workers ------------------------------------------------------------------------------------------------

    def _spawn(self, child: Child, now: int) -> None:
        try:
            child.spawn(self._lifeline[0], now)
        except OSError as error:
            self._could_not_spawn(child, error, now)
            return
        self._poller.add(child.pidfd)
        if child.stderr_fd >= 0:
            self._poller.add(child.stderr_fd)
            self._talking.add(child.name)

    def _could_not_spawn(self, child: Child, error: OSError, now: int) -> None:
        """What the machine lacks just now, it may have later; a worker that has been at work is tried for ever."""
        fields = {"event": "spawn_failed", "worker": child.name}
        lacks = error.errno in _SHORTAGES
        if not lacks or not child.ready_ns:
            logger.error("cannot start %s: %s", child.name, error.strerror, extra=fields)
            child.tail.append(f"it could not be started: {error.strerror}")
            self._decide(child, EXIT_TEMPORARY if lacks else EXIT_FAILED, 0, now)
            return
        delay_s = child.policy.postpone().delay_s
        child.state, child.due_ns = ProcessState.BACKOFF, now + int(delay_s * NS_PER_S)
        child.failure = f"could not be started: {error.strerror}"
        logger.error("%s %s; trying again in %.1f s", child.name, child.failure, delay_s, extra=fields)

    def _attend(self, child: Child, now: int) -> None:
        """Looks after one worker: its log, its end, its health, its restart."""
        if not child.is_alive:
            if child.state is ProcessState.BACKOFF and now >= child.due_ns:
                self._spawn(child, now)
            return
        if child.name in self._talking and not child.read_stderr():
            self._hush(child)
        if has_ended(child.pidfd):
            self._bury(child, now)
            return
        # A sink may complete a film for long once it was told to finish; inference then works off what waits for it.
        finishes = child.plan.role is not Role.INFERENCE and self._shutdown.has_asked(child)
        at_work = child.ready is not None and not finishes
        self._guard.look(child, at_work, now)

    def _hush(self, child: Child) -> None:
        """Its standard error is closed: it must not wake the poller any more."""
        if child.name in self._talking:
            self._talking.discard(child.name)
            self._poller.remove(child.stderr_fd)

    def _bury(self, child: Child, now: int) -> None:
        self._poller.remove(child.pidfd)
        self._hush(child)
        self._guard.forget(child)
        self._hearing.last_words(child, patient=child.is_hosted and not self._stop_calls)
        ran = now - child.ready_ns if child.ready is not None else 0
        code = child.reap()
        # Without them, an exit with 0 is none of a worker that has finished.
        self._hearing.last_words(child, patient=code == EXIT_DONE and not child.is_hosted)
        self._decide(child, code, ran, now)

    def _decide(self, child: Child, code: int, ran_ns: int, now: int) -> None:
        child.exit_code = code
        if code == EXIT_DONE and not self._shutdown.has_finished(child):
            code = EXIT_TEMPORARY  # code in it may have ended the process, as by os._exit(0)
        decision = child.policy.on_exit(code, ran_ns, now)
        if isinstance(decision, Fatal) and self._members.lacks_memory(child):
            decision = child.policy.postpone(long=True)  # other sources may end, or shrink
        if isinstance(decision, Restart) and child.has_refused_to_open:
            decision = Fatal("it cannot be opened")
        if isinstance(decision, Restart) and self._shutdown.abandons(child):
            decision = Done()
        is_sink = child.plan.role is Role.SINK
        if isinstance(decision, Restart) and is_sink and self._shutdown.cannot_finish(child):
            decision = Fatal("it could not finish its work")  # inference is over: nobody would send it again
        if isinstance(decision, Restart):
            child.state = ProcessState.BACKOFF
            child.due_ns = now + int(decision.delay_s * NS_PER_S)
            child.failure = child.describe_exit()
            self._members.interrupted(child)
            fields = {"event": "worker_restart", "worker": child.name}
            if reason := child.why():
                fields["reason"] = reason
            text = "%s %s; starting it again in %.1f s"
            logger.warning(text, child.name, child.failure, decision.delay_s, extra=fields)
            return
        if isinstance(decision, Fatal):
            child.state = ProcessState.FATAL
            child.failure = f"{decision.reason}: it {child.describe_exit()}"
            fields = {"event": "worker_fatal", "worker": child.name}
            told = child.bye is not None and child.bye.detail  # the worker has logged the reason itself
            logger.error("%s is given up, %s", child.name, decision.reason if told else child.failure, extra=fields)
        else:
            child.state = ProcessState.EXITED
        self._members.farewell(child)
