"""Names by which well-known models are called, and the ids that they stand for."""

from __future__ import annotations

import re

from mpipeline.errors import ModelUnavailable
from mpipeline.registry import suggestion

# Project → its models, each as NAME=VERSION; the id is PROJECT/VERSION.
_PROJECTS: dict[str, str] = {
    "coco": """
        yolov8n-640=3 yolov8n-1280=9 yolov8s-640=6 yolov8s-1280=10 yolov8m-640=8 yolov8m-1280=11 yolov8l-640=7
        yolov8l-1280=12 yolov8x-640=5 yolov8x-1280=13 yolo-nas-s-640=14 yolo-nas-m-640=15 yolo-nas-l-640=16
        yolov10n-640=19 yolov10s-640=20 yolov10m-640=21 yolov10b-640=22 yolov10l-640=23 yolov10x-640=24
        yolov11n-640=25 yolov11s-640=26 yolov11m-640=27 yolov11l-640=28 yolov11x-640=29 yolov11n-1280=30
        yolov11s-1280=31 yolov11m-1280=32 yolov11l-1280=33 yolov11x-1280=34 rfdetr-base=36 rfdetr-nano=38
        rfdetr-small=39 rfdetr-medium=40 rfdetr-large=50 rfdetr-xlarge=47 rfdetr-2xlarge=48 yolov26n-640=41
        yolov26s-640=42 yolov26m-640=43 yolov26l-640=44 yolov26x-640=45
    """,
    "coco-dataset-vdnr1": """
        yolov8n-seg-640=2 yolov8n-seg-1280=7 yolov8s-seg-640=4 yolov8s-seg-1280=8 yolov8m-seg-640=5
        yolov8m-seg-1280=9 yolov8l-seg-640=6 yolov8l-seg-1280=10 yolov8x-seg-640=3 yolov8x-seg-1280=11
        yolov11n-seg-640=19 yolov11s-seg-640=20 yolov11m-seg-640=21 yolov11l-seg-640=22 yolov11x-seg-640=23
        rfdetr-seg-preview=26 rfdetr-seg-nano=41 rfdetr-seg-small=36 rfdetr-seg-medium=37 rfdetr-seg-large=38
        rfdetr-seg-xlarge=39 rfdetr-seg-2xlarge=40 yolov26n-seg-640=27 yolov26s-seg-640=28 yolov26m-seg-640=29
        yolov26l-seg-640=31 yolov26x-seg-640=34
    """,
    "coco-pose-detection": """
        yolov8n-pose-640=1 yolov8s-pose-640=2 yolov8m-pose-640=3 yolov8l-pose-640=4 yolov8x-pose-640=5
        yolov8x-pose-1280=6 yolov26n-pose-640=12 yolov26s-pose-640=13 yolov26m-pose-640=14 yolov26l-pose-640=15
        yolov26x-pose-640=16
    """,
    "paligemma-pretrains": """
        paligemma-3b-mix-224=1 paligemma-3b-mix-448=20 paligemma-3b-ft-cococap-224=8
        paligemma-3b-ft-screen2words-224=9 paligemma-3b-ft-vqav2-224=10 paligemma-3b-ft-tallyqa-224=11
        paligemma-3b-ft-docvqa-224=12 paligemma-3b-ft-ocrvqa-224=13 paligemma-3b-ft-cococap-448=14
        paligemma-3b-ft-screen2words-448=15 paligemma-3b-ft-vqav2-448=16 paligemma-3b-ft-tallyqa-448=17
        paligemma-3b-ft-docvqa-448=18 paligemma-3b-ft-ocrvqa-448=19
    """,
    "florence-pretrains": """
        florence-2-base=3 florence-2-large=4
    """,
    "qwen-pretrains": """
        qwen25-vl-7b=1 qwen3vl-2b-instruct=2
    """,
    "microsoft": """
        rfdetr-keypoint-preview=coco-pose-detection-17-rfdetr-keypoint-preview-t1
    """,
    "classifiers": """
        resnet18=1 resnet34=2 resnet50=3 resnet101=4
    """,
    "captoin-t38zo": """
        sam3-3d-objects=1
    """,
    "yolo26-pretrains": """
        yolov26n-sem-1024=yolo26n-sem yolov26s-sem-1024=yolo26s-sem yolov26m-sem-1024=yolo26m-sem
        yolov26l-sem-1024=yolo26l-sem yolov26x-sem-1024=yolo26x-sem yolov26n-depth-768=yolo26n-depth
        yolov26s-depth-768=yolo26s-depth yolov26m-depth-768=yolo26m-depth yolov26l-depth-768=yolo26l-depth
        yolov26x-depth-768=yolo26x-depth
    """,
}
# Models that have two names: one with a v, one without.
_WITHOUT_V = (("yolov11", "yolo11"), ("yolov26", "yolo26"))
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*/[A-Za-z0-9][A-Za-z0-9_.-]*")
_LONGEST = 200


def aliases() -> dict[str, str]:
    """Every alias and its id."""
    found = {}
    for project, models in _PROJECTS.items():
        for name, _, version in (model.partition("=") for model in models.split()):
            found[name] = f"{project}/{version}"
            for long, short in _WITHOUT_V:
                if name.startswith(long):
                    found[short + name[len(long) :]] = f"{project}/{version}"
    return found


def canonical_id(name: str) -> str:
    """The id `project/version` that an alias or an id means.

    Raises ModelUnavailable, with the nearest alias, if it is neither.
    """
    known = aliases()
    if name in known:
        return known[name]
    if _ID.fullmatch(name) and len(name) <= _LONGEST:
        return name
    near = suggestion(name, known, list_all=False)
    raise ModelUnavailable(
        f"{name!r}: there is no such file or folder, and it is no model id: neither project/version nor a known "
        f"alias{near or '; `mpipeline models list --aliases` shows them'}"
    )
