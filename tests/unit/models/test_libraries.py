"""Families against the libraries that their models come from: what these made of random weights is kept in files.

`python -m support.libraries` makes the files anew, where PyTorch and the libraries are.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.libraries.kept import FOLDER, Found, Picture, Port, Results, load
from support.photos import framed
from support.pictures import scene

from mpipeline.models.family import Family, ModelOptions
from mpipeline.models.selection import choose_family
from mpipeline.prediction import Detections
from mpipeline.tensor import Geometry, ModelInfo, TensorSpec

FILES = sorted(FOLDER.glob("*.npz"))
# The part of a frame that differs, of masks of noise on 24 x 16 cells. Ultralytics (since 8.4) takes the edges of
# picture and boxes in the grid as they are; the family rounds them to cells, as that did before.
MASKS_APART = {"yolo_segmentation": 0.13, "rfdetr": 1e-4, "semantic_segmentation": 0.02}
ONE_LEVEL = 1.5 / 255  # by which inputs may differ that were made from the same picture


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def results(request: pytest.FixtureRequest) -> Results:
    path: Path = request.param
    return load(path)


def spec(port: Port) -> TensorSpec:
    return TensorSpec(port.name, tuple(None if side < 0 else side for side in port.shape), np.dtype(port.dtype))


def family_of(results: Results) -> Family:
    ports = (tuple(spec(port) for port in some) for some in (results.inputs, results.outputs))
    info = ModelInfo(*ports, dict(results.metadata))
    chosen, why = choose_family(info, None if results.recognised else results.family)
    assert why.startswith(f"The family is {results.family}")
    options = {key: tuple(value) if isinstance(value, list) else value for key, value in results.options.items()}
    return chosen(info, ModelOptions(**options))


def fed(family: Family, picture: Picture) -> tuple[np.ndarray, Geometry]:
    row = np.empty(family.input_shape, family.input_dtype)
    return row, family.preprocess(framed(scene(picture.width, picture.height, picture.seed)), row)


def found_in(family: Family, picture: Picture) -> Any:
    _, geometry = fed(family, picture)
    (found,) = family.postprocess({key: value[None] for key, value in picture.outputs.items()}, [geometry])
    return found


def test_each_file_says_of_which_library_it_is(results: Results) -> None:
    assert re.fullmatch(r"[a-z0-9-]+ \d+(\.\d+)+.*", results.library)
    assert sum(len(picture.found.score) for picture in results.pictures) >= 8


def test_the_same_is_found_in_the_same_outputs(results: Results) -> None:
    family = family_of(results)
    for picture in results.pictures:
        found, wanted = found_in(family, picture), in_sight(picture.found)
        assert isinstance(found, Detections)
        pairs = paired(found, wanted)
        assert len({mine for mine, _ in pairs}) == len(pairs) == len(wanted.score)
        for mine, theirs in pairs if wanted.keypoints is not None else ():
            assert found.keypoints is not None
            np.testing.assert_allclose(found.keypoints[mine], wanted.keypoints[theirs], atol=0.05)
        if wanted.masks is None:
            assert len(found) == len(wanted.score)
            continue
        assert found.masks is not None
        apart = [(found.masks.picture(mine) != wanted.masks[theirs]).mean() for mine, theirs in pairs]
        assert np.mean(apart) < MASKS_APART[results.family]
        assert len(found) - len(pairs) <= len(found) // 5  # those of whose masks nothing is left, there


def test_pictures_are_fed_alike(results: Results) -> None:
    family = family_of(results)
    for picture in results.pictures:
        if picture.fed is not None:
            apart = np.abs(fed(family, picture)[0] - picture.fed)
            assert apart.mean() < ONE_LEVEL / 3
            assert apart.max() < 3 * ONE_LEVEL


def paired(found: Detections, wanted: Found) -> list[tuple[int, int]]:
    """Which is which: of equal class, score and box; without scores, of equal class and nearly the same box."""
    pairs: list[tuple[int, int]] = []
    for theirs, (box, score, class_id) in enumerate(zip(wanted.xyxy, wanted.score, wanted.class_id, strict=True)):
        apart = np.abs(found.xyxy - box).max(axis=1)
        if not np.isnan(score):
            apart[np.abs(found.score - score) > 2e-5] = np.inf
        apart[found.class_id != class_id] = np.inf
        apart[[mine for mine, _ in pairs]] = np.inf
        mine = int(apart.argmin())
        assert apart[mine] < (2.0 if np.isnan(score) else 0.05), f"nothing like {class_id}, {score}, {box}"
        pairs.append((mine, theirs))
    return pairs


def in_sight(found: Found) -> Found:
    """Those of which any part is in the picture."""
    seen = (found.xyxy[:, 2] > found.xyxy[:, 0]) & (found.xyxy[:, 3] > found.xyxy[:, 1])
    columns = {key: None if value is None else value[seen] for key, value in vars(found).items()}
    return Found(**columns)
