"""The options of a `gstreamer` source, and what can be told of its pipeline from the text alone."""

from __future__ import annotations

import re
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field, field_validator

from mpipeline.credentials import HIDDEN, passwords, redact

_FINITE = re.compile(r"\b(?:multi|split)?filesrc\b|\bvideotestsrc\b|\b(?:file|https?)://", re.IGNORECASE)
_LIVE = re.compile(r"\bis-live\s*=\s*(?:true|1|yes)\b", re.IGNORECASE)
_NETWORK = re.compile(
    r"\b(?:rtsp|rtmp|souphttp|curlhttp|srt|tcp|udp|rist|ndi|whep|webrtc)\w*src\b|\b(?!file:)[a-z][a-z0-9+.-]*://",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://[^\s\"']+")
_SECRET = re.compile(
    r"[\w:-]*(?:pw|passw(?:or)?d|passwd|passphrase|secret|token|\bkey)\s*=\s*(?:\(\w+\)\s*)?"
    r"(?:\"(?P<double>(?:[^\"\\]|\\.)*)\"|'(?P<single>[^']*)'|(?P<bare>[^\s\"']\S*))",
    re.IGNORECASE,
)
_FORMATS = {"bgr24": r"\bformat\s*=\s*(?:\(\w+\)\s*)?BGR\b", "gray8": r"\bformat\s*=\s*(?:\(\w+\)\s*)?GRAY8\b"}


class GStreamerOptions(BaseModel):
    """Options of a `gstreamer` source. Times are seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    reads_files: ClassVar[bool] = False  # whether its files are there, GStreamer tells

    gstreamer: str = Field(
        min_length=1, description="a pipeline as gst-launch-1.0 takes it; without an appsink one is put at its end"
    )
    live: bool | None = Field(
        None, description="whether frames come at their own pace, as from a camera; by default the pipeline is asked"
    )
    connect_timeout: float = Field(15.0, gt=0, le=60, description="limit for starting it, up to its first frame")
    read_timeout: float = Field(5.0, gt=0, le=25, description="a pipeline that is silent for so long has stalled")

    @field_validator("gstreamer")
    @classmethod
    def _holds_something(cls, text: str) -> str:
        if not text.strip():
            raise ValueError('expected a pipeline, such as "filesrc location=a.mp4 ! decodebin"')
        if "\0" in text:
            raise ValueError("a NUL stands in it")
        return text

    @property
    def realtime(self) -> bool:
        """Whether it looks live; what the open pipeline says of itself counts more."""
        if self.live is not None:
            return self.live
        return _LIVE.search(self.gstreamer) is not None or _FINITE.search(self.gstreamer) is None

    @property
    def connects(self) -> bool:
        """Whether it reaches over the network."""
        return _NETWORK.search(self.gstreamer) is not None

    @property
    def pixel_format(self) -> str:
        """How a frame will probably lie in a ring, for the plan's memory."""
        return next((name for name, named in _FORMATS.items() if re.search(named, self.gstreamer)), "i420")

    @property
    def longest_wait(self) -> float:
        """Seconds that a pipeline which has flowed may keep its decoder waiting, with a margin."""
        return 3 * self.read_timeout

    @property
    def outlook(self) -> str:
        """What a plan can say of the pipeline without starting it."""
        return self.shown

    @property
    def shown(self) -> str:
        """The pipeline without passwords."""
        return self.hide(self.gstreamer)

    def hide(self, text: str) -> str:
        """`text`, which GStreamer may have made of this pipeline, without the passwords that stand in the pipeline."""
        addresses = _ADDRESS.findall(self.gstreamer)
        secrets = {value for match in _SECRET.finditer(self.gstreamer) for value in match.groups() if value}
        secrets |= {secret for address in addresses for secret in passwords(address)}
        for secret in sorted(secrets, key=len, reverse=True):
            text = text.replace(secret, HIDDEN)
        return redact(text, *addresses)
