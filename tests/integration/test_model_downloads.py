"""Models from a real server: both calls, which package is taken, refusals, and what is never shown."""

from __future__ import annotations

import gc
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.model_hub import INFERENCE_CONFIG, KEY, NAMES, ModelHub
from support.pulling import QUICK, Heard, assert_complete, pulled, settings_of

from mpipeline import get_model as load
from mpipeline.config.environment import StoreSettings
from mpipeline.errors import ConfigError, DownloadError, ModelError, ModelUnavailable, Reason
from mpipeline.models.package import read_package
from mpipeline.store.cache import everything, find
from mpipeline.store.fetch import fetch


def test_a_package_is_fetched_and_found_again_without_the_hub(hub: ModelHub, cache: Path) -> None:
    model = pulled(hub, cache)
    assert_complete(model, hub)
    assert not hub.asked("/ort")
    requests = hub.requests
    assert find(cache, "coco/3") == model
    assert pulled(hub, cache) == model
    assert hub.requests == requests
    assert [one.model_id for one in everything(cache)] == ["coco/3"]


def test_a_model_that_only_the_older_call_knows(hub: ModelHub, cache: Path) -> None:
    hub.has_packages = False
    model = pulled(hub, cache)
    assert_complete(model, hub)
    package = read_package(model.directory)
    assert (package.architecture, package.said.family) == ("yolov8n", "yolo")
    assert package.said.normalisation is not None
    assert package.said.normalisation.pad == 114


@pytest.mark.parametrize("has_packages", [True, False])
def test_a_model_without_versions(hub: ModelHub, cache: Path, has_packages: bool) -> None:
    hub.add("acme/find-cones-2")
    hub.has_packages = has_packages
    model = fetch("acme/find-cones-2", settings_of(hub, cache), Heard(), QUICK)
    assert (hub.asked("/getWeights"), hub.asked("/ort")) == (0 if has_packages else 1, 0)
    assert find(cache, "acme/find-cones-2") == model
    package = read_package(model.directory)
    assert (package.said.family, package.said.size, package.said.class_names()) == ("yolo", (64, 64), tuple(NAMES))
    with load(model.directory) as loaded:
        assert loaded.infer(np.zeros((128, 128, 3), np.uint8))[0]["predictions"][0]["class"] == "box"


def test_a_model_without_versions_that_is_no_onnx_file(hub: ModelHub, cache: Path) -> None:
    hub.add("acme/find-cones-2")
    hub.has_packages = hub.has_onnx = False
    with pytest.raises(ModelError, match="no ONNX file"):
        fetch("acme/find-cones-2", settings_of(hub, cache), Heard(), QUICK)
    with pytest.raises(ModelUnavailable, match="the hub has none"):
        fetch("acme/something", settings_of(hub, cache), Heard(), QUICK)


def test_packages_come_in_pages_and_the_best_is_taken(hub: ModelHub, cache: Path) -> None:
    others: list[dict[str, Any]] = [
        hub.package("coco/3", "trt1", type="trt-model-package-v1"),
        hub.package("coco/3", "fixed1", dynamicBatchSize=False, staticBatchSize=1),
        hub.package("coco/3", "int8", quantization="int8"),
        {"type": "of another time"},
    ]
    hub.models["coco/3"] = [*others, hub.package("coco/3", "best1")]
    hub.page_size = 1
    model = pulled(hub, cache)
    assert json.loads((model.directory / ".origin.json").read_text())["package_id"] == "best1"
    assert hub.asked("/models/v1/external/weights") == 5


def test_without_an_onnx_package_it_is_told_what_there_is(hub: ModelHub, cache: Path) -> None:
    hub.models["coco/3"] = [hub.package("coco/3", type="trt-model-package-v1")]
    hub.has_legacy = False
    with pytest.raises(ModelUnavailable, match="no ONNX package of it; offered: TensorRT"):
        pulled(hub, cache)


@pytest.mark.parametrize(
    ("status", "reason", "words"),
    [
        (401, Reason.AUTH_FAILED, "key was not accepted"),
        (402, Reason.PERMISSION_DENIED, "plan"),
        (403, Reason.PERMISSION_DENIED, "may not use it"),
        (404, Reason.NOT_FOUND, "no such model"),
        (423, Reason.PERMISSION_DENIED, "paused"),
    ],
)
def test_a_refusal_is_said_in_words_and_not_repeated(
    hub: ModelHub, cache: Path, status: int, reason: Reason, words: str
) -> None:
    hub.refusal = status
    with pytest.raises(ModelUnavailable, match=words) as caught:
        pulled(hub, cache)
    assert caught.value.reason is reason
    assert caught.value.exit_code == 78
    assert "so says the hub" in str(caught.value)
    assert hub.requests == (2 if status == 404 else 1)
    assert not (cache / "mpipeline" / "coco").exists()


def test_an_unknown_model(hub: ModelHub, cache: Path) -> None:
    with pytest.raises(ModelUnavailable, match=r"'nobody/7': there is no such model"):
        fetch("nobody/7", settings_of(hub, cache), Heard(), QUICK)


