"""Scenes of documents and screens: pages of text, interfaces, charts, diagrams."""

from __future__ import annotations

import math

from srae.rendering.canvas import Canvas, Color, Palette, Point, mix
from srae.rendering.dice import Dice
from srae.rendering.lettering import draw_words, open_font, pick_font, write_line
from srae.rendering.shapes import arrow, draw_icon


def draw_page(canvas: Canvas, dice: Dice, palette: Palette) -> None:
    """Lines of text in a few sizes, some in colour, some with a rule below."""
    y, font = dice.between(-10, 5), pick_font(dice)
    size = dice.size(7, 40)
    while y < canvas.height:
        if dice.chance(0.15):
            font, size = pick_font(dice), dice.size(7, 40)
        x, color = dice.between(-size, size), dice.pick(palette.accents) if dice.chance(0.2) else palette.ink
        words = draw_words(dice, font, 2 + int(canvas.width / (2 * size)))
        canvas.text((x, y), words, open_font(font, size), color)
        y += size * dice.pick([1.15, 1.3, 1.6])
        if dice.chance(0.08):
            canvas.line([(0, round(y)), (canvas.width, round(y))], palette.soft, dice.pick([1, 1, 2, 3]))


def draw_interface(canvas: Canvas, dice: Dice, palette: Palette) -> None:
    """A screenshot: bars, panels, buttons, rows of a list with icons; edges lie on whole pixels."""
    font, size = pick_font(dice), dice.size(8, 16)
    row = round(size * dice.between(1.6, 2.6))
    accent = dice.pick(palette.accents)
    side = dice.count(0, canvas.width // 2) if dice.chance(0.6) else 0
    canvas.box((0, 0), (side, canvas.height), palette.soft)
    top = dice.count(0, row)
    canvas.box((0, 0), (canvas.width, top), accent if dice.chance(0.5) else palette.soft)
    canvas.line([(0, top + 0.5), (canvas.width, top + 0.5)], mix(palette.background, palette.ink, 0.3))
    lined, radius = dice.chance(0.5), dice.pick([0, 0, 2, 4, row / 2])
    for y in range(top, canvas.height, row):
        _draw_row(canvas, dice, palette, (side + 4, y), (font, size, row, radius))
        if side > 24:
            write_line(canvas, dice, (4, y + (row - size) / 2), size, palette.ink, font=font, words=2)
        if lined:
            canvas.line([(side, y + 0.5), (canvas.width, y + 0.5)], palette.soft)


def _draw_row(
    canvas: Canvas, dice: Dice, palette: Palette, corner: Point, style: tuple[str, float, int, float]
) -> None:
    """Of an interface, from the left: a label, buttons, fields and icons.  Style: font, size, height, radius."""
    (x, y), (font, size, row, radius) = corner, style
    while x < canvas.width:
        wide = dice.count(row, 5 * row)
        middle = y + (row - 1.2 * size) / 2
        kind = dice.between(0, 1)
        if kind < 0.45:
            write_line(canvas, dice, (x, middle), size, palette.ink, font=font, words=dice.count(1, 3))
        elif kind < 0.75:
            fill, edge = (dice.pick(palette.accents), None) if dice.chance(0.5) else (None, palette.ink)
            canvas.box((x, y + 2), (wide, row - 4), fill, outline=edge, radius=min(radius, (row - 4) / 2))
            color = palette.background if fill else palette.ink
            write_line(canvas, dice, (x + 5, middle), size, color, font=font, words=1)
        else:
            wide = row
            draw_icon(canvas, dice, palette, (x + row / 2, y + row / 2), row * 0.35)
        x += wide + dice.count(3, row)


def draw_chart(canvas: Canvas, dice: Dice, palette: Palette) -> None:
    """Axes with ticks and numbers, a grid, and curves, bars or points."""
    left, bottom = dice.between(8, 30), canvas.height - dice.between(8, 24)
    size, font = dice.size(7, 13), pick_font(dice)
    step = dice.between(10, 30)
    for i in range(1, int(max(canvas.width, canvas.height) / step) + 1):
        x, y = round(left + i * step) + 0.5, round(bottom - i * step) + 0.5
        if dice.chance(0.8):
            canvas.line([(x, 0), (x, bottom)], palette.soft)
            canvas.line([(left, y), (canvas.width, y)], palette.soft)
        canvas.line([(x, bottom), (x, bottom + 3)], palette.ink)
        number = f"{dice.between(-2, 9) * i:.{dice.count(0, 2)}f}"
        canvas.text((x - size / 2, bottom + 4), number, open_font(font, size), palette.ink)
        canvas.text((left - 3 - size * 0.6 * len(number), y - size / 2), number, open_font(font, size), palette.ink)
    for color in palette.accents:
        dice.pick([_draw_curve, _draw_bars, _draw_points])(canvas, dice, palette, (left, bottom), color)
    canvas.line([(left, 0), (left, bottom), (canvas.width, bottom)], palette.ink, dice.pick([1, 1, 1.5, 2]))
    if dice.chance(0.5):
        write_line(canvas, dice, (left + 10, 4), size * 1.3, palette.ink, font=font, words=dice.count(1, 4))


def _draw_curve(canvas: Canvas, dice: Dice, palette: Palette, origin: Point, color: Color) -> None:
    left, bottom = origin
    height, rate, phase = dice.between(5, bottom / 2), dice.size(0.01, 0.3), dice.between(0, 6)
    noise, step = dice.pick([0, 0, 2, 6]), dice.pick([1, 3])
    points = []
    x = left
    while x < canvas.width + 4:
        points.append((x, bottom - height * (1.2 + math.sin(rate * x + phase)) + dice.between(-noise, noise)))
        x += step
    canvas.line(points, color, dice.size(0.7, 3))


def _draw_bars(canvas: Canvas, dice: Dice, palette: Palette, origin: Point, color: Color) -> None:
    left, bottom = origin
    wide, gap = dice.count(3, 16), dice.count(1, 6)
    edge = palette.ink if dice.chance(0.4) else None
    for x in range(math.ceil(left) + gap, canvas.width, wide + gap):
        height = round(dice.between(2, bottom * 0.8))
        canvas.box((x, round(bottom) - height), (wide, height), color, outline=edge)


def _draw_points(canvas: Canvas, dice: Dice, palette: Palette, origin: Point, color: Color) -> None:
    left, bottom = origin
    radius, hollow = dice.size(1, 4), dice.chance(0.3)
    for _ in range(dice.count(5, 40)):
        center = dice.between(left, canvas.width), dice.between(0, bottom)
        canvas.ellipse(center, (radius, radius), None if hollow else color, color)


def draw_diagram(canvas: Canvas, dice: Dice, palette: Palette) -> None:
    """Boxes and ellipses with words in them, joined by straight, bent or dashed arrows."""
    font, size = pick_font(dice), dice.size(8, 15)
    across, down = dice.between(45, 90), dice.between(35, 70)
    filled, thick = dice.chance(0.6), dice.size(0.8, 2.5)
    places = [
        (x * across + dice.between(0, 12), y * down + dice.between(0, 12))
        for y in range(int(canvas.height / down) + 1)
        for x in range(int(canvas.width / across) + 1)
    ]
    for place in places:
        other = dice.pick(places)
        start, end = ((x + across / 3, y + down / 3) for x, y in (place, other))
        bend = [(end[0], start[1])] if dice.chance(0.6) else []
        arrow(canvas, [start, *bend, end], palette.ink, thick)
    for x, y in places:
        fill = mix(palette.background, dice.pick(palette.accents), dice.pick([0.25, 1]) if filled else 0)
        wide, high = across * dice.between(0.5, 0.7), down * dice.between(0.4, 0.6)
        if dice.chance(0.3):
            canvas.ellipse((x + wide / 2, y + high / 2), (wide / 2, high / 2), fill, palette.ink, thick)
        else:
            canvas.box((x, y), (wide, high), fill, outline=palette.ink, width=thick, radius=dice.pick([0, 0, 3, 8]))
        write_line(canvas, dice, (x + 5, y + (high - size) / 2), size, palette.ink, font=font, words=1)
