"""The faults of a live camera: commands of the RTSP test server, and the reasons by which a run must tell them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

SILENT = ("timeout", "stalled")
BROKEN_OFF = ("end_of_stream", "unreachable", "failed", "truncated", "corrupt_data")

Commands = tuple[tuple[str, dict[str, Any]], ...]


class Callable(Protocol):
    """The test server, in this process or in another."""

    def call(self, command: str, **arguments: object) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Fault:
    """Commands that bring a fault about and take it away, and the reason codes of which one must be seen."""

    on: Commands
    off: Commands
    reasons: tuple[str, ...]

    def begin(self, server: Callable, camera: str) -> None:
        """The camera misbehaves from now on."""
        for command, arguments in self.on:
            server.call(command, camera=camera, **arguments)

    def end(self, server: Callable, camera: str) -> None:
        """The camera is well again."""
        for command, arguments in self.off:
            server.call(command, camera=camera, **arguments)


def _from_the_next_connection_on(command: str, on: dict[str, Any], off: dict[str, Any], *reasons: str) -> Fault:
    """The connection that there is gets reset."""
    return Fault(((command, on), ("drop", {})), ((command, off),), reasons)


_VIDEO = {"offers": "video", "sends": "video"}
_ONLY_SOUND = {"offers": "audio", "sends": "audio"}

FAULTS = {
    "reset": Fault((("drop", {}),), (), BROKEN_OFF),
    "closed": Fault((("close", {}),), (), BROKEN_OFF),
    "silent": Fault((("stall", {"seconds": 600}),), (("stall", {"seconds": 0}),), SILENT),
    "silent_from_start": _from_the_next_connection_on("stall", {"seconds": 600}, {"seconds": 0}, *SILENT),
    "mute": _from_the_next_connection_on("mute", {"on": 1}, {"on": 0}, "timeout"),
    "hangs_at_describe": _from_the_next_connection_on("hang", {"request": "DESCRIBE"}, {"request": ""}, "timeout"),
    "hangs_at_play": _from_the_next_connection_on("hang", {"request": "PLAY"}, {"request": ""}, "timeout"),
    "refuses": _from_the_next_connection_on("refuse", {"on": 1}, {"on": 0}, "unreachable"),
    "refuses_password": _from_the_next_connection_on(
        "password", {"value": "another"}, {"value": "right"}, "auth_failed"
    ),
    "unknown_path": _from_the_next_connection_on("status", {"code": 404}, {"code": 0}, "not_found"),
    "server_error": _from_the_next_connection_on("status", {"code": 503}, {"code": 0}, "server_error"),
    "offers_sound_only": _from_the_next_connection_on("tracks", _ONLY_SOUND, _VIDEO, "no_video"),
    "sends_sound_only": Fault(
        (("tracks", {"offers": "video,audio", "sends": "audio"}),),
        (("tracks", {"offers": "video,audio", "sends": "video,audio"}),),
        SILENT,
    ),
    "no_key_frames": _from_the_next_connection_on("keys", {"on": 0}, {"on": 1}, "no_key_frame"),
    "trickles": Fault((("trickle", {"bytes": 40}),), (("trickle", {"bytes": 0}),), SILENT),
}

DISTURBANCES = {  # which a stream may survive without being lost
    "junk": Fault((("flood", {"packets": 30}),), (("flood", {"packets": 0}),), ()),
    "flipped_bits": Fault((("set", {"corrupt": 0.5}),), (("set", {"corrupt": 0}),), ()),
    "jumps_forward": Fault((("jump", {"seconds": 3600}),), (), ()),
    "jumps_back": Fault((("jump", {"seconds": -3600}),), (), ()),
}
