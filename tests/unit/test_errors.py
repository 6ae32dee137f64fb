"""The tree of errors and the exit codes of processes that end with one."""

from __future__ import annotations

import json

import pytest

from mpipeline import errors


def every_error() -> list[type[errors.MpipelineError]]:
    found = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    return sorted(found, key=lambda kind: kind.__name__)


@pytest.mark.parametrize("kind", every_error())
def test_every_error_is_in_the_tree_and_says_what_it_is(kind: type[errors.MpipelineError]) -> None:
    assert issubclass(kind, errors.MpipelineError)
    assert kind.__doc__
    assert kind.exit_code in (errors.EXIT_FAILED, errors.EXIT_SOURCE_FAILED, errors.EXIT_TEMPORARY, errors.EXIT_CONFIG)


def test_what_can_never_work_is_never_restarted() -> None:
    for kind in (errors.ConfigError, errors.UnknownKind, errors.ModelError, errors.MissingDependency):
        assert kind.exit_code == errors.EXIT_CONFIG


def test_a_missing_library_names_the_extra() -> None:
    text = str(errors.MissingDependency("tensorrt", "cuda", "backend 'tensorrt'"))
    assert text == "backend 'tensorrt' needs tensorrt, which is not installed: pip install 'mpipeline[cuda]'"


def test_a_source_error_carries_its_reason() -> None:
    error = errors.SourceError("no such file", errors.Reason.NOT_FOUND, retryable=False)
    assert (error.reason, error.retryable, str(error)) == ("not_found", False, "no such file")


def test_reasons_are_codes_for_machines() -> None:
    for reason in errors.Reason:
        assert str(reason) == reason.value == f"{reason}"
        assert json.loads(json.dumps({"reason": reason})) == {"reason": reason.value}
        assert reason.value.replace("_", "").isalpha()
