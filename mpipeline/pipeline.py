"""`Pipeline`: a whole run for programs. Plan, supervisor, progress and the exit code."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from mpipeline import registry
from mpipeline.config import RunConfig
from mpipeline.config.environment import run_root
from mpipeline.config.schema import SourceSpec
from mpipeline.errors import ConfigError, SourceError
from mpipeline.messages import PlayMode
from mpipeline.models.onnx_file import check_if_onnx
from mpipeline.models.package import WEIGHTS
from mpipeline.sources.source import StreamInfo
from mpipeline.store.resolve import located
from mpipeline.supervisor.launch import Order
from mpipeline.supervisor.plan import Plan, make_plan
from mpipeline.supervisor.status import RunStatus
from mpipeline.supervisor.supervisor import Supervisor
from mpipeline.workers.hosted import HostedWorker
from mpipeline.workers.runtime import MakeWorker, Runtime

logger = logging.getLogger("mpipeline")

Watch = Callable[[RunStatus], None]


class Pipeline:
    """Runs a config: `Pipeline(load_config(path)).run()`. One object runs once.

    The calling process is the supervisor: it starts the workers, restarts what dies, and owns the shared memory.
    When it ends, however it ends, its workers end too.

    With `resume` it goes on where an earlier run of the same config broke off, killed or not: each sink keeps what it
    has, and each file begins behind what every sink has that must have all of it. Without, older output is replaced.

    Models that the config names by an id are looked up here, and fetched if they are not on this machine.

    `hosted`: the name of a worker in the plan → what makes its loop. Such a worker runs in a thread of this program
    instead of a process. It is never ended for taking long or for using much, and not started again when it fails.
    """

    def __init__(
        self,
        config: RunConfig,
        log_level: str = "info",
        *,
        resume: bool = False,
        hosted: Mapping[str, MakeWorker] | None = None,
    ) -> None:
        config = config.with_models(located)
        self.plan, self.unreadable = look_and_plan(config)
        launches = {name: partial(_host, make) for name, make in (hosted or {}).items()}
        if unknown := set(launches) - {worker.name for worker in self.plan.workers}:
            raise ConfigError(f"no worker of this run can be hosted by the name of {', '.join(sorted(unknown))}")
        root = config.run_dir if config.run_dir is not None else run_root()
        self._supervisor = Supervisor(self.plan, Path(root), log_level, resume=resume, launches=launches)

    def run(self, watch: Watch | None = None) -> int:
        """Blocks until every source has ended or `stop` was called; returns the exit code (0: everything went well).

        `watch` is called several times a second with the run's status.
        """
        return self._supervisor.run(watch)

    def stop(self) -> None:
        """Ends the run: the first call lets it finish what is in flight, a second ends it at once.

        May be called from another thread, from a signal handler, and from `watch`.
        """
        self._supervisor.stop()

    def play(self, source: str, mode: PlayMode) -> None:
        """Pauses, mutes or resumes a source: its decoder does not read, or publishes nothing, until told otherwise.

        May be called from any thread, before and while the run lasts.
        """
        if source not in {spec.name for spec in self.plan.config.sources}:
            raise ConfigError(f"there is no source {source!r} in this run")
        self._supervisor.play(source, mode)

    def status(self) -> RunStatus:
        """The run as it stands."""
        return self._supervisor.status()


def _host(make: MakeWorker, order: Order) -> HostedWorker:
    worker = order.plan
    runtime = Runtime(
        worker.role.value, worker.name, order.incarnation, order.control, None, order.log_level, hosted=True
    )
    return HostedWorker(runtime, make)


def look_and_plan(config: RunConfig) -> tuple[Plan, dict[str, SourceError]]:
    """The plan with the true sizes of local files, and the sources that cannot be opened.

    Raises ModelError if a model file is not whole: then no worker has replaced what an earlier run has written.
    """
    for model in config.every_model().values():
        if model.target is None and model.path is not None:
            check_if_onnx(model.path / WEIGHTS if model.path.is_dir() else model.path)
    known: dict[str, StreamInfo] = {}
    unreadable: dict[str, SourceError] = {}
    for source in config.sources:
        if source.expected_size() is None and _is_file(source):
            opened = registry.load("sources", source.kind)(source.name, source.options)
            try:
                known[source.name] = opened.open()
            except SourceError as error:
                unreadable[source.name] = error
            finally:
                opened.close()
    return make_plan(config, known), unreadable


def _is_file(source: SourceSpec) -> bool:
    """Whether opening it costs nothing: no network, no camera with a single connection, no pipe to be emptied."""
    is_on_disk: bool | None = getattr(source.options, "is_on_disk", None)
    if is_on_disk is not None:
        return is_on_disk
    uri = getattr(source.options, "uri", None)
    return isinstance(uri, str) and os.path.isfile(uri)
