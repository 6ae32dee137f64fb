"""The processor, from made-up machines."""

from __future__ import annotations

from pathlib import Path

import pytest

from mpipeline.backends.cores import cpu_identity, physical_cores


def machine(root: Path, siblings: dict[int, str], quota: str | None) -> Path:
    for cpu, text in siblings.items():
        topology = root / f"devices/system/cpu/cpu{cpu}/topology"
        topology.mkdir(parents=True)
        (topology / "thread_siblings_list").write_text(f"{text}\n")
    if quota is not None:
        (root / "fs/cgroup").mkdir(parents=True)
        (root / "fs/cgroup/cpu.max").write_text(f"{quota}\n")
    return root


@pytest.mark.parametrize(
    ("cpus", "siblings", "quota", "cores"),
    [
        ({0, 1, 2, 3}, {0: "0,2", 1: "1,3", 2: "0,2", 3: "1,3"}, None, 2),
        ({0, 2}, {0: "0,2", 1: "1,3", 2: "0,2", 3: "1,3"}, None, 1),
        ({0, 1, 2, 3}, {0: "0", 1: "1", 2: "2", 3: "3"}, "max 100000", 4),
        ({0, 1, 2, 3}, {0: "0", 1: "1", 2: "2", 3: "3"}, "150000 100000", 2),
        ({0, 1}, {}, None, 2),
        ({0, 1}, {}, "10000 100000", 1),
    ],
)
def test_cores(tmp_path: Path, cpus, siblings, quota, cores) -> None:
    assert physical_cores(cpus, machine(tmp_path, siblings, quota)) == cores


def test_this_machine_has_some() -> None:
    assert physical_cores() >= 1


def test_cpus_are_told_apart(tmp_path: Path) -> None:
    texts = {
        "one": "processor\t: 0\nmodel name\t: A\nflags\t\t: avx2 avx512f\n\nprocessor\t: 1\nmodel name\t: A\n",
        "later": "processor\t: 0\nmodel name\t: A\ncpu MHz\t\t: 1999\nflags\t\t: avx2 avx512f\n\n",
        "fewer abilities": "processor\t: 0\nmodel name\t: A\nflags\t\t: avx2\n",
        "another": "processor\t: 0\nmodel name\t: B\nflags\t\t: avx2 avx512f\n",
        "arm": "processor\t: 0\nFeatures\t: fp asimd\nCPU part\t: 0xd40\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    told = {name: cpu_identity(tmp_path / name) for name in texts}
    assert told["one"] == told["later"]
    assert len(set(told.values())) == len(told) - 1
    assert cpu_identity(tmp_path / "absent")
    assert cpu_identity() == cpu_identity()
