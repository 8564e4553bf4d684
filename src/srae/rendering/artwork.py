"""Scenes that are drawn for their looks: logos, flat icons, line art, patterns."""

from __future__ import annotations

import math
from functools import partial

from srae.rendering.canvas import Canvas, Color, Palette, Point, mix
from srae.rendering.dice import Dice
from srae.rendering.lettering import draw_words, open_font, pick_font, write_line
from srae.rendering.shapes import blob, draw_icon, pen_curve, regular, ring_of, rule, stroke

_BLACK, _WHITE = (0, 0, 0), (255, 255, 255)


def draw_logo(canvas: Canvas, dice: Dice, palette: Palette) -> None:
    """A few large shapes over one another, on a plain or graded ground, and large letters."""
    if dice.chance(0.4):
        first, last = dice.pick(palette.accents), dice.pick([palette.background, *palette.accents])
        canvas.gradient(first, last, dice.between(0, 2 * math.pi), radial=dice.chance(0.3))
    reach = min(canvas.height, canvas.width)
    for _ in range(dice.count(1, 5)):
        center = dice.between(0, canvas.width), dice.between(0, canvas.height)
        _draw_shape(canvas, dice, palette, center, dice.size(reach / 8, reach))
    for _ in range(dice.count(0, 2)):
        font, size = pick_font(dice), dice.size(reach / 5, reach)
        place = dice.between(-size / 2, canvas.width / 2), dice.between(-size / 2, canvas.height - size / 2)
        color = dice.pick([palette.ink, palette.background, *palette.accents])
        canvas.text(place, draw_words(dice, font, 1), open_font(font, size), color)


def _draw_shape(canvas: Canvas, dice: Dice, palette: Palette, center: Point, radius: float) -> None:
    """Filled, outlined or both."""
    corners, angle = dice.count(3, 9), dice.between(0, 6)
    points = dice.pick([
        regular(center, radius, corners, angle),
        regular(center, radius, corners, angle, dice.between(0.3, 0.8)),
        blob(dice, center, radius),
        regular(center, radius, 60),
    ])  # fmt: skip
    if not (hollow := dice.chance(0.25)):
        canvas.polygon(points, dice.pick([palette.ink, palette.background, *palette.accents]))
    if hollow or dice.chance(0.4):
        edge = dice.pick([palette.ink, palette.ink, palette.background])
        canvas.line(ring_of(points), edge, dice.size(0.8, radius / 5 + 1))


def draw_icons(canvas: Canvas, dice: Dice, palette: Palette) -> None:
    """Rows of flat icons, each on a tile or a disc of its own."""
    step = dice.size(14, 60)
    tile, radius = dice.pick(["none", "box", "disc"]), dice.between(0, step / 3)
    y = dice.between(0, step)
    while y < canvas.height + step:
        x = dice.between(0, step / 2)
        while x < canvas.width + step:
            ground = mix(palette.background, dice.pick(palette.accents), dice.pick([0.3, 1]))
            if tile == "box":
                canvas.box((x - step * 0.45, y - step * 0.45), (step * 0.9, step * 0.9), ground, radius=radius)
            elif tile == "disc":
                canvas.ellipse((x, y), (step * 0.45, step * 0.45), ground)
            draw_icon(canvas, dice, palette, (x, y), step * dice.between(0.2, 0.35))
            x += step
        y += step


def draw_line_art(canvas: Canvas, dice: Dice, palette: Palette) -> None:
    """Ink on paper as in comics: outlined shapes with screen tone or hatching, pen strokes, rays, a speech bubble."""
    in_color = dice.chance(0.4)
    paper, ink = (palette.background, palette.ink) if in_color and not palette.is_dark else (_WHITE, _BLACK)
    canvas.box((0, 0), (canvas.width, canvas.height), paper)
    reach = min(canvas.height, canvas.width)
    for _ in range(dice.count(1, 4)):
        center = dice.between(0, canvas.width), dice.between(0, canvas.height)
        outline = blob(dice, center, dice.size(reach / 6, reach / 1.5), 0.15)
        fill = dice.pick(palette.accents) if in_color else dice.pick([paper, paper, ink])
        canvas.polygon(outline, fill)
        if dice.chance(0.6):
            shade = mix(fill, ink, 0.5) if in_color else ink
            texture = dice.pick([_draw_tone, _draw_hatching])
            canvas.inside(outline, partial(texture, dice=dice, color=shade))
        canvas.line(ring_of(outline), ink, dice.size(0.7, 4))
    for _ in range(dice.count(4, 30)):
        stroke(canvas, pen_curve(dice, canvas, reach / 3), dice.size(0.8, 4), ink)
    if dice.chance(0.3):
        _draw_rays(canvas, dice, ink)
    if dice.chance(0.4):
        _draw_bubble(canvas, dice, ink)


