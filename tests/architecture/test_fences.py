"""Who may use which library, and where the environment and the clock are read."""

from __future__ import annotations

from fnmatch import fnmatch
from typing import get_args

import pytest
from architecture.source_tree import imports_of, names_used, python_files, relative

from mpipeline import registry

# Library → the files that may import it. Those in LAZY are imported when their kind is opened, never on load.
FENCES = {
    "zmq": ["mpipeline/transport/*", "mpipeline/sinks/zmq.py"],
    "mpipeline._native": ["mpipeline/ring/*", "mpipeline/models/*"],
    "av": ["mpipeline/sources/video*.py", "mpipeline/sinks/video.py", "mpipeline/sinks/encoder.py"],
    "cv2": [
        "mpipeline/sources/device*.py",
        "mpipeline/sources/images.py",
        "mpipeline/sinks/video.py",
        "mpipeline/sinks/encoder.py",
        "mpipeline/sinks/drawing*.py",
        "mpipeline/sinks/images.py",
        "mpipeline/sinks/zmq.py",  # pictures as JPEG
        "mpipeline/masks.py",  # outlines
        "mpipeline/inference_pipeline/sinks/*",
        "mpipeline/hosted/pictures.py",
    ],
    "gi": ["mpipeline/sources/gstreamer_library.py"],
    "supervision": ["mpipeline/inference_pipeline/sinks/conversion.py", "mpipeline/trackers/library.py"],
    "trackers": ["mpipeline/trackers/library.py"],
    "onnxruntime": [
        "mpipeline/backends/onnxruntime.py",
        "mpipeline/backends/engines/onnx_model.py",  # its tools make float16 of float32
        "mpipeline/hosted/quantization.py",
    ],
    "openvino": ["mpipeline/backends/openvino.py"],
    "tensorrt": ["mpipeline/backends/tensorrt*.py", "mpipeline/backends/engines/library.py"],
    "pycuda": ["mpipeline/cuda/pycuda_driver.py"],
    "urllib3": ["mpipeline/store/*", "mpipeline/sinks/webhook.py"],
    "filelock": ["mpipeline/store/*"],
    "paho": ["mpipeline/sinks/mqtt.py"],
    "redis": ["mpipeline/sinks/redis.py"],
    "sqlalchemy": ["mpipeline/sinks/database*.py"],
    "rich": ["mpipeline/cli/*"],
    "torch": ["mpipeline/demo/*"],
    "onnx": ["mpipeline/demo/*", "mpipeline/hosted/quantization.py", "mpipeline/backends/engines/onnx_model.py"],
}
LAZY = {"av", "cv2", "onnxruntime", "openvino", "tensorrt", "pycuda", "torch", "onnx", "supervision", "trackers", "gi"}
LAZY |= {"paho", "redis", "sqlalchemy"}


def is_of(module: str, library: str) -> bool:
    return module == library or module.startswith(f"{library}.")


@pytest.mark.parametrize("library", FENCES)
def test_a_library_stays_behind_its_fence(library: str) -> None:
    wrong = [
        f"{found.file}:{found.line} imports {found.module}"
        for path in python_files("mpipeline")
        for found in imports_of(path)
        if is_of(found.module, library) and not any(fnmatch(found.file, pattern) for pattern in FENCES[library])
    ]
    assert not wrong


@pytest.mark.parametrize("library", sorted(LAZY))
def test_an_optional_library_is_imported_only_when_its_kind_is_opened(library: str) -> None:
    wrong = [
        f"{found.file}:{found.line}"
        for path in python_files("mpipeline")
        for found in imports_of(path)
        if is_of(found.module, library) and found.on_load
    ]
    assert not wrong


@pytest.mark.parametrize("group", get_args(registry.Group))
def test_nobody_imports_the_file_of_a_kind_which_its_line_alone_names(group: registry.Group) -> None:
    files = {path.partition(":")[0] for path in registry.kinds(group).values()}
    wrong = [
        f"{found.file}:{found.line} imports {found.module}"
        for path in python_files("mpipeline")
        for found in imports_of(path)
        if found.module in files
    ]
    assert not wrong


def test_the_environment_is_read_only_in_config() -> None:
    wrong = [
        f"{relative(path)}:{line} os.{name}"
        for path in python_files("mpipeline")
        for name, line in names_used(path, "os")
        if name in ("environ", "environb", "getenv", "putenv", "getenvb", "unsetenv")
        if not relative(path).startswith("mpipeline/config/")
        if relative(path) != "mpipeline/backends/telemetry.py"  # sets a variable of a library, before it is imported
    ]
    assert not wrong


def test_time_is_read_only_through_the_clock() -> None:
    wrong = [
        f"{relative(path)}:{line} time.{name}"
        for path in python_files("mpipeline")
        for name, line in names_used(path, "time")
        if name in ("time", "time_ns", "monotonic", "monotonic_ns", "sleep")
        if relative(path) != "mpipeline/clock.py" and not relative(path).startswith("mpipeline/demo/")
    ]
    assert not wrong


def test_no_lock_or_queue_of_multiprocessing_stands_between_processes() -> None:
    allowed = ("multiprocessing.shared_memory", "multiprocessing.resource_tracker")
    wrong = [
        f"{found.file}:{found.line} imports {found.module}"
        for path in python_files("mpipeline")
        for found in imports_of(path)
        if is_of(found.module, "multiprocessing") and found.module != "multiprocessing"
        if not any(is_of(found.module, one) for one in allowed)
    ]
    used = [
        f"{relative(path)}:{line} multiprocessing.{name}"
        for path in python_files("mpipeline")
        for name, line in names_used(path, "multiprocessing")
        if name not in ("shared_memory", "resource_tracker")
    ]
    assert not wrong + used


def test_no_test_sleeps() -> None:
    """What tests/support makes may: a camera keeps its pace."""
    wrong = [
        f"{relative(path)}:{line}"
        for path in python_files("tests")
        for name, line in names_used(path, "time") | names_used(path, "asyncio")
        if name == "sleep" and not relative(path).startswith("tests/support/")
    ]
    assert not wrong
