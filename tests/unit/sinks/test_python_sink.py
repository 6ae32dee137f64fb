"""The python sink: user classes of all shapes, and errors that name the user's line."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from support.predictions import failure, meta, picture, prediction

from mpipeline.errors import ConfigError, PredictionRejected, Reason, SinkError
from mpipeline.sinks.python import PythonOptions, PythonSink

Maker = Callable[..., PythonSink]


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Maker:
    """Writes a module into the current folder and makes a sink of its class `Mine`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    module = f"user_{abs(hash(str(tmp_path)))}"

    def make(code: str, attribute: str = "Mine", **options: Any) -> PythonSink:
        (tmp_path / f"{module}.py").write_text(code)
        return PythonSink("mine", PythonOptions(target=f"{module}:{attribute}", **options))

    return make


EVERYTHING = """
class Mine:
    wants_frames = False
    def __init__(self, prefix):
        self.calls = [prefix]
    def open(self):
        self.calls.append("open")
    def write(self, prediction, frame):
        self.calls.append((prediction.frame.frame_id, frame))
    def end(self, source):
        self.calls.append(f"end {source}")
    def close(self):
        self.calls.append("close")
"""


def test_all_verbs_reach_the_user(made: Maker) -> None:
    sink = made(EVERYTHING, options={"prefix": "p"})
    assert sink.wants_frames is False
    assert sink.open(resume=False) == {}
    user = sink._user
    sink.write(prediction(meta("a", 1)), None)
    sink.end("a")
    sink.close()
    sink.close()
    assert user.calls == ["p", "open", (1, None), "end a", "close"]


def test_write_is_all_that_is_needed(made: Maker) -> None:
    sink = made(
        "seen = []\nclass Mine:\n    def write(self, prediction, frame):\n        seen.append(frame.bgr().shape)\n"
    )
    assert sink.wants_frames is True
    sink.open(resume=True)
    sink.write(prediction(meta("a", 1)), picture(meta("a", 1)))
    sink.end("a")
    sink.close()
    assert sys.modules[sink._options.target.partition(":")[0]].seen == [(48, 64, 3)]


def test_options_overrule_the_class_on_frames_without_importing_it() -> None:
    assert PythonSink("mine", PythonOptions(target="absent:Mine", wants_frames=False)).wants_frames is False


def test_an_open_that_knows_resume_can_say_what_is_written(made: Maker) -> None:
    code = "class Mine:\n    def open(self, resume): return resume and {'a': 7}\n    def write(self, p, f): ...\n"
    assert made(code).open(resume=True) == {"a": 7}
    assert made(code).open(resume=False) == {}


@pytest.mark.parametrize("verb", ["__init__", "open", "write", "end", "close"])
def test_what_user_code_raises_names_its_line(made: Maker, verb: str) -> None:
    arguments = {"__init__": "", "open": "", "write": ", p, f", "end": ", s", "close": ""}
    methods = [
        f"    def {name}(self{rest}):\n        {'1 / 0' if name == verb else 'pass'}\n"
        for name, rest in arguments.items()
    ]
    sink = made("class Mine:\n" + "".join(methods))
    line = 2 * list(arguments).index(verb) + 3

    def whole_life() -> None:
        sink.open(resume=False)
        sink.write(failure(meta()), None)
        sink.end("gate")
        sink.close()

    with pytest.raises(SinkError, match=rf"in {verb}: ZeroDivisionError: .*user_\d+\.py:{line} in {verb}\)") as caught:
        whole_life()
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


@pytest.mark.parametrize(
    ("code", "attribute", "text"),
    [
        ("", "Mine", "has no 'Mine'"),
        ("Mine = 3", "Mine", "is not a class"),
        ("class Mine: ...", "Mine", "has no method write"),
    ],
)
def test_a_wrong_target_is_a_config_error(made: Maker, code: str, attribute: str, text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        made(code, attribute).open(resume=False)


def test_an_absent_module_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="sink 'mine': cannot import 'absent_module'"):
        PythonSink("mine", PythonOptions(target="absent_module:Mine")).open(resume=False)


@pytest.mark.parametrize("code", ["import absent_module", "None.x", "1 / 0", "raise OSError"])
def test_a_module_that_cannot_be_imported_says_where(made: Maker, code: str) -> None:
    with pytest.raises(ConfigError, match=r"cannot import 'user_.*user_\d+\.py:2 in <module>\)"):
        made(f"x = 1\n{code}\n").open(resume=False)


def test_a_call_into_a_library_is_told_by_the_users_line(made: Maker) -> None:
    code = "import pathlib\nclass Mine:\n    def write(self, p, f):\n        pathlib.Path('absent/x').read_text()\n"
    sink = made(code)
    sink.open(resume=False)
    with pytest.raises(SinkError, match=r"user_\d+\.py:4 in write"):
        sink.write(failure(meta()), None)


@pytest.mark.parametrize("target", ["", "module", ":Class", "module:", "module:a b"])
def test_targets_of_another_form_are_refused(target: str) -> None:
    with pytest.raises(ValidationError, match="module:Class"):
        PythonOptions(target=target)


RAISING = """
import errno, http.client, socket
from mpipeline.errors import Reason, SinkError
class Mine:
    def write(self, prediction, frame):
        raise {error}
    def end(self, source):
        raise {error}
"""


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ('OSError(errno.ENOSPC, "full")', Reason.NO_SPACE),
        ('OSError(errno.EIO, "broken")', Reason.WRITE_FAILED),
        ('ConnectionRefusedError(errno.ECONNREFUSED, "refused")', Reason.WRITE_FAILED),
        ('BrokenPipeError(errno.EPIPE, "gone")', Reason.WRITE_FAILED),
        ('ConnectionResetError("Connection lost")', Reason.WRITE_FAILED),
        ('http.client.RemoteDisconnected("closed without an answer")', Reason.WRITE_FAILED),
        ('TimeoutError("timed out")', Reason.WRITE_FAILED),
        ('socket.timeout("timed out")', Reason.WRITE_FAILED),
        ('socket.gaierror(socket.EAI_AGAIN, "no name server")', Reason.WRITE_FAILED),
        ('SinkError("later", retryable=True)', Reason.WRITE_FAILED),
        ('SinkError("later", retryable=True, reason=Reason.TIMEOUT)', Reason.TIMEOUT),
    ],
)
def test_what_can_pass_is_to_be_tried_again(made: Maker, error: str, reason: Reason) -> None:
    sink = made(RAISING.format(error=error))
    sink.open(resume=False)
    for call in (lambda: sink.write(failure(meta()), None), lambda: sink.end("gate")):
        with pytest.raises(SinkError, match=r"user_\d+\.py:\d") as caught:
            call()
        assert not isinstance(caught.value, PredictionRejected)
        assert caught.value.retryable
        assert caught.value.reason is reason


@pytest.mark.parametrize(
    "error",
    [
        'SinkError("no")',
        'OSError("no number")',
        'open("/does/not/exist")',
        "KeyError(1)",
        'socket.gaierror(socket.EAI_NONAME, "no such host")',
    ],
)
def test_what_cannot_pass_costs_the_prediction(made: Maker, error: str) -> None:
    sink = made(RAISING.format(error=error))
    sink.open(resume=False)
    with pytest.raises(PredictionRejected) as caught:
        sink.write(failure(meta()), None)
    assert not caught.value.retryable
