"""Which of the offered packages is taken, and what of an offer is not believed."""

from __future__ import annotations

from typing import Any

import pytest

from mpipeline.errors import DownloadError, ModelUnavailable
from mpipeline.store.offers import Metadata, Package, choose_package, parsed_packages, remote_file


def package(name: str, **changes: Any) -> Package:
    manifest = {"type": "onnx-model-package-v1", "dynamicBatchSize": True, "quantization": "fp32"}
    manifest.update(changes.pop("manifest", {}))
    content = {
        "packageId": name,
        "packageManifest": manifest,
        "packageFiles": [{"fileHandle": "weights.onnx", "downloadUrl": "https://x/y"}],
        "trustedSource": True,
    }
    return Package.model_validate({**content, **changes})


@pytest.mark.parametrize(
    "worse",
    [
        package("a", manifest={"quantization": "fp16"}),
        package("a", manifest={"quantization": "int8"}),
        package("a", manifest={"dynamicBatchSize": False, "staticBatchSize": 4}),
        package("a", modelFeatures={"nms_fused": {"iou_threshold": 0.5}}),
        package("a", trustedSource=False),
        package("a", manifest={"type": "torch-model-package-v1"}),
        package("a", packageFiles=[{"fileHandle": "other.bin", "downloadUrl": "https://x/y"}]),
    ],
)
def test_the_better_package_is_taken(worse: Package) -> None:
    assert choose_package("coco/3", [worse, package("good")]).package_id == "good"


def test_half_precision_with_suppression_outside_goes_before_whole_with_it_inside() -> None:
    fused = package("fused", modelFeatures={"nms_fused": {"iou_threshold": 0.5}})
    assert choose_package("coco/3", [fused, package("half", manifest={"quantization": "fp16"})]).package_id == "half"


def test_what_there_is_instead_is_told() -> None:
    others = [package("a", manifest={"type": kind}) for kind in ("trt-model-package-v1", "hf-model-package-v1", "new")]
    with pytest.raises(ModelUnavailable, match="offered: Hugging Face, TensorRT, new"):
        choose_package("coco/3", others)
    with pytest.raises(ModelUnavailable, match="offered: nothing"):
        choose_package("coco/3", [])
    with pytest.raises(ModelUnavailable, match="not from a trusted source"):
        choose_package("coco/3", [package("a", trustedSource=False)])


def test_packages_of_a_form_that_is_not_known_are_left_out() -> None:
    pages = [
        Metadata.model_validate(
            {"modelId": "coco/3", "modelArchitecture": "yolov8", "modelPackages": [{"type": "x"}, {"packageId": "a"}]}
        )
    ]
    assert [one.package_id for one in parsed_packages(pages)] == ["a"]


@pytest.mark.parametrize("name", ["", "..", ".hidden", "a/b", "/etc/passwd", "a\x00b", "x" * 200, "a b"])
def test_a_name_that_is_no_plain_name(name: str) -> None:
    with pytest.raises(DownloadError, match="no plain file name"):
        remote_file(name, "https://x/y", None, secure=True)


@pytest.mark.parametrize("url", ["http://x/y", "file:///etc/passwd", "ftp://x/y", ""])
def test_an_address_that_is_not_secure(url: str) -> None:
    with pytest.raises(DownloadError, match="not https"):
        remote_file("weights.onnx", url, None, secure=True)


def test_checksums_are_md5() -> None:
    assert remote_file("a", "https://x", "AB" * 16, secure=True).md5 == "ab" * 16
    with pytest.raises(DownloadError, match="no MD5"):
        remote_file("a", "https://x", "ab", secure=True)


def test_an_address_is_not_shown() -> None:
    assert "s1gnature" not in repr(remote_file("a", "https://x/?s1gnature", None, secure=True))
