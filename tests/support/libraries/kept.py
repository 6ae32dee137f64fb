"""What the families' own libraries have made of small models with random weights, as `results/*.npz` keep it.

`python -m support.libraries` makes these files, where PyTorch is; here they are only read. Nothing of a library is in
them but the numbers that it gave, with its name and version.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

FOLDER = Path(__file__).with_name("results")

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Found:
    """What a library reports for one picture, the surest first: boxes (N, 4) in its pixels, scores and classes.

    `keypoints` (N, K, 3) and `masks` (N, height, width) bool, of models that have them.
    """

    xyxy: Array
    score: Array
    class_id: Array
    keypoints: Array | None = None
    masks: Array | None = None


@dataclass(frozen=True)
class Picture:
    """One picture, `scene(width, height, seed)`: as the library feeds it, what the model answers, what is found.

    `fed` are the numbers of the input (3, height, width), None if the library leaves that to others.
    """

    width: int
    height: int
    seed: int
    outputs: Mapping[str, Array]
    found: Found
    fed: Array | None = None


@dataclass(frozen=True)
class Port:
    """An input or output of the model file; -1 stands for a dynamic side."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class Results:
    """One model. `library` is its name and version; `options` are those of the family, `family` is asked for."""

    library: str
    family: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    pictures: tuple[Picture, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    recognised: bool = True  # without being asked for

    def save(self, name: str) -> Path:
        """Writes `results/NAME.npz`."""
        arrays: dict[str, Array] = {}
        about = {key: value for key, value in asdict(self).items() if key != "pictures"}
        about["pictures"] = [[one.width, one.height, one.seed] for one in self.pictures]
        for number, one in enumerate(self.pictures):
            arrays |= {f"{number}/out/{key}": value for key, value in one.outputs.items()}
            arrays |= {f"{number}/{key}": value for key, value in vars(one.found).items() if value is not None}
            if one.found.masks is not None:
                arrays[f"{number}/masks"] = np.packbits(one.found.masks.astype(bool), axis=None)
            if one.fed is not None:
                arrays[f"{number}/fed"] = one.fed.astype(np.float16)
        path = FOLDER / f"{name}.npz"
        np.savez_compressed(path, about=np.array(json.dumps(about)), **arrays)
        return path


def load(path: Path) -> Results:
    """What `Results.save` has written."""
    with np.load(path) as arrays:
        about = json.loads(str(arrays["about"]))
        pictures = tuple(
            _picture(arrays, number, *size_and_seed) for number, size_and_seed in enumerate(about.pop("pictures"))
        )
    ports = {
        key: tuple(Port(one["name"], tuple(one["shape"]), one["dtype"]) for one in about.pop(key)) for key in PORTS
    }
    return Results(**ports, pictures=pictures, **about)


PORTS = ("inputs", "outputs")


def _picture(arrays: Any, number: int, width: int, height: int, seed: int) -> Picture:
    mine = {key.split("/", 1)[1]: arrays[key] for key in arrays.files if key.startswith(f"{number}/")}
    outputs = {key.removeprefix("out/"): value for key, value in mine.items() if key.startswith("out/")}
    masks = mine.get("masks")
    if masks is not None:
        count = len(mine["score"])
        masks = np.unpackbits(masks, count=count * height * width).reshape(count, height, width).astype(bool)
    found = Found(mine["xyxy"], mine["score"], mine["class_id"], mine.get("keypoints"), masks)
    return Picture(width, height, seed, outputs, found, mine.get("fed"))
