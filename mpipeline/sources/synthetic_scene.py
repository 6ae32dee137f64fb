"""A scene of moving shapes whose every frame, and every box in it, is a pure function of seed, size and frame number.

Each shape bounces inside a region of its own. Regions overlap a little and reach a little over the frame's edge, by
amounts chosen so that no shape is ever more than half covered by others: every shape is in the truth of every frame.
Coordinates are continuous: pixel i covers [i, i + 1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

CLASS_NAMES = ("circle", "square", "triangle")
_CIRCLE, _SQUARE, _TRIANGLE = range(3)

# Radii are those of the circle around a shape; a disc is drawn smaller so that the three classes look alike in size.
_DISC_RADIUS = 0.8
_LARGEST_IN_CELL = 0.8
_LARGEST_IN_FRAME = 0.36
_SMALLEST_TO_LARGEST = 0.65
# Two neighbours that both reach this far over their common border overlap by 0.28 of the smaller one's diameter, and
# in a corner by at most 1 - 0.72² < 0.5 of its box.
_REACH_INSIDE = 0.14
_REACH_OUTSIDE = 0.2
_CELL_ASPECT = 3.0  # wide cells give long runs

Boxes = npt.NDArray[np.float32]
ClassIds = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Pose:
    """One shape in one frame: centre and radius in pixels, angle in radians (0: a side, or the base, is level)."""

    class_id: int
    x: float
    y: float
    radius: float
    angle: float

    def half_planes(self) -> list[tuple[float, float, float]]:
        """The polygon as (nx, ny, d): inside where nx * dx + ny * dy <= d, for offsets dx, dy from the centre.

        Empty for a disc.
        """
        if self.class_id == _CIRCLE:
            return []
        sides = 4 if self.class_id == _SQUARE else 3
        apothem = self.radius * math.cos(math.pi / sides)
        turns = [self.angle + math.pi / 2 + 2 * math.pi * side / sides for side in range(sides)]
        return [(math.cos(turn), math.sin(turn), apothem) for turn in turns]

    def inradius(self) -> float:
        """How far the nearest edge is from the centre."""
        return {_CIRCLE: _DISC_RADIUS, _SQUARE: math.sqrt(0.5), _TRIANGLE: 0.5}[self.class_id] * self.radius

    def box(self) -> tuple[float, float, float, float]:
        """The tight box: left, top, right, bottom, not clipped to the frame."""
        if self.class_id == _CIRCLE:
            radius = _DISC_RADIUS * self.radius
            return self.x - radius, self.y - radius, self.x + radius, self.y + radius
        sides = 4 if self.class_id == _SQUARE else 3
        turns = [self.angle + math.pi / 2 + math.pi * (2 * corner + 1) / sides for corner in range(sides)]
        xs = [self.x + self.radius * math.cos(turn) for turn in turns]
        ys = [self.y + self.radius * math.sin(turn) for turn in turns]
        return min(xs), min(ys), max(xs), max(ys)


@dataclass(frozen=True, slots=True)
class _Motion:
    """How one shape moves: between two limits on each axis, at constant speed, while it turns."""

    class_id: int
    radius: float
    left: float
    top: float
    run_x: float
    run_y: float
    phase_x: float
    phase_y: float
    step: tuple[float, float]  # pixels a frame
    phase_angle: float
    turn: float  # radians a frame

    def pose(self, n: int) -> Pose:
        x = self.left + _bounced(self.phase_x * 2 * self.run_x + n * self.step[0], self.run_x)
        y = self.top + _bounced(self.phase_y * 2 * self.run_y + n * self.step[1], self.run_y)
        return Pose(self.class_id, x, y, self.radius, self.phase_angle + n * self.turn)


def _bounced(way: float, run: float) -> float:
    """Where one is after `way` pixels between two walls that are `run` apart."""
    return run - abs(way % (2 * run) - run) if run > 0 else 0.0


class SyntheticScene:
    """`shapes` moving shapes in a frame of `width` by `height` pixels."""

    def __init__(self, width: int, height: int, seed: int, shapes: int) -> None:
        self.width = width
        self.height = height
        self.seed = seed
        self.shapes = shapes
        self._motions = _motions(width, height, np.random.default_rng([seed, 1]), shapes)

    def poses(self, n: int) -> list[Pose]:
        """The shapes in frame `n` (from 0), the lowest first: later ones cover earlier ones."""
        return [motion.pose(n) for motion in self._motions]

    def truth(self, n: int) -> tuple[Boxes, ClassIds]:
        """Boxes (N, 4) float32, left, top, right, bottom, clipped to the frame, and class ids (N,) int32 of frame `n`.

        A box is that of the whole shape, as far as the frame goes, also where another shape covers part of it.
        """
        poses = self.poses(n)
        limit = np.array([self.width, self.height] * 2, np.float32)
        boxes = np.array([pose.box() for pose in poses], np.float32).reshape(-1, 4)
        return np.clip(boxes, 0, limit).astype(np.float32), np.array([pose.class_id for pose in poses], np.int32)


def _motions(width: int, height: int, random: np.random.Generator, shapes: int) -> list[_Motion]:
    """Draws a motion for each shape; each has a cell of a grid that fills the frame."""
    cells = _cells(width, height, shapes)
    room = min((min(right - left, bottom - top) for left, top, right, bottom in cells), default=0.0)
    largest = min(_LARGEST_IN_CELL * room, _LARGEST_IN_FRAME * min(width, height))
    smallest = _SMALLEST_TO_LARGEST * largest
    first_class = int(random.integers(len(CLASS_NAMES)))
    motions = []
    for index, (left, top, right, bottom) in enumerate(cells):
        diameter = float(random.uniform(smallest, largest))
        inside, outside = _REACH_INSIDE * smallest, _REACH_OUTSIDE * diameter
        lowest_x = left - (outside if left <= 0 else inside) + diameter / 2
        lowest_y = top - (outside if top <= 0 else inside) + diameter / 2
        highest_x = right + (outside if right >= width else inside) - diameter / 2
        highest_y = bottom + (outside if bottom >= height else inside) - diameter / 2
        signs = random.choice([-1.0, 1.0], 2)
        speed = largest * random.uniform(0.012, 0.035)
        direction = random.uniform(0.15, 0.6)  # radians from the horizontal: long runs, few bounces
        phases = random.uniform(0, 1, 3)
        motions.append(
            _Motion(
                class_id=(first_class + index) % len(CLASS_NAMES),
                radius=diameter / 2,
                left=lowest_x,
                top=lowest_y,
                run_x=highest_x - lowest_x,
                run_y=highest_y - lowest_y,
                phase_x=float(phases[0]),
                phase_y=float(phases[1]),
                step=(float(signs[0] * speed * math.cos(direction)), float(signs[1] * speed * math.sin(direction))),
                phase_angle=float(phases[2] * 2 * math.pi),
                turn=float(random.uniform(-0.03, 0.03)),
            )
        )
    return motions


def _cells(width: int, height: int, shapes: int) -> list[tuple[float, float, float, float]]:
    """Cuts the frame into a rectangle for each shape, in rows of nearly equal length; those at an edge touch it."""
    columns = max(1, round(math.sqrt(shapes * width / height / _CELL_ASPECT)))
    rows = max(1, round(shapes / columns))
    cells: list[tuple[float, float, float, float]] = []
    for row in range(rows):
        in_row = shapes * (row + 1) // rows - shapes * row // rows
        top, bottom = height * row / rows, height * (row + 1) / rows
        cells += [(width * i / in_row, top, width * (i + 1) / in_row, bottom) for i in range(in_row)]
    return cells
