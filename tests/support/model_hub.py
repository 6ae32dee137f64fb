"""A model hub for tests: the documented calls over HTTP, with models whose weights are known bytes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
from support.http_server import HttpServer
from support.onnx_models import detector

KEY = "k3y-that-nobody-may-see"
NAMES = ["ball", "box", "cone"]
SIZE = 64
INFERENCE_CONFIG: dict[str, Any] = {
    "image_pre_processing": {"auto-orient": {"enabled": True}},
    "network_input": {
        "training_input_size": {"height": SIZE, "width": SIZE},
        "dynamic_spatial_size_supported": False,
        "color_mode": "rgb",
        "resize_mode": "letterbox",
        "padding_value": 127,
        "input_channels": 3,
        "scaling_factor": 255,
    },
    "forward_pass": {"max_dynamic_batch_size": 4},
    "post_processing": {"type": "nms", "fused": False},
}
ENVIRONMENT: dict[str, Any] = {
    "PREPROCESSING": json.dumps(
        {
            "auto-orient": {"enabled": True},
            "resize": {"enabled": True, "width": SIZE, "height": SIZE, "format": "Fit (grey edges) in"},
        }
    ),
    "CLASS_MAP": {str(i): name for i, name in enumerate(NAMES)},
}
# Of a picture of 128 x 128: a box of class 1 with score 0.9, and the same a bit aside with 0.8.
BOXES = ((16.0, 32.0, 8.0, 16.0, 0.9), (17.0, 32.0, 8.0, 16.0, 0.8), (48.0, 16.0, 8.0, 8.0, 0.35))


def small_detector(path: Path, *, ballast: int = 0, named: bool = False) -> Path:
    """An ONNX file of the yolo family that answers every picture with `BOXES`; with that many bytes more.

    `named`: with the names of the classes in it, which else stand in a package.
    """
    anchors = sum((SIZE // stride) ** 2 for stride in (8, 16, 32))
    output = np.zeros((4 + len(NAMES), anchors), np.float32)
    for column, (x, y, width, height, score) in enumerate(BOXES):
        output[:4, column] = x, y, width, height
        output[5, column] = score
    metadata = {"ballast": "".join(f"{i:08d}" for i in range(ballast // 8))} if ballast else {}
    metadata |= {"names": str(NAMES)} if named else {}
    return detector(path, output, size=(SIZE, SIZE), batch="N", metadata=metadata)


def write_package(folder: Path, *, config: dict[str, Any] | None = None, **described: Any) -> Path:
    """A model package's folder in the newer layout."""
    folder.mkdir(parents=True, exist_ok=True)
    small_detector(folder / "weights.onnx")
    about = {"model_architecture": "yolov8", "task_type": "object-detection", "backend_type": "onnx", **described}
    (folder / "model_config.json").write_text(json.dumps(about))
    (folder / "inference_config.json").write_text(json.dumps(INFERENCE_CONFIG if config is None else config))
    (folder / "class_names.txt").write_text("\n".join(NAMES))
    return folder


def write_legacy_package(folder: Path, *, environment: dict[str, Any] | None = None, **described: Any) -> Path:
    """A model package's folder in the older layout."""
    folder.mkdir(parents=True, exist_ok=True)
    small_detector(folder / "weights.onnx")
    about = {"project_task_type": "object-detection", "model_type": "yolov8n", **described}
    (folder / "model_type.json").write_text(json.dumps(about))
    (folder / "environment.json").write_text(json.dumps(ENVIRONMENT if environment is None else environment))
    (folder / "class_names.txt").write_text("\n".join(NAMES))
    return folder


