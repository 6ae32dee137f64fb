"""Which files a playlist is of: what its options say, and what an .m3u file lists."""

from __future__ import annotations

import os
import re

from pydantic import Field, ValidationError, field_validator, model_validator

from mpipeline.credentials import redact_address
from mpipeline.errors import Reason, SourceError
from mpipeline.sources.video_open import DecodingOptions, VideoOptions

_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://")
_NAMED = 3  # how many names a sentence holds


class PlaylistOptions(DecodingOptions):
    """Options of a `playlist` source: its files, and how each of them is decoded."""

    uri: str | None = Field(None, min_length=1, description="a list of files, .m3u or .m3u8: a path or address a line")
    uris: tuple[str, ...] = Field((), description="the files themselves, in place of a list")

    @field_validator("uri")
    @classmethod
    def _without_home(cls, uri: str | None) -> str | None:
        return None if uri is None else os.path.expanduser(uri)

    @model_validator(mode="after")
    def _names_files(self) -> PlaylistOptions:
        if (self.uri is None) == (not self.uris):
            raise ValueError("give either uri, the file of a list, or uris, the files themselves")
        for uri in self.uris:
            if self.video(uri).is_live_scheme:
                raise ValueError(f"a playlist is of files, and {redact_address(uri)} is a live stream")
        return self

    @property
    def is_on_disk(self) -> bool:
        """Whether a look before the start costs nothing, because all files lie here."""
        try:
            files = self.uris if self.uri is None else _entries(self.uri)
        except OSError:  # which the look tells
            return True
        return not any(_SCHEME.match(file) and not file.lower().startswith("file:") for file in files)

    def video(self, uri: str) -> VideoOptions:
        """The options of one file. Raises ValidationError if it cannot be one."""
        return VideoOptions.model_validate(
            {"uri": uri, "threads": self.threads, "decode": self.decode, "hardware": self.hardware}
        )


def files_of(name: str, options: PlaylistOptions) -> list[str]:
    """The files of the playlist source of that name, in order. Raises SourceError, naming each that is not there."""
    listed = options.uri
    try:
        files = list(options.uris) if listed is None else _entries(listed)
    except OSError as error:
        reason = Reason.PERMISSION_DENIED if isinstance(error, PermissionError) else Reason.NOT_FOUND
        raise playlist_error(name, f"cannot open {listed}: {error.strerror}", reason) from error
    if not files:
        raise playlist_error(name, f"{listed} lists no file", Reason.NOT_A_VIDEO)
    try:
        videos = [options.video(file) for file in files]
    except ValidationError as error:
        text = f"{listed} lists what cannot be read: {error.errors()[0]['msg']}"
        raise playlist_error(name, text, Reason.NOT_A_VIDEO) from error
    missing = [video.path for video in videos if video.is_local and not os.path.exists(video.path)]
    if missing:
        where = f"{listed} lists what is not there" if listed is not None else "no such file"
        raise playlist_error(name, f"{where}: {enumerated(missing)}", Reason.NOT_FOUND)
    return files


def playlist_error(name: str, text: str, reason: Reason) -> SourceError:
    """What is wrong with a list stays wrong."""
    return SourceError(f"source {name!r}: {text}", reason, retryable=False)


def enumerated(files: list[str]) -> str:
    """The first few names and how many more there are."""
    return ", ".join(files[:_NAMED]) + (f" and {len(files) - _NAMED} more" if len(files) > _NAMED else "")


def _entries(path: str) -> list[str]:
    """The entries of an .m3u file, paths relative to its folder; lines that begin with # are none."""
    with open(path, encoding="utf-8-sig", errors="surrogateescape") as file:
        lines = [line.strip() for line in file]
    named = [line for line in lines if line and not line.startswith("#")]
    folder = os.path.dirname(path)
    return [line if _SCHEME.match(line) else os.path.join(folder, os.path.expanduser(line)) for line in named]
