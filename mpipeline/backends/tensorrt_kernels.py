"""What TensorRT-RTX compiles of an engine when it is loaded and executed, kept for the next start.

Its engines are for many GPUs, and finished on the one that is there, which takes seconds. TensorRT has finished its own
when it builds them. Used by the GPU's thread alone.
"""

from __future__ import annotations

import logging
from typing import Any

from mpipeline.backends.engines.engine_file import LearntFile
from mpipeline.backends.engines.library import Messages

logger = logging.getLogger("mpipeline.inference")


class Kernels:
    """The compiled kernels of one engine, which all of its execution contexts share; `file` None: they are not kept.

    `messages` is what the library says. Whatever fails here costs time at the next start, and is no error.
    """

    def __init__(self, file: LearntFile | None, messages: Messages) -> None:
        self._file = file
        self._messages = messages
        self._cache: Any = None
        self._known = b""  # what the file holds, as far as it is of use

    def use_in(self, config: Any) -> None:
        """Gives them to a context that is to be made with this config, at first those of earlier runs."""
        if self._file is None:
            return
        if self._cache is None:
            self._cache = config.create_runtime_cache()
            if self._cache is None:
                return
            self._load(self._file)
        config.set_runtime_cache(self._cache)

    def keep(self) -> None:
        """Writes them to the file, if there are others than before."""
        if self._cache is None or self._file is None:
            return
        compiled = self._cache.serialize()
        content = bytes(compiled) if compiled is not None else b""
        if not content or content == self._known:
            return
        self._known = content  # one that is not written now is tried again when there is more
        try:
            self._file.keep(content)
        except OSError as error:
            text = "what was compiled of the engine is not kept, so the next start compiles it again: %s"
            why = str(error)  # whoever holds the record would hold the error, and with its frames a context
            logger.warning(text, why, extra={"event": "kernels_not_kept"})

    def free(self) -> None:
        """Keeps them, and lets go of them: before the engine, and after its contexts."""
        self.keep()
        self._cache = None

    def _load(self, file: LearntFile) -> None:
        content = file.load()
        if not content:
            return
        if self._cache.deserialize(content):
            self._known = content
            return
        text = "what was compiled of the engine is of another GPU, driver or version, and is compiled anew: %s"
        logger.info(text, self._messages.why(), extra={"event": "kernels_refused"})