class ModelHub(HttpServer):
    """Serves models to those who have the key. `refusal` is a status for all calls; `has_packages` and `has_legacy`
    are the newer call and the two older ones; without `has_onnx` a model without versions has no ONNX file;
    `wrong_checksum` tells a wrong one of the weights; `page_size` packages come in one answer."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.refusal = 0
        self.has_packages = self.has_legacy = True
        self.has_onnx = True
        self.wrong_checksum = False
        self.page_size = 10
        self.models: dict[str, list[dict[str, Any]]] = {}
        self.architecture, self.task = "yolov8", "object-detection"

    def add(self, model_id: str, *, ballast: int = 0, config: dict[str, Any] | None = None) -> Path:
        """A model with files of the newer layout, `PROJECT/VERSION/NAME` in the folder; returns its weights."""
        folder = write_package(self.folder / model_id, config=config)
        (folder / "environment.json").write_text(json.dumps(ENVIRONMENT))
        weights = small_detector(folder / "weights.onnx", ballast=ballast)
        self.models[model_id] = [self.package(model_id)]
        return weights

    def package(self, model_id: str, name: str = "abc123", **manifest: Any) -> dict[str, Any]:
        """One package of a model as the hub tells it."""
        files = []
        for file in ("weights.onnx", "inference_config.json", "class_names.txt"):
            url = self.url(f"{model_id}/{file}?X-Signature=s3cret-signature")
            md5 = hashlib.md5((self.folder / model_id / file).read_bytes()).hexdigest()
            files.append({"fileHandle": file, "downloadUrl": url, "md5Hash": md5})
        return {
            "type": "external-model-package-v1",
            "packageId": name,
            "packageManifest": {
                "type": "onnx-model-package-v1",
                "backendType": "onnx",
                "dynamicBatchSize": True,
                "quantization": "fp32",
                "opset": 17,
                **manifest,
            },
            "packageFiles": files,
            "trustedSource": True,
        }

    def environment(self, **more: str) -> dict[str, str]:
        """For a command that fetches from here into the folder `cache`."""
        return {
            "MODEL_CACHE_DIR": "cache",
            "ROBOFLOW_API_KEY": KEY,
            "API_BASE_URL": self.url(""),
            "OFFLINE_MODE": "",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
            **more,
        }

    def answer(self, path: str, headers: dict[str, str]) -> tuple[int, bytes] | None:
        parts = urlsplit(path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path == "/models/v1/external/weights":
            return self._packages(query, headers)
        if parts.path.startswith("/ort/"):
            return self._legacy(parts.path.removeprefix("/ort/"), query)
        if parts.path == "/getWeights":
            return self._versionless(query)
        return None

    def asked(self, start: str) -> int:
        """How many requests there were for addresses that begin so."""
        return sum(path.startswith(start) for path, _ in self.seen)

    def _packages(self, query: dict[str, str], headers: dict[str, str]) -> tuple[int, bytes]:
        if (refused := self._refused(headers.get("Authorization", "").removeprefix("Bearer "))) is not None:
            return refused
        if not self.has_packages:
            return 200, json.dumps({"error": "endpoint not found"}).encode()
        packages = self.models.get(query["modelId"])
        if packages is None:
            return 404, json.dumps({"error": {"message": "nothing of that name"}}).encode()
        if self.wrong_checksum:
            packages = json.loads(json.dumps(packages))
            packages[0]["packageFiles"][0]["md5Hash"] = "0" * 32
        start = int(query.get("startAfter", "0"))
        end = start + self.page_size
        metadata = {
            "type": "external-model-metadata-v1",
            "modelId": query["modelId"],
            "modelArchitecture": self.architecture,
            "modelVariant": "n",
            "taskType": self.task,
            "modelPackages": packages[start:end],
            "nextPage": str(end) if end < len(packages) else None,
        }
        return 200, json.dumps({"modelMetadata": metadata}).encode()

    def _legacy(self, model_id: str, query: dict[str, str]) -> tuple[int, bytes]:
        if (refused := self._refused(query.get("api_key", ""))) is not None:
            return refused
        if not self.has_legacy or model_id not in self.models:
            return 404, b"{}"
        ort = {
            "type": self.task,
            "modelType": f"{self.architecture}n",
            "classes": NAMES,
            "colors": {},
            "environment": self.url(f"{model_id}/environment.json?Signature=s3cret-signature"),
            "model": self.url(f"{model_id}/weights.onnx?Signature=s3cret-signature"),
        }
        return 200, json.dumps({"ort": ort}).encode()

    def _versionless(self, query: dict[str, str]) -> tuple[int, bytes]:
        if (refused := self._refused(query.get("api_key", ""))) is not None:
            return refused
        model_id = query["model"]
        if not self.has_legacy or model_id not in self.models:
            return 404, b"{}"
        files = {"ort": {"model": self.url(f"{model_id}/weights.onnx?Signature=s3cret-signature")}}
        answer = {
            "taskType": self.task,
            "modelType": f"{self.architecture}n",
            "classes": NAMES,
            "environment": ENVIRONMENT,
            "modelFiles": files if self.has_onnx else {"transformers": {}},
        }
        return 200, json.dumps(answer).encode()

    def _refused(self, key: str) -> tuple[int, bytes] | None:
        if self.refusal:
            return self.refusal, json.dumps({"message": "so says the hub"}).encode()
        return None if key == KEY else (401, json.dumps({"error": {"message": f"wrong key {key}"}}).encode())
