"""Where outputs are held: the border of flat art, the surroundings of a shape in the transparency."""

import numpy as np
import pytest
import torch

from srae.checkpoints.shipped import shipped_models
from srae.upscaling.backends import open_network
from srae.upscaling.enlarge import UpscaleOptions, upscale_pixels
from srae.upscaling.limits import limited, limited_at_border
from srae.upscaling.regions import of_array
from toys import random_image

torch.set_num_threads(1)


@pytest.mark.parametrize("scale", [1, 2, 3])
@pytest.mark.parametrize("slack", [0.0, 0.5])
def test_the_range_is_that_of_nine_pixels(scale: int, slack: float) -> None:
    input, output = random_image(2, 6, 7), random_image(2, 6 * scale, 7 * scale) * 3 - 1
    wanted = output.copy()
    for c, y, x in np.ndindex(*output.shape):
        row, column = y // scale, x // scale
        near = input[c, max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
        spare = slack * (near.max() - near.min())
        wanted[c, y, x] = output[c, y, x].clip(near.min() - spare, near.max() + spare)
    box = (0, 6 * scale, 0, 7 * scale)
    assert np.array_equal(limited(output, box, of_array(input), scale, slack=slack), wanted)
    inner = (2 * scale, 5 * scale, scale, 4 * scale)
    cut = limited(output[:, inner[0] : inner[1], inner[2] : inner[3]], inner, of_array(input), scale, slack=slack)
    assert np.array_equal(cut, wanted[:, inner[0] : inner[1], inner[2] : inner[3]])


def test_only_the_border_is_held_at_the_border() -> None:
    input, output = np.full((1, 40, 50), 0.5, np.float32), np.zeros((1, 80, 100), np.float32)
    held = limited_at_border(output, (0, 80, 0, 100), of_array(input), 2)
    assert bool((held[:, 16:-16, 16:-16] == 0).all())
    held[:, 16:-16, 16:-16] = 0.5
    assert bool((held == 0.5).all())


@pytest.mark.parametrize("name", sorted(shipped_models()))
@pytest.mark.parametrize("color", [(0, 0, 255), (200, 30, 90), (255, 255, 255)])
def test_flat_art_stays_flat_up_to_its_border(name: str, color: tuple[int, int, int]) -> None:
    flat = np.broadcast_to(np.array(color, np.uint8), (40, 44, 3))
    large = upscale_pixels(flat, [open_network(shipped_models()[name], engine="torch")], UpscaleOptions(tile=64))
    assert np.abs(large.astype(int) - color).max() <= 2