def test_what_cannot_be_run_is_refused_before_its_weights_are_fetched(hub: ModelHub, cache: Path) -> None:
    cropped = {**INFERENCE_CONFIG, "image_pre_processing": {"static-crop": {"enabled": True, "x_min": 10}}}
    hub.add("coco/3", config=cropped)
    with pytest.raises(ModelError, match=r"'coco/3': inference_config\.json: it was trained .* 'static-crop'"):
        pulled(hub, cache)
    hub.task = "text-generation"
    with pytest.raises(ModelError, match="task is 'text-generation'"):
        pulled(hub, cache)
    assert not hub.asked("/coco/3/weights.onnx")


def test_the_key_and_signatures_are_seen_nowhere(
    hub: ModelHub, cache: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("mpipeline"), "propagate", True)
    caplog.set_level(logging.DEBUG)
    texts = []
    for fault in ("none", "packages", "unreachable", "wrong"):
        hub.has_packages = fault != "packages"
        settings = settings_of(hub, cache / fault, "wr0ng-k3y" if fault == "wrong" else KEY)
        if fault == "unreachable":
            settings = StoreSettings(cache, KEY, "http://127.0.0.1:9")
        hub.cuts = [0, 0, 0, 1000]
        try:
            fetch("coco/3", settings, Heard(), QUICK)
        except (ModelUnavailable, DownloadError) as error:
            texts += [str(error), repr(error.__cause__), repr(settings)]
    assert "api_key=***" in caplog.text
    for secret in (KEY, "s3cret-signature", "wr0ng-k3y"):
        assert secret not in caplog.text
        assert secret not in "".join(texts)


def test_redirects_are_followed_and_the_key_stays_at_home(hub: ModelHub, cache: Path) -> None:
    hub.redirects["/moved/models/v1/external/weights"] = "/models/v1/external/weights?modelId=coco/3"
    assert_complete(fetch("coco/3", StoreSettings(cache, KEY, hub.url("moved")), Heard(), QUICK), hub)
    elsewhere = hub.url("models/v1/external/weights?modelId=coco/3").replace("127.0.0.1", "localhost")
    hub.redirects["/moved/models/v1/external/weights"] = elsewhere
    seen = len(hub.seen)
    with pytest.raises(ModelUnavailable, match="key was not accepted"):
        fetch("coco/3", StoreSettings(cache / "other", KEY, hub.url("moved")), Heard(), QUICK)
    assert [("Authorization" in headers) for _, headers in hub.seen[seen:]] == [True, False]


def test_redirects_have_an_end(hub: ModelHub, cache: Path) -> None:
    hub.redirects["/round/models/v1/external/weights"] = "/round/models/v1/external/weights"
    with pytest.raises(DownloadError, match="redirects without end"):
        fetch("coco/3", StoreSettings(cache, KEY, hub.url("round")), Heard(), QUICK)


@pytest.mark.parametrize("body", [b"<html>please log in</html>", b"", b"[" * 100_000])
def test_an_answer_of_somebody_else_is_told(
    hub: ModelHub, cache: Path, body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    gc.collect()  # finalizers of what other tests have left fail if they run where the JSON is at its deepest
    monkeypatch.setattr(hub, "answer", lambda path, headers: (200, body))
    with pytest.raises(DownloadError, match="is no JSON; something between"):
        pulled(hub, cache)


@pytest.mark.parametrize("content", ["[]", "{}", '{"modelMetadata": 3}', '{"modelMetadata": {"modelId": "coco/3"}}'])
def test_an_answer_of_another_form_is_told(
    hub: ModelHub, cache: Path, content: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "answer", lambda path, headers: (200, content.encode()))
    with pytest.raises(DownloadError, match="cannot be read"):
        pulled(hub, cache)


def test_a_key_that_would_break_the_request_is_refused_unseen(hub: ModelHub, cache: Path) -> None:
    with pytest.raises(ConfigError, match="characters that no key has") as caught:
        pulled(hub, cache, key="abc\r\nX-Other: 1")
    assert "abc" not in str(caught.value)
    assert not hub.requests


def test_names_of_files_lead_nowhere_else(hub: ModelHub, cache: Path) -> None:
    package = hub.package("coco/3")
    package["packageFiles"].append({**package["packageFiles"][1], "fileHandle": "../../evil.json"})
    hub.models["coco/3"] = [package]
    with pytest.raises(DownloadError, match="no plain file name"):
        pulled(hub, cache)
    assert not list(cache.rglob("evil*"))


def test_the_proxy_of_the_environment_is_asked(hub: ModelHub, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = hub.url("", login="user:pr0xy").rstrip("/")
    monkeypatch.setenv("http_proxy", proxy)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with pytest.raises(DownloadError):  # the stand-in for a proxy has no files of other hosts
        fetch("coco/3", StoreSettings(cache, KEY, "http://hub.example"), Heard(), QUICK)
    path, headers = hub.seen[0]
    assert path.startswith("http://hub.example/models/v1/external/weights")
    assert headers["Proxy-Authorization"].startswith("Basic ")
    requests = hub.requests
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    pulled(hub, cache)
    assert not [path for path, _ in hub.seen[requests:] if "://" in path]
