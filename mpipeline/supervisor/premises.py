"""Keeps what a run has in its run directory: whoever clears that up must not cut the run off from its workers."""

from __future__ import annotations

import logging

from mpipeline.clock import NS_PER_S
from mpipeline.errors import MpipelineError
from mpipeline.transport.channel import Channel
from mpipeline.transport.run_directory import RunDirectory

logger = logging.getLogger("mpipeline.supervisor")

_LOOK_NS = NS_PER_S


class Premises:
    """Makes lock, folder and the control socket again when they were removed; inference sees to its own sockets.

    Workers that are connected go on without them, but those that are started need them. A session's end may empty
    $XDG_RUNTIME_DIR, a janitor /tmp.
    """

    def __init__(self, directory: RunDirectory, control: Channel) -> None:
        self._directory = directory
        self._control = control
        self._next_ns = 0
        self._told = ""

    def look(self, now_ns: int) -> None:
        """Looks whether everything is there, once a second."""
        if now_ns < self._next_ns:
            return
        self._next_ns = now_ns + _LOOK_NS
        fields = {"event": "run_directory_vanished"}
        folder = self._directory.folder
        try:
            restored = self._directory.restore()
            if self._control.keep_bound() or restored:
                logger.warning("the run directory %s was removed, or parts of it: made again", folder, extra=fields)
            self._told = ""
        except MpipelineError as error:
            if str(error) != self._told:
                text = "the run directory %s was removed: workers that die cannot come back: %s"
                logger.error(text, folder, error, extra=fields)
            self._told = str(error)
