"""Listens to FFmpeg's log: counts errors and lost packets, and keeps all of it off the terminal."""

from __future__ import annotations

import logging

from mpipeline.credentials import redact

_FFMPEG_LOGGER = "libav"  # PyAV passes FFmpeg's lines on to loggers below this one
_LOSS = "RTP: missed"  # a warning; FFmpeg marks the pictures that it costs in no other way


class FFmpegLog:
    """What FFmpeg has logged in this process since the first source was opened.

    The counts are per process: with several sources in one process one sees its neighbours' errors too.
    """

    def __init__(self) -> None:
        logger = logging.getLogger(_FFMPEG_LOGGER)
        listening = [handler for handler in logger.handlers if isinstance(handler, _Listener)]
        self._listener = listening[0] if listening else _listen(logger)

    @property
    def errors(self) -> int:
        """Lines of level error and worse."""
        return self._listener.errors

    @property
    def losses(self) -> int:
        """Times that packets of an RTP stream were missing."""
        return self._listener.losses

    @property
    def last(self) -> str:
        """The last error as `[part of FFmpeg] text`, redacted; empty if there was none."""
        return self._listener.last


class _Listener(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.errors = 0
        self.losses = 0
        self.last = ""

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.ERROR:
            self.errors += 1
            self.last = redact(f"[{record.name.partition('.')[2]}] {record.getMessage()}")
        elif record.getMessage().startswith(_LOSS):
            self.losses += 1


def _listen(logger: logging.Logger) -> _Listener:
    import av

    listener = _Listener()
    logger.addHandler(listener)
    logger.setLevel(logging.WARNING)
    logger.propagate = False
    av.logging.set_skip_repeated(False)  # ten equal errors are ten errors
    av.logging.set_level(av.logging.WARNING)
    return listener
