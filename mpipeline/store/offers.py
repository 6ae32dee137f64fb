"""What the hub offers of a model, read with suspicion, and which of the offered packages is taken."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from mpipeline.errors import DownloadError, ModelUnavailable, Reason
from mpipeline.models.package import WEIGHTS

_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_MD5 = re.compile(r"[0-9a-fA-F]{32}")
_ONNX = "onnx-model-package-v1"
_PRECISIONS = ("fp32", "fp16")  # that the families can feed, best first; others come after
_KINDS = {
    _ONNX: "ONNX",
    "trt-model-package-v1": "TensorRT",
    "torch-model-package-v1": "PyTorch",
    "torch-script-model-package-v1": "TorchScript",
    "hf-model-package-v1": "Hugging Face",
}


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file of an offer. Its address may hold a signature, so it is not shown."""

    name: str
    url: str = field(repr=False)
    md5: str | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """What is to be kept of a model: files to be fetched, and small ones whose content is known already."""

    model_id: str
    package_id: str
    architecture: str
    task: str
    files: tuple[RemoteFile, ...]
    documents: Mapping[str, str]


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, protected_namespaces=())


class PackageFile(_Answer):
    """`fileHandle` is its name in the package."""

    file_handle: str
    download_url: str = Field(repr=False)
    md5_hash: str | None = None


class Package(_Answer):
    """One of the forms in which a model can be had."""

    package_id: str
    package_manifest: dict[str, Any] = {}
    package_files: tuple[PackageFile, ...] = ()
    trusted_source: bool = False
    model_features: dict[str, Any] | None = None

    @property
    def kind(self) -> str:
        """The type of its manifest."""
        return str(self.package_manifest.get("type", ""))


class Metadata(_Answer):
    """A page of what the hub knows of a model."""

    model_id: str
    model_architecture: str
    task_type: str = ""
    model_packages: tuple[dict[str, Any], ...] = ()
    next_page: str | None = None


class LegacyModel(_Answer):
    """A model in the older form."""

    type: str
    model_type: str
    classes: Annotated[tuple[str, ...], Field(max_length=100_000)] = ()
    environment: str = Field(repr=False)
    model: str = Field(repr=False)


class OnnxFile(_Answer):
    """Where the one file lies."""

    model: str = Field(repr=False)


class ModelFiles(_Answer):
    """The forms of a model without versions; `ort` is ONNX."""

    ort: OnnxFile | None = None


class VersionlessModel(_Answer):
    """A model that has no versions, in the older form: its environment is part of the answer."""

    task_type: str = ""
    model_type: str
    classes: Annotated[tuple[str, ...], Field(max_length=100_000)] = ()
    environment: dict[str, Any] = {}
    model_files: ModelFiles


def parsed_packages(pages: Sequence[Metadata]) -> list[Package]:
    """The packages of all pages; those of a form that is not known are left out."""
    found = []
    for entry in (entry for page in pages for entry in page.model_packages):
        try:
            found.append(Package.model_validate(entry))
        except ValidationError:
            continue
    return found


def choose_package(model_id: str, packages: Sequence[Package]) -> Package:
    """The ONNX package that serves best: trusted, without suppression inside, 32 bits, of any batch size.

    Suppression inside would make `iou_threshold` idle. Raises ModelUnavailable if there is no ONNX package.
    """
    onnx = [one for one in packages if one.kind == _ONNX]
    fitting = [one for one in onnx if any(file.file_handle == WEIGHTS for file in one.package_files)]
    trusted = [one for one in fitting if one.trusted_source]
    if fitting and not trusted:
        raise ModelUnavailable(f"model {model_id!r}: its ONNX packages are not from a trusted source")
    if not trusted:
        kinds = sorted({_KINDS.get(one.kind, one.kind or "unknown") for one in packages})
        raise ModelUnavailable(
            f"model {model_id!r}: there is no ONNX package of it; offered: {', '.join(kinds) or 'nothing'}"
        )
    return min(trusted, key=_rank)


def remote_file(name: str, url: str, md5: str | None, *, secure: bool) -> RemoteFile:
    """A file to be fetched. Raises DownloadError if its name is no plain name, or its address cannot be trusted."""
    if not _FILE_NAME.fullmatch(name):
        raise DownloadError(f"the hub names a file {name!r}, which is no plain file name", Reason.CORRUPT_DATA)
    if urlsplit(url).scheme not in (("https",) if secure else ("http", "https")):
        raise DownloadError(f"the hub's address of {name} is not https", Reason.TLS_FAILED)
    if md5 is not None and not _MD5.fullmatch(md5):
        raise DownloadError(f"the hub's checksum of {name} is no MD5: {md5[:40]!r}", Reason.CORRUPT_DATA)
    return RemoteFile(name, url, md5.lower() if md5 is not None else None)


def _rank(package: Package) -> tuple[bool, int, bool, int]:
    manifest = package.package_manifest
    precision = str(manifest.get("quantization", "fp32")).lower()
    order = _PRECISIONS.index(precision) if precision in _PRECISIONS else len(_PRECISIONS)
    batch = manifest.get("staticBatchSize")
    fused = bool((package.model_features or {}).get("nms_fused"))
    return fused, order, not manifest.get("dynamicBatchSize"), batch if isinstance(batch, int) else 0
