"""What systemd hears of a run, and when it hears nothing more."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.notified import Notified

from mpipeline.cli.systemd import Notifier, notifier
from mpipeline.clock import ManualClock
from mpipeline.config import RunConfig
from mpipeline.config.environment import ServiceSettings, service_settings
from mpipeline.supervisor.health import Standstill
from mpipeline.supervisor.status import RunStatus, SourceStatus, WorkerStatus

PATIENCE_S = 300.0
GATE = SourceStatus("gate", "STREAMING", frames=10, inferred=10)
CONFIG = {"sources": [{"kind": "synthetic"}], "model": {"target": "m:Model"}}


def worker(state: str, name: str = "inference", role: str = "inference") -> WorkerStatus:
    return WorkerStatus(name, role, state, 1, 0, 0, "it crashes again and again" if state == "FATAL" else "")


def status(*workers: WorkerStatus, phase: str = "running", gate: SourceStatus = GATE) -> RunStatus:
    return RunStatus("cameras", phase, (gate,), workers or (worker("RUNNING"),), {})


class Bench:
    """A notifier with a clock of its own, before a real socket."""

    def __init__(self, address: str, watchdog_s: float = 8.0) -> None:
        self.systemd = Notified(address)
        self.clock = ManualClock()
        settings = ServiceSettings(address, watchdog_s)
        self._notifier = Notifier(settings, Standstill(PATIENCE_S), self.clock)

    def say(self, told: RunStatus, after: float = 5.0) -> list[dict[str, str]]:
        self.clock.advance(after)
        self._notifier(told)
        return self.systemd.take()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(str(tmp_path / "notify"))
    with made.systemd:
        yield made


def test_a_run_is_ready_when_its_models_are_loaded(bench: Bench) -> None:
    for state in ("STARTING", "BACKOFF"):
        (told,) = bench.say(status(worker("RUNNING", "inference:a"), worker(state, "inference:b")))
        assert "READY" not in told
        assert int(told["EXTEND_TIMEOUT_USEC"]) == 30_000_000
    (told,) = bench.say(status(worker("RUNNING"), worker("STARTING", "sink:out", "sink")))
    assert (told["READY"], told["WATCHDOG"]) == ("1", "1")
    assert "EXTEND_TIMEOUT_USEC" not in told
    (told,) = bench.say(status(worker("STARTING")))
    assert "READY" not in told
    assert "EXTEND_TIMEOUT_USEC" not in told, "that would put off the watchdog"


def test_a_run_that_is_being_seen_to_is_well(bench: Bench) -> None:
    away = replace(GATE, state="RECONNECTING", reason="unreachable", detail="no connection to\nthe camera")
    gone = replace(GATE, state="FAILED", reason="not_found")
    for told in (status(), status(gate=away), status(gate=gone), status(worker("BACKOFF"))):
        assert bench.say(told)[0]["WATCHDOG"] == "1"
    (said,) = bench.say(status(gate=away))
    assert said["STATUS"] == (
        "running, degraded: 0 of 1 sources flow, 10 frames inferred; "
        "source gate is RECONNECTING (unreachable): no connection to the camera"
    )


@pytest.mark.parametrize("role", ["inference", "sink"])
def test_a_run_of_which_a_part_is_given_up_is_not(bench: Bench, role: str, caplog: pytest.LogCaptureFixture) -> None:
    bench.say(status())
    broken = status(worker("RUNNING"), worker("FATAL", f"{role}:b", role))
    assert "WATCHDOG" not in bench.say(broken)[0]
    assert "WATCHDOG" not in bench.say(broken)[0]
    (record,) = [one for one in caplog.records if one.levelname == "ERROR"]
    assert record.event == "watchdog_withheld"  # type: ignore[attr-defined]
    assert f"{role}:b is FATAL: it crashes again and again" in record.getMessage()


def test_a_decoder_that_is_given_up_costs_the_others_no_new_start(bench: Bench) -> None:
    told = status(worker("RUNNING"), worker("FATAL", "decoder:gate", "decoder"), gate=replace(GATE, state="FAILED"))
    assert "WATCHDOG" in bench.say(told)[0]


def test_a_model_that_takes_no_frame_for_long_makes_it_unwell(bench: Bench) -> None:
    frames = 10
    said = []
    for _ in range(70):
        frames += 50
        (told,) = bench.say(status(gate=replace(GATE, frames=frames)))
        said.append("WATCHDOG" in told)
    assert said[:60] == [True] * 60
    assert said[62:] == [False] * 8
    assert "WATCHDOG" in bench.say(status(gate=replace(GATE, frames=frames + 50, inferred=11)))[0]


def test_a_camera_that_was_away_for_hours_is_no_standstill(bench: Bench) -> None:
    for _ in range(3):
        assert "WATCHDOG" in bench.say(status(gate=replace(GATE, state="RECONNECTING")), after=3600)[0]
    assert "WATCHDOG" in bench.say(status(gate=replace(GATE, frames=11)))[0]


def test_it_says_so_twice_in_the_time_that_it_has(bench: Bench) -> None:
    bench.say(status())
    assert not bench.say(status(), after=3.9)
    assert bench.say(status(), after=0.2)


def test_the_end_is_told_at_once_and_asks_for_time(bench: Bench) -> None:
    bench.say(status())
    (told,) = bench.say(status(worker("FATAL"), phase="draining sinks"), after=0.1)
    assert (told["STOPPING"], told["WATCHDOG"], told["EXTEND_TIMEOUT_USEC"]) == ("1", "1", "30000000")


def test_a_socket_without_a_path() -> None:
    made = Bench(f"@mpipeline-{os.getpid()}", watchdog_s=0)
    with made.systemd:
        assert made.say(status())[0]["READY"] == "1"


def test_a_socket_that_is_gone_is_told_once_and_costs_nothing(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    Path(bench.systemd.address).unlink()
    for _ in range(3):
        bench.say(status())
    (record,) = caplog.records
    assert "systemd cannot be told how the run does: No such file or directory" in record.getMessage()


@pytest.mark.parametrize(
    ("environment", "period"),
    [
        ({}, 0.0),
        ({"WATCHDOG_USEC": "60000000"}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}, 0.0),
        ({"WATCHDOG_USEC": "soon"}, 0.0),
    ],
)
def test_what_systemd_asks_for(environment: dict[str, str], period: float, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WATCHDOG_USEC", "WATCHDOG_PID", "NOTIFY_SOCKET"):
        monkeypatch.delenv(name, raising=False)
    assert notifier(RunConfig.from_mapping(CONFIG)) is None
    for name, value in {**environment, "NOTIFY_SOCKET": "/run/notify"}.items():
        monkeypatch.setenv(name, value)
    assert service_settings() == ServiceSettings("/run/notify", period)
    assert notifier(RunConfig.from_mapping(CONFIG)) is not None
