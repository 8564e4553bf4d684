"""Shapes that several scenes draw."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from srae.rendering.canvas import Canvas, Color, Palette, Point
from srae.rendering.dice import Dice


def regular(center: Point, radius: float, corners: int, angle: float = 0.0, inner: float = 1.0) -> list[Point]:
    """A regular polygon, or with `inner` below 1 a star."""
    points = []
    for i in range(corners * 2):
        reach = radius * (inner if i % 2 else 1)
        turn = angle + math.pi * i / corners
        points.append((center[0] + reach * math.cos(turn), center[1] + reach * math.sin(turn)))
    return points if inner < 1 else points[::2]


def blob(dice: Dice, center: Point, radius: float, roughness: float = 0.25) -> list[Point]:
    """A smooth closed shape: a circle whose radius has three overtones."""
    turn = np.linspace(0, 2 * math.pi, 72, endpoint=False)
    reach = np.ones_like(turn)
    for overtone in (2, 3, 5):
        reach += dice.between(0, roughness) * np.cos(overtone * turn + dice.between(0, 2 * math.pi))
    stretch = dice.size(0.6, 1.6)
    xs, ys = center[0] + radius * stretch * reach * np.cos(turn), center[1] + radius * reach * np.sin(turn)
    return list(zip(xs.tolist(), ys.tolist(), strict=True))


def pen_curve(dice: Dice, canvas: Canvas, reach: float, steps: int = 32) -> np.ndarray:
    """(steps, 2): points of a cubic Bezier curve that begins anywhere; its four points are at most `reach` apart."""
    start = [dice.between(0, canvas.width), dice.between(0, canvas.height)]
    p, q, r, s = np.cumsum([start, *dice.numbers(6, -reach, reach).reshape(3, 2)], axis=0)
    t = np.linspace(0, 1, steps)[:, None]
    return (1 - t) ** 3 * p + 3 * (1 - t) ** 2 * t * q + 3 * (1 - t) * t**2 * r + t**3 * s


def rule(canvas: Canvas, origin: Point, angle: float, *, step: float, width: float, color: Color) -> None:
    """Parallel lines over the whole image, one of them through `origin`."""
    (x, y), reach = origin, canvas.height + canvas.width
    dx, dy = math.cos(angle), math.sin(angle)
    for i in range(-int(reach / step) - 1, int(reach / step) + 2):
        middle = x - dy * i * step, y + dx * i * step
        ends = [(middle[0] + sign * dx * reach, middle[1] + sign * dy * reach) for sign in (-1, 1)]
        canvas.line(ends, color, width)


def stroke(canvas: Canvas, points: np.ndarray, width: float, color: Color) -> None:
    """A line that is drawn with a pen: thin at both ends, `width` in the middle."""
    ahead = np.gradient(points, axis=0)
    normal = np.stack((-ahead[:, 1], ahead[:, 0]), 1) / np.maximum(np.hypot(*ahead.T), 1e-6)[:, None]
    half = (0.15 + 0.85 * np.sin(np.linspace(0, math.pi, len(points)))) * width / 2
    outline = np.concatenate((points + normal * half[:, None], (points - normal * half[:, None])[::-1]))
    canvas.polygon([tuple(point) for point in outline.tolist()], color)


def arrow(canvas: Canvas, points: Sequence[Point], color: Color, width: float) -> None:
    canvas.line(points, color, width)
    (x0, y0), (x1, y1) = points[-2:]
    angle, side = math.atan2(y1 - y0, x1 - x0), 3 + 2 * width
    canvas.polygon(regular((x1, y1), side, 3, angle), color)


def ring_of(points: Sequence[Point]) -> list[Point]:
    """Closed, to be drawn as a line."""
    return [*points, points[0], points[1]]


def draw_icon(canvas: Canvas, dice: Dice, palette: Palette, center: Point, radius: float) -> None:
    """A small sign: a filled or hollow polygon, star, disc, cross, bars or arrow."""
    color = palette.ink if dice.chance(0.5) else dice.pick(palette.accents)
    (x, y), kind, thin = center, dice.count(0, 5), max(1.0, radius * dice.between(0.1, 0.35))
    if kind == 0:
        canvas.polygon(regular(center, radius, dice.count(3, 8), dice.between(0, 6)), color)
    elif kind == 1:
        canvas.polygon(regular(center, radius, dice.count(4, 12), dice.between(0, 6), dice.between(0.4, 0.8)), color)
    elif kind == 2:
        hollow = dice.chance(0.5)
        canvas.ellipse(center, (radius, radius), None if hollow else color, color, thin)
    elif kind == 3:
        angle = dice.pick([0.0, math.pi / 4])
        for turn in (angle, angle + math.pi / 2):
            dx, dy = radius * math.cos(turn), radius * math.sin(turn)
            canvas.line([(x - dx, y - dy), (x + dx, y + dy)], color, thin)
    elif kind == 4:
        for i in (-1, 0, 1):
            canvas.box((x - radius, y + i * radius * 0.7 - thin / 2), (2 * radius, thin), color)
    else:
        angle = dice.between(0, 2 * math.pi)
        dx, dy = radius * math.cos(angle), radius * math.sin(angle)
        arrow(canvas, [(x - dx, y - dy), (x + dx / 2, y + dy / 2)], color, thin)
