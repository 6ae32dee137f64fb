"""Files of records, one record a frame: which file takes it, what is in the files already, and where they go on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from mpipeline.errors import SinkError
from mpipeline.prediction import Prediction, origin
from mpipeline.sinks.appending import AppendingFile
from mpipeline.sinks.paths import OutputPaths, remove

_logger = logging.getLogger(__name__)

Origin = tuple[str, str]  # source and model
ReadBack = Callable[[Path], tuple[Mapping[Origin, int], int]]


class RecordFiles:
    """The files of the sink `name`: one for all sources, or with `{source}` in the path one for each.

    `read_back` tells of a file the last frame id of each origin in it, and how many bytes of it are whole records:
    after a crash the files themselves say what was written, so every frame is there exactly once. `by_model`: records
    bear the model's name, and each model's are counted by themselves. Each new file begins
    with `head`. A file that is renamed or removed meanwhile, as by a log rotation, is noticed within a second, and a
    new one begun in its place.
    """

    def __init__(
        self, name: str, template: str, read_back: ReadBack, head: bytes = b"", *, by_model: bool = False
    ) -> None:
        self._name = name
        self._paths = OutputPaths(template)
        self._read_back = read_back
        self._head = head
        self._by_model = by_model
        self._files: dict[Path, AppendingFile] = {}
        self._begun: set[Path] = set()  # files that this sink has opened: what is in them stays
        self._written: dict[Origin, int] = {}

    def open(self, resume: bool) -> Mapping[str, int]:
        """Makes the folder; reads what a predecessor wrote, or removes what is older. See `Sink.open`."""
        self._paths.prepare()
        for path in self._paths.existing():
            ids, end = self._read_back(path)
            ours = {each: last for each, last in ids.items() if self._paths.path(each[0]) == path}
            if ours and resume:
                self._written.update(ours)
                self._open(path, keep=end)
            elif ours and self._paths.per_source:
                remove(path)  # or a crash before this source's first frame would make it look like this run's work
        if not self._paths.per_source:
            path = self._paths.path("")
            if path not in self._files:
                self._open(path, keep=0)
        return {origin(*each): last for each, last in self._written.items()}

    def has(self, prediction: Prediction) -> bool:
        """Whether this one was written before."""
        return prediction.frame.frame_id <= self._written.get(self._origin(prediction), 0)

    def append(self, prediction: Prediction, record: bytes) -> None:
        """Writes the record of a prediction, handed to the kernel before this returns: no kill can lose it.

        SinkError if it cannot be written as a whole; then nothing of it is in the file.
        """
        self._file(prediction.frame.source).append(record)
        self._written[self._origin(prediction)] = prediction.frame.frame_id

    def _origin(self, prediction: Prediction) -> Origin:
        return prediction.frame.source, prediction.model if self._by_model else ""

    def end(self, source: str) -> None:
        """Closes the file of `source` if it has one of its own."""
        if self._paths.per_source:
            file = self._files.pop(self._paths.path(source), None)
            if file is not None:
                file.close()

    def close(self) -> None:
        """Closes all files."""
        for file in self._files.values():
            file.close()

    def _file(self, source: str) -> AppendingFile:
        """Where the records of `source` go now."""
        path = self._paths.claim(source) if self._paths.per_source else self._paths.path(source)
        file = self._files.get(path)
        if file is not None and file.has_vanished():
            text = "%s was moved or removed: going on in a new file"
            _logger.warning(text, path, extra={"event": "file_vanished", "sink": self._name, "source": source})
            self._files.pop(path).close()
            file = None
        return file if file is not None else self._open(path, keep=None if path in self._begun else 0)

    def _open(self, path: Path, keep: int | None) -> AppendingFile:
        file = AppendingFile(path, keep)
        if self._head and not file.size():
            try:
                file.append(self._head)
            except SinkError:
                file.close()
                raise
        self._files[path] = file
        self._begun.add(path)
        return file
