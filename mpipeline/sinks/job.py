"""The name under which a sink keeps on a server what it needs to go on after a crash."""

from __future__ import annotations

import socket


def job_name(given: str | None, pipeline: str, sink: str) -> str:
    """`given` by the config; else machine, pipeline and sink, which no other sink that is alive has together."""
    return given if given is not None else f"{socket.gethostname()}/{pipeline}/{sink}"
