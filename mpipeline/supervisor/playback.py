"""What each decoder is to do with its source: asked for by any thread, told by the supervisor's."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mpipeline.messages import Message, Play, PlayMode
from mpipeline.supervisor.child import Child
from mpipeline.supervisor.plan import decoder_name


class Playback:
    """Remembers the mode of each source, so that a decoder that was started again hears of it too."""

    def __init__(self, children: Mapping[str, Child]) -> None:
        self._children = children
        self._modes: dict[str, PlayMode] = {}
        self._told: dict[str, tuple[str, PlayMode]] = {}  # decoder → its incarnation, and what that was told

    def ask(self, source: str, mode: PlayMode) -> None:
        """From now on; may be called by any thread."""
        self._modes[decoder_name(source)] = mode

    def serve(self, send: Callable[[str, Message], object]) -> None:
        """Tells those that do not know yet and can hear it."""
        for name, mode in list(self._modes.items()):
            child = self._children[name]
            if not child.is_alive or child.ready is None:
                continue
            known, told = self._told.get(name, ("", PlayMode.PLAY))
            if mode is not (told if known == child.identity else PlayMode.PLAY):
                send(child.identity, Play(mode))
                self._told[name] = (child.identity, mode)
