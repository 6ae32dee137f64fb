"""The words for devices."""

from __future__ import annotations

import pytest

from mpipeline.backends.devices import check_device, gpu_of
from mpipeline.errors import ConfigError


@pytest.mark.parametrize(
    ("device", "number"),
    [("cuda", 0), ("cuda:0", 0), ("cuda:12", 12), ("auto", None), ("cpu", None), ("cuda:-1", None)],
)
def test_the_number_of_a_gpu(device: str, number: int | None) -> None:
    assert gpu_of(device) == number


@pytest.mark.parametrize(
    ("cpu", "gpu", "device", "message"),
    [
        (True, False, "cuda", "runs on the CPU: device is 'auto' or 'cpu', not 'cuda'"),
        (False, True, "cpu", "runs on a GPU: device is 'auto', 'cuda' or 'cuda:1' and so on, not 'cpu'"),
        (
            True,
            True,
            "gpu",
            "runs on the CPU or a GPU: device is 'auto', 'cpu', 'cuda' or 'cuda:1' and so on, not 'gpu'",
        ),
    ],
)
def test_what_is_no_device_of_a_backend(cpu: bool, gpu: bool, device: str, message: str) -> None:
    check_device("some", "auto", cpu=cpu, gpu=gpu)
    with pytest.raises(ConfigError, match=f"backend some {message}"):
        check_device("some", device, cpu=cpu, gpu=gpu)
