"""The model hub: asks it for a model by the documented calls, and says its refusals in words.

* `GET /models/v1/external/weights?modelId=…` with the key in `Authorization`: packages in pages, each with files.
* `GET /ort/PROJECT/VERSION?…&api_key=…`: one ONNX file, an environment and class names. Asked when the first call
  knows no such model, or no ONNX package of it.
* `GET /getWeights?model=WORKSPACE/NAME&api_key=…`: the same of models that have no versions, asked in place of it.
"""

from __future__ import annotations

import json
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from mpipeline.errors import ConfigError, DownloadError, ModelError, ModelUnavailable, Reason
from mpipeline.models.architectures import DETECTION
from mpipeline.models.package import CLASS_NAMES, CONFIG, LEGACY_ENVIRONMENT, LEGACY_TYPE, WEIGHTS
from mpipeline.store.http import Answer, Client
from mpipeline.store.offers import (
    LegacyModel,
    Metadata,
    Offer,
    VersionlessModel,
    choose_package,
    parsed_packages,
    remote_file,
)

ModelT = TypeVar("ModelT", bound=BaseModel)

_MOST_PAGES = 10
_REFUSALS: dict[int, tuple[Reason, str]] = {
    401: (Reason.AUTH_FAILED, "the API key was not accepted; check ROBOFLOW_API_KEY"),
    402: (Reason.PERMISSION_DENIED, "the account's plan does not include it, or its credits are used up"),
    403: (Reason.PERMISSION_DENIED, "this API key may not use it"),
    404: (Reason.NOT_FOUND, "there is no such model; check the id, and that the API key's workspace may see it"),
    423: (Reason.PERMISSION_DENIED, "the use of this account is paused; see its settings at the hub"),
}
# It is told in the query which device asks, for statistics; ours says nothing about the machine.
_DEVICE = "mpipeline"


class Hub:
    """Asks for models on behalf of the holder of a key."""

    def __init__(self, client: Client, url: str, key: str) -> None:
        if not key.isascii() or not key.isprintable() or " " in key:
            raise ConfigError("the API key has characters that no key has; check ROBOFLOW_API_KEY")
        self.url = url
        self._client = client
        self._key = key
        self._secure = url.startswith("https://")

    def offer(self, model_id: str) -> Offer:
        """What there is of the model `project/version`, or `workspace/name` of one without versions.

        Raises ModelUnavailable if it cannot be had, ModelError if there is no form of it that runs here, DownloadError
        if the hub cannot be asked.
        """
        try:
            return self._packaged(model_id)
        except ModelUnavailable as error:
            if error.reason is not Reason.NOT_FOUND:
                raise
            missing = error
        try:
            has_version = model_id.rpartition("/")[2].isdecimal()
            return self._legacy(model_id) if has_version else self._versionless(model_id)
        except ModelUnavailable as error:
            raise (missing if error.reason is Reason.NOT_FOUND else error) from None

    def _packaged(self, model_id: str) -> Offer:
        pages: list[Metadata] = []
        query = {"modelId": model_id}
        headers = {"Authorization": f"Bearer {self._key}"}
        while len(pages) < _MOST_PAGES:
            answer = self._client.ask(f"{self.url}/models/v1/external/weights", query, headers)
            content = self._content(answer, model_id)
            pages.append(self._parsed(Metadata, content.get("modelMetadata"), model_id))
            if not pages[-1].next_page:
                break
            query["startAfter"] = pages[-1].next_page
        first = pages[0]
        chosen = choose_package(model_id, parsed_packages(pages))
        described = {
            "model_id": model_id,
            "model_architecture": first.model_architecture,
            "task_type": first.task_type or DETECTION,
            "backend_type": "onnx",
        }
        files = tuple(
            remote_file(one.file_handle, one.download_url, one.md5_hash, secure=self._secure)
            for one in chosen.package_files
            if one.file_handle != CONFIG
        )
        task = first.task_type or DETECTION
        return Offer(
            model_id, chosen.package_id, first.model_architecture, task, files, {CONFIG: json.dumps(described)}
        )

    def _legacy(self, model_id: str) -> Offer:
        query = {"nocache": "true", "device": _DEVICE, "dynamic": "true", "api_key": self._key}
        content = self._content(self._client.ask(f"{self.url}/ort/{model_id}", query), model_id)
        found = self._parsed(LegacyModel, content.get("ort"), model_id)
        documents = _documents(model_id, found.type, found.model_type, found.classes)
        files = (
            remote_file(LEGACY_ENVIRONMENT, found.environment, None, secure=self._secure),
            remote_file(WEIGHTS, found.model, None, secure=self._secure),
        )
        return Offer(model_id, "", found.model_type, found.type, files, documents)

    def _versionless(self, model_id: str) -> Offer:
        query = {"model": model_id, "api_key": self._key}
        content = self._content(self._client.ask(f"{self.url}/getWeights", query), model_id)
        found = self._parsed(VersionlessModel, content, model_id)
        if found.model_files.ort is None:
            raise ModelError(f"model {model_id!r}: the hub has no ONNX file of it, and no other form runs here")
        task = found.task_type or DETECTION
        documents = _documents(model_id, task, found.model_type, found.classes)
        documents[LEGACY_ENVIRONMENT] = json.dumps(found.environment)
        weights = remote_file(WEIGHTS, found.model_files.ort.model, None, secure=self._secure)
        return Offer(model_id, "", found.model_type, task, (weights,), documents)

    def _content(self, answer: Answer, model_id: str) -> dict[str, Any]:
        """The content of a good answer; raises what a bad one means."""
        content = answer.content if isinstance(answer.content, dict) else {}
        if answer.status in _REFUSALS:
            reason, words = _REFUSALS[answer.status]
            raise ModelUnavailable(f"model {model_id!r}: {words} (status {answer.status}{self._said(content)})", reason)
        if answer.status != 200:
            text = f"model {model_id!r}: {self.url} answered with status {answer.status}{self._said(content)}"
            raise DownloadError(text, Reason.SERVER_ERROR)
        if "error" in content:  # an address that this hub does not have is told so, with status 200
            raise ModelUnavailable(f"model {model_id!r}: the hub has none{self._said(content)}")
        return content

    def _parsed(self, kind: type[ModelT], content: Any, model_id: str) -> ModelT:
        try:
            return kind.model_validate(content)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(map(str, first["loc"])) or "it"
            text = f"model {model_id!r}: the answer of {self.url} cannot be read: {place}: {first['msg']}"
            raise DownloadError(text, Reason.CORRUPT_DATA) from None

    def _said(self, content: dict[str, Any]) -> str:
        """The hub's own words for an error, short, if it has given any."""
        error = content.get("error")
        words = error.get("message") if isinstance(error, dict) else error or content.get("message")
        if not isinstance(words, str) or not words:
            return ""
        line = " ".join("".join(mark if mark.isprintable() else " " for mark in words).split())
        return f": {self._client.hide(line[:200])}"


def _documents(model_id: str, task: str, model_type: str, classes: tuple[str, ...]) -> dict[str, str]:
    """What the older answers say of a model, as files of its package."""
    described = {"project_task_type": task, "model_type": model_type, "model_id": model_id}
    documents = {LEGACY_TYPE: json.dumps(described)}
    if classes:
        documents[CLASS_NAMES] = "".join(f"{name}\n" for name in classes)
    return documents
