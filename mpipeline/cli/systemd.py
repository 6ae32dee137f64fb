"""Tells systemd how a run does, if systemd has started it: ready, well, ending. docs/deploy.md tells what follows.

The protocol is that of sd_notify(3): datagrams of lines NAME=VALUE to the socket that the environment names.
"""

from __future__ import annotations

import logging
import socket

from mpipeline.clock import NS_PER_S, Clock, SystemClock
from mpipeline.config import RunConfig
from mpipeline.config.environment import ServiceSettings, service_settings
from mpipeline.pipeline import Watch
from mpipeline.supervisor.health import Standstill, beyond_repair, health_of, troubles
from mpipeline.supervisor.status import RunStatus

logger = logging.getLogger("mpipeline.run")

_BEAT_S = 5.0  # at least so often something is said
_MORE_TIME_S = 30.0  # what is asked for while the run starts or ends; far more than the time between two beats
_LONGEST_STATUS = 4000  # characters; systemd cuts off at 16 KiB


def notifier(config: RunConfig) -> Watch | None:
    """What takes the status of a run of this config several times a second; None if systemd does not want to hear."""
    settings = service_settings()
    if not settings.address:
        return None
    spec = config.supervision
    return Notifier(settings, Standstill(spec.load_timeout + spec.inference_timeout), SystemClock())


class Notifier:
    """Says READY once every model is loaded, WATCHDOG while the run is well, STOPPING when it ends.

    Cameras that are away, sinks that wait for their server and processes that are started again are seen to by the
    supervisor: they are told in STATUS, and the run is well. It is not if a model or a sink is given up, or if no model
    has taken a frame for longer than it takes the supervisor to mend that: then only a new start can help. While a run
    starts or ends it asks for more time, so that no limit of the unit needs to know those of the config.
    """

    def __init__(self, settings: ServiceSettings, standstill: Standstill, clock: Clock) -> None:
        self._address = settings.address
        self._beat_ns = int(min(_BEAT_S, settings.watchdog_s / 2 or _BEAT_S) * NS_PER_S)
        self._standstill = standstill
        self._clock = clock
        self._next_ns = 0
        self._state = ""
        self._complaint = ""
        self._is_mute = False

    def __call__(self, status: RunStatus) -> None:
        """Takes the status, and sends something if it is time or the run is in another state than before."""
        now = self._clock.monotonic_ns()
        state = self._state_of(status)
        if state == self._state and now < self._next_ns:
            return
        lines = [f"STATUS={_summary(status)}"]
        if state != "running":
            lines.append(f"EXTEND_TIMEOUT_USEC={int(_MORE_TIME_S * 1e6)}")
        if state == "ending":
            lines.append("STOPPING=1")
        elif state == "running" and self._state != state:
            lines.append("READY=1")
        if state != "running" or self._is_well(status, now):
            lines.append("WATCHDOG=1")
        self._state, self._next_ns = state, now + self._beat_ns
        self._send("\n".join(lines))

    def _state_of(self, status: RunStatus) -> str:
        if status.phase != "running":
            return "ending"
        loading = any(one.role == "inference" and one.state in ("STARTING", "BACKOFF") for one in status.workers)
        return "starting" if loading and self._state in ("", "starting") else "running"

    def _is_well(self, status: RunStatus, now: int) -> bool:
        given_up = beyond_repair(status)
        complaint = given_up[0].text if given_up else self._standstill.look(status, now)
        if complaint and complaint != self._complaint:
            text = "systemd is not told any more that the run is well, and may start it again: %s"
            logger.error(text, complaint, extra={"event": "watchdog_withheld"})
        self._complaint = complaint
        return not complaint

    def _send(self, message: str) -> None:
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.setblocking(False)
                sender.sendto(message.encode(errors="replace"), address)
            self._is_mute = False
        except OSError as error:
            if not self._is_mute:
                fields = {"event": "systemd_unreachable"}
                logger.warning("systemd cannot be told how the run does: %s", error.strerror or error, extra=fields)
            self._is_mute = True


def _summary(status: RunStatus) -> str:
    found = troubles(status)
    flowing = sum(source.state == "STREAMING" for source in status.sources)
    counts = f"{flowing} of {len(status.sources)} sources flow, {status.frames_inferred} frames inferred"
    head = f"{status.phase}, {health_of(found).value}: {counts}"
    return " ".join("; ".join([head, *(trouble.text for trouble in found)]).split())[:_LONGEST_STATUS]
