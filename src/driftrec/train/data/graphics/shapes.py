"""Outlines of things that nobody can name: closed curves, polygons and pen strokes."""

import numpy as np
from numpy.random import Generator

from driftrec.train.data.graphics.common import Floats

Points = list[tuple[float, float]]


def blob(rng: Generator, centre: Floats, radius: float) -> Points:
    """A closed outline around a centre: a smooth curve, a polygon, a star, an ellipse or a rectangle."""
    kind = rng.random()
    turn = rng.random() * 2 * np.pi
    if kind < 0.45:
        angles = np.linspace(0, 2 * np.pi, 48, endpoint=False)
        order = np.arange(1, 6)
        strength = rng.standard_normal(5) * 0.35 / order
        waves = np.cos(order * (angles[:, None] + rng.random(5) * 2 * np.pi))
        distances = radius * np.clip(1 + waves @ strength, 0.15, 2)
        stretch = np.array([1, rng.uniform(0.4, 1)])
    elif kind < 0.65:
        angles = np.sort(rng.random(int(rng.integers(3, 9)))) * 2 * np.pi
        distances = radius * rng.uniform(0.5, 1.2, angles.size)
        stretch = np.ones(2)
    elif kind < 0.75:
        angles = np.linspace(0, 2 * np.pi, 2 * int(rng.integers(4, 12)), endpoint=False)
        distances = radius * np.where(np.arange(angles.size) % 2, rng.uniform(0.3, 0.8), 1)
        stretch = np.ones(2)
    elif kind < 0.9:
        angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
        distances = np.full(40, radius)
        stretch = np.array([1, rng.uniform(0.3, 1)])
    else:
        angles = np.pi / 4 + np.arange(4) * np.pi / 2
        distances, stretch = np.full(4, radius), np.array([1, rng.uniform(0.2, 1)])
        turn = turn if rng.random() < 0.4 else 0.0
    around = np.stack([np.cos(angles), np.sin(angles)], axis=1) * distances[:, None] * stretch
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return as_points(around @ rotation.T + centre)


def curve(rng: Generator, start: Floats, length: float, bend: float = 1.0) -> Floats:
    """A smooth open curve of about `length` from a start, float64 (points, 2); with `bend` 0 a straight line."""
    count = 24
    heading = rng.random() * 2 * np.pi
    turns = bend * (rng.standard_normal() * np.linspace(0, 2, count) + np.sin(np.linspace(0, 6, count) + heading))
    steps = np.stack([np.cos(heading + turns), np.sin(heading + turns)], axis=1) * length / count
    return start + np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)])


def stroke(line: Floats, widest: float) -> Points:
    """The outline of a pen stroke along a curve, which is thin at both ends."""
    along = np.gradient(line, axis=0)
    lengths = np.linalg.norm(along, axis=1, keepdims=True)
    normal = np.stack([-along[:, 1], along[:, 0]], axis=1) / np.maximum(lengths, 1e-9)
    half = 0.5 * widest * np.sin(np.linspace(0.1, np.pi - 0.1, len(line)))[:, None]
    return as_points(np.concatenate([line + half * normal, (line - half * normal)[::-1]]))


def as_points(values: Floats) -> Points:
    """Rows (x, y) as Pillow takes them."""
    return [(float(x), float(y)) for x, y in values]
