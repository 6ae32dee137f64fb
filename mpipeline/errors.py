"""Every error that mpipeline raises on purpose, in one tree.

Each message says what was wrong, where, and what to do. The native reason, if there is one, is the `__cause__`.
`exit_code` is what a process that ends with the error returns to its parent.
"""

from __future__ import annotations

from enum import Enum

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_SOURCE_FAILED = 65  # EX_DATAERR: a source cannot be read, now or on retry
EXIT_TEMPORARY = 75  # EX_TEMPFAIL: may work when tried again
EXIT_CONFIG = 78  # EX_CONFIG: never restarted


class Reason(str, Enum):
    """Why a stream is not flowing, or a frame was not processed, as a code for machines."""

    AUTH_FAILED = "auth_failed"
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    NOT_FOUND = "not_found"
    PERMISSION_DENIED = "permission_denied"
    BUSY = "busy"
    TLS_FAILED = "tls_failed"
    SERVER_ERROR = "server_error"
    CODEC_UNSUPPORTED = "codec_unsupported"
    NO_VIDEO = "no_video"
    NOT_A_VIDEO = "not_a_video"
    CORRUPT_DATA = "corrupt_data"
    TRUNCATED = "truncated"
    END_OF_STREAM = "end_of_stream"
    STALLED = "stalled"
    NO_KEY_FRAME = "no_key_frame"
    WAITING_FOR_TURN = "waiting_for_turn"
    NO_SPACE = "no_space"
    RING_DAMAGED = "ring_damaged"
    WRITE_FAILED = "write_failed"
    CRASHED = "crashed"
    MEMORY_LIMIT = "memory_limit"
    CPU_LIMIT = "cpu_limit"
    GPU_LOST = "gpu_lost"
    FAILED = "failed"

    def __str__(self) -> str:
        return self.value


class MpipelineError(Exception):
    """The root: catch it to catch everything that mpipeline raises on purpose."""

    exit_code = EXIT_FAILED


class ConfigError(MpipelineError):
    """The config, or an argument in its place, is wrong. Never retried."""

    exit_code = EXIT_CONFIG


class UnknownKind(ConfigError):
    """A source, model family, backend, sink or command of that name does not exist."""


class InvalidArgument(ConfigError, ValueError):
    """An argument of a call is not one of those that are possible; the message names them."""


class MissingDependency(ConfigError):
    """An optional library is not installed; the message names the extra that brings it.

    `also` is a second command, for what no extra can bring.
    """

    def __init__(self, library: str, extra: str, needed_for: str, *, also: str = "") -> None:
        commands = " && ".join(command for command in (f"pip install 'mpipeline[{extra}]'", also) if command)
        super().__init__(f"{needed_for} needs {library}, which is not installed: {commands}")


class SourceError(MpipelineError):
    """A source cannot be opened or read. `reason` is the code; `retryable` says whether a later try may work."""

    exit_code = EXIT_SOURCE_FAILED

    def __init__(self, message: str, reason: Reason, *, retryable: bool = True) -> None:
        super().__init__(message)
        self.reason = reason
        self.retryable = retryable


class SourceHangs(MpipelineError):
    """What reads a source does not return and cannot be ended but with its process; another process takes its place."""

    exit_code = EXIT_TEMPORARY


class ModelError(ConfigError):
    """The model file and what the config says of it do not fit together."""


class ModelUnavailable(ConfigError):
    """There is no model of that id for this user: unknown, not permitted, or not here while it may not be fetched.

    `reason` is the code. The same request will fail again.
    """

    def __init__(self, message: str, reason: Reason = Reason.NOT_FOUND) -> None:
        super().__init__(message)
        self.reason = reason


class DownloadError(MpipelineError):
    """A model could not be fetched or kept: network, server, checksum or disk. `reason` is the code.

    `retryable` says whether the same request may work a moment later; `retry_after` in how many seconds, if the server
    has said so.
    """

    def __init__(
        self, message: str, reason: Reason, *, retryable: bool = False, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.retryable = retryable
        self.retry_after = retry_after


class BackendError(MpipelineError):
    """The engine that executes the model failed."""


class GpuLost(BackendError):
    """A GPU has failed in this process: only a new one can use it again."""

    reason = Reason.GPU_LOST


class NoDevice(BackendError):
    """There is no GPU, or no driver for one, where a backend needs it. Nothing is broken."""


class SinkError(MpipelineError):
    """A sink cannot be opened or written to.

    `retryable`, of an error of `write` or `end`: the same call may succeed later (a full disk, a peer that is away),
    and nothing of it has been done yet. It is then repeated, with back-off, for as long as it takes, and not before
    `retry_after` seconds if the peer has said so. `reason` is the code.
    """

    def __init__(
        self,
        message: str,
        *,
        reason: Reason = Reason.WRITE_FAILED,
        retryable: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.retryable = retryable
        self.retry_after = retry_after


class PredictionRejected(SinkError):
    """This one prediction could not be taken, for a reason that lies in it or in user code; the sink can go on."""


class RingError(MpipelineError):
    """A ring is damaged, of another layout version, or used against its protocol."""


class RingGone(RingError):
    """A ring was removed before this process came to it: nothing is left in it to be read."""


class RingShortage(RingError):
    """This process has no open file or memory left to attach to a ring with. Nothing is wrong with the ring."""

    exit_code = EXIT_TEMPORARY


class SharedMemoryFull(RingError):
    """/dev/shm has no room for a ring; the message says how much is needed, how much there is, and the remedy."""

    exit_code = EXIT_CONFIG
    reason = Reason.NO_SPACE


class ProtocolError(MpipelineError):
    """A message from another process is not one of ours, or not of this version."""


class RunExists(MpipelineError):
    """A run of that name is alive on this machine."""

    exit_code = EXIT_CONFIG


class RunNotFound(MpipelineError):
    """No run of that name is alive on this machine."""


class StreamOperationNotAllowedError(MpipelineError):
    """A source, or a pipeline, was asked for what it cannot do in the state in which it is."""


class FrameReleased(MpipelineError):
    """The pixels of a frame were looked at for the first time after they had been taken back."""


class BufferEmpty(MpipelineError, IndexError):
    """Something was to be taken out of a buffer in which nothing is."""