def _draw_tone(canvas: Canvas, dice: Dice, color: Color) -> None:
    """Dots on a lattice that is turned by 45 degrees."""
    step = dice.size(2.5, 8)
    radius = step * dice.between(0.15, 0.45)
    for row in range(int(2 * canvas.height / step) + 2):
        for column in range(int(canvas.width / step) + 2):
            canvas.ellipse(((column + row % 2 / 2) * step, row * step / 2), (radius, radius), color)


def _draw_hatching(canvas: Canvas, dice: Dice, color: Color) -> None:
    step, width, origin = dice.size(2, 9), dice.size(0.5, 2), (canvas.width / 2, canvas.height / 2)
    angle = dice.between(0, math.pi)
    for turn in (angle, angle + math.pi / 2)[: 1 + dice.chance(0.3)]:
        rule(canvas, origin, turn, step=step, width=width, color=color)


def _draw_rays(canvas: Canvas, dice: Dice, color: Color) -> None:
    """Wedges toward a point: the lines of speed in comics."""
    x, y = dice.between(0, canvas.width), dice.between(0, canvas.height)
    reach = canvas.height + canvas.width
    for _ in range(dice.count(20, 80)):
        turn, wide, near = dice.between(0, 2 * math.pi), dice.size(0.002, 0.02), dice.between(0.2, 0.6) * reach / 2
        far = [(x + reach * math.cos(t), y + reach * math.sin(t)) for t in (turn - wide, turn + wide)]
        canvas.polygon([(x + near * math.cos(turn), y + near * math.sin(turn)), *far], color)


def _draw_bubble(canvas: Canvas, dice: Dice, ink: Color) -> None:
    x, y = dice.between(0, canvas.width), dice.between(0, canvas.height)
    across, down = dice.between(20, 50), dice.between(14, 34)
    canvas.polygon([(x - 6, y), (x + 6, y), (x + dice.between(-30, 30), y + 1.6 * down)], ink)
    canvas.ellipse((x, y), (across, down), _WHITE, ink, dice.size(0.8, 2.5))
    size, font = dice.size(7, 14), pick_font(dice)
    for line in (-1, 0):
        write_line(canvas, dice, (x - across * 0.7, y + line * size * 1.1), size, _BLACK, font=font, words=2)


def draw_pattern(canvas: Canvas, dice: Dice, palette: Palette) -> None:
    """Stripes, checks, rings, rays or a lattice of discs, from a pixel wide to a third of the image."""
    first, last = palette.ink, dice.pick([palette.background, palette.background, *palette.accents])
    canvas.box((0, 0), (canvas.width, canvas.height), last)
    step = dice.size(2.5, min(canvas.height, canvas.width) / 3)
    angle, reach = dice.pick([0.0, math.pi / 2, dice.between(0, math.pi)]), canvas.height + canvas.width
    x, y = dice.between(0, canvas.width), dice.between(0, canvas.height)
    kind = dice.count(0, 4)
    if kind == 0:
        rule(canvas, (x, y), angle, step=step, width=step * dice.between(0.3, 0.6), color=first)
    elif kind == 1:
        for row in range(int(canvas.height / step) + 1):
            for column in range(row % 2, int(canvas.width / step) + 1, 2):
                canvas.box((column * step, row * step), (step, step), first)
    elif kind == 2:
        for i in range(int(reach / step) + 1, 0, -1):
            canvas.ellipse((x, y), (i * step, i * step), first if i % 2 else last)
    elif kind == 3:
        for i in range(spokes := dice.count(4, 40)):
            turns = [2 * math.pi * (i + half) / spokes for half in (0, 0.5)]
            canvas.polygon([(x, y), *((x + reach * math.cos(t), y + reach * math.sin(t)) for t in turns)], first)
    else:
        _draw_tone(canvas, dice, first)
