"""The `redis` sink: records as entries of a stream, each exactly once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, field_validator

from mpipeline.errors import MissingDependency, Reason, SinkError
from mpipeline.frame import Frame
from mpipeline.prediction import Prediction
from mpipeline.sinks.job import job_name
from mpipeline.sinks.paths import MODEL_PLACEHOLDER, checked_placeholders, filled
from mpipeline.sinks.peers import Peer
from mpipeline.sinks.record import encoded, record

T = TypeVar("T")

_SCHEMES = ("redis://", "rediss://", "unix://")
_AT_ONCE = 64  # records that one call brings to the server
# Adds those entries that are not there yet and notes the last frame of each origin, as one step for everybody else. So
# it may be called again whenever nobody knows how far it came. KEYS: the notes, then a stream for each entry. ARGV:
# the run, the approximate length of a stream or 0, then origin, source, model, frame id and record of each entry.
_ADD = """
for i = 2, #KEYS do
  local at = 5 * i - 7
  local origin, source, model, frame_id, record = unpack(ARGV, at, at + 4)
  if tonumber(redis.call('HGET', KEYS[1], origin) or '0') < tonumber(frame_id) then
    local fields = {'*', 'run', ARGV[1], 'source', source, 'frame_id', frame_id, 'record', record}
    if model ~= '' then
      fields[#fields + 1] = 'model'
      fields[#fields + 1] = model
    end
    if ARGV[2] == '0' then
      redis.call('XADD', KEYS[i], unpack(fields))
    else
      redis.call('XADD', KEYS[i], 'MAXLEN', '~', ARGV[2], unpack(fields))
    end
    redis.call('HSET', KEYS[1], origin, frame_id)
  end
end
"""
# First words of answers, or the classes that the library makes of them, from which it takes the word away.
_NO_SPACE = {"OOM", "OutOfMemoryError", "MISCONF"}
_PASSING = {
    *_NO_SPACE,
    *("READONLY", "ReadOnlyError", "MASTERDOWN", "MasterDownError", "NOREPLICAS", "BUSY"),
    *("TRYAGAIN", "TryAgainError", "CLUSTERDOWN", "ClusterDownError"),
}
_OF_CREDENTIALS = {"NOAUTH", "WRONGPASS", "NOPERM", "NoPermissionError"}


class RedisOptions(BaseModel):
    """`url`: redis://, rediss:// (TLS) or unix://. `stream`: its key, where `{source}` and `{model}` are their
    names: so each can have one of its own.

    `maxlen`: about so many entries are kept of a stream. `job`: under which name the sink finds what it has written.
    `ca`: a file with authorities that may vouch for the server. `timeout`: seconds, for connecting and for an answer.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = "redis://localhost:6379"
    stream: str = "mpipeline"
    maxlen: int | None = Field(default=None, ge=1)
    job: str | None = None
    ca: str | None = None
    timeout: float = Field(default=5.0, gt=0, le=30)

    @field_validator("url")
    @classmethod
    def _checked_url(cls, url: str) -> str:
        if not url.startswith(_SCHEMES):
            raise ValueError(f"expected an address that begins with {', '.join(_SCHEMES)}")
        return url

    @field_validator("stream")
    @classmethod
    def _checked_stream(cls, stream: str) -> str:
        if not checked_placeholders(stream, "stream", MODEL_PLACEHOLDER):
            raise ValueError("a stream needs a name")
        return stream

    @property
    def names_models(self) -> bool:
        """Whether it is for models that have names."""
        return MODEL_PLACEHOLDER in self.stream


class RedisSink:
    """Adds an entry for each frame: `run`, `source`, `frame_id`, `record`, and `model` where models have names.

    In the same step of the server the last frame of each origin is noted beside the stream, in the hash
    `mpipeline:JOB:written`. By that neither a kill of the sink nor a lost answer makes an entry twice, however short
    the stream is kept. A run that is not resumed gets the next number as `run`; older entries stay.
    """

    Options = RedisOptions
    wants_frames = False
    several_models = True
    gathers = _AT_ONCE

    def __init__(self, name: str, options: RedisOptions) -> None:
        self.name = name
        self.pipeline = ""
        self._options = options
        self._peer = Peer("the Redis server", options.url)
        self._client: Any = None
        self._add: Any = None
        self._run = ""
        self._waiting: list[tuple[str, str, str, str, int, str]] = []  # stream, then what `_ADD` wants of an entry

    def open(self, resume: bool) -> Mapping[str, int]:
        """Connects; finds what a predecessor has written, or begins with another number of the run."""
        self._waiting.clear()
        if self._client is None:
            self._client = self._made()
            self._add = self._client.register_script(_ADD)
        if not resume or self._asked(lambda: self._client.get(self._key("run"))) is None:
            self._asked(self._begin)
        self._run = str(self._asked(lambda: self._client.get(self._key("run"))))
        written = self._asked(lambda: self._client.hgetall(self._key("written")))
        return {origin: int(frame_id) for origin, frame_id in written.items()}

    def write(self, prediction: Prediction, frame: Frame | None) -> None:
        """Keeps one record for the next `flush`."""
        meta, model = prediction.frame, prediction.model
        stream = filled(self._options.stream, meta.source, model)
        entry = (prediction.origin, meta.source, model, meta.frame_id, encoded(record(prediction)))
        self._waiting.append((stream, *entry))

    def flush(self) -> None:
        """Adds what was kept. See `Sink`."""
        keys = [self._key("written"), *(stream for stream, *_ in self._waiting)]
        values: list[Any] = [self._run, self._options.maxlen or 0]
        for _, *entry in self._waiting:
            values += entry
        self._asked(lambda: self._add(keys=keys, args=values))
        self._waiting.clear()

    def end(self, source: str) -> None:
        """Nothing is kept open for a source."""

    def close(self) -> None:
        """Disconnects."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _begin(self) -> None:
        with self._client.pipeline(transaction=True) as steps:
            steps.delete(self._key("written"))
            steps.incr(self._key("run"))
            steps.execute()

    def _key(self, what: str) -> str:
        return f"mpipeline:{job_name(self._options.job, self.pipeline, self.name)}:{what}"

    def _asked(self, question: Callable[[], T]) -> T:
        """The server's answer; SinkError if there is none, or if it says no."""
        redis = _imported()
        try:
            return question()
        except redis.AuthenticationError as error:
            raise self._of_credentials(error) from error
        except (redis.ConnectionError, redis.TimeoutError) as error:
            cause = error.__cause__ or error.__context__
            if isinstance(cause, OSError):
                raise self._peer.unreachable(cause) from error
            raise self._peer.away("cannot be reached", error, reason=Reason.UNREACHABLE) from error
        except redis.RedisError as error:
            raise self._of_answer(error) from error

    def _of_answer(self, error: Exception) -> SinkError:
        signs = {type(error).__name__, str(error).partition(" ")[0]}
        if signs & _OF_CREDENTIALS:
            return self._of_credentials(error)
        if signs & _PASSING:
            reason = Reason.NO_SPACE if signs & _NO_SPACE else Reason.BUSY
            return self._peer.away("takes no entries now", error, reason=reason)
        return self._peer.refuses("refuses the entries", error, "check what is at the keys of the sink")

    def _of_credentials(self, error: Exception) -> SinkError:
        remedy = "check user name and password in the address, and the user's rights"
        return self._peer.refuses("does not let this user in", error, remedy, Reason.AUTH_FAILED)

    def _made(self) -> Any:
        redis = _imported()
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        more = {"ssl_ca_certs": self._options.ca} if self._options.ca is not None else {}
        try:
            return redis.Redis.from_url(
                self._options.url,
                decode_responses=True,
                socket_timeout=self._options.timeout,
                socket_connect_timeout=self._options.timeout,
                retry=Retry(NoBackoff(), 0),  # the loop that calls this sink tries again, and can be stopped
                **more,
            )
        except ValueError as error:
            raise self._peer.refuses("has no valid address", error, "expected redis://HOST:PORT/NUMBER") from error


def _imported() -> Any:
    try:
        import redis
    except ImportError as error:
        raise MissingDependency("redis", "redis", "sink kind redis") from error
    return redis
