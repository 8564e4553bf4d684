"""A network for grey is scored on the same colour images, and under the same protocol, as one for colour."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from builders import write_image, write_pairs
from srae.cli import main
from srae.config.loading import parse_config
from srae.evaluation.forward import InColour, SelfEnsemble
from srae.images.color import to_luma
from srae.models import build_model
from srae.models.blocks import enlarge_bicubic
from toy_training import begin

GREY = """
model: {{name: bicubic}}
data: {{folder: {folder}, channels: L, degrade: {{kernel: bicubic, scale: 2}}}}
train: {{epochs: 1}}
"""


def test_bicubic_for_grey_scores_as_bicubic_for_colour(
    pair_folder: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    config = parse_config(GREY.format(folder=pair_folder(size=(24, 32))), "grey.yaml")
    begin(config, tmp_path / "runs", "grey")
    for protocol in ("y", "rgb"):
        capsys.readouterr()
        assert main(["eval", "--model", "grey", "--protocol", protocol, "--json"]) == 0
        output = capsys.readouterr()
        assert "grey" in output.err
        document = json.loads(output.out)
        assert document["protocol"]["channels"] == protocol.upper()
        assert document["protocol"]["border"] == (2 if protocol == "y" else 0)
        for metric, value in document["identity"].items():
            expected = None if value is None else pytest.approx(value, rel=2e-3)  # Y has no largest channel
            assert document["val"][metric] == expected, metric


@pytest.mark.parametrize("colour", [False, True])
def test_grey_files_keep_their_full_range(
    colour: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_pairs(tmp_path / "set", train=2, val=3, size=(14, 16), scale=2, mode="L")
    if colour:  # one colour file, and the set is a colour set
        write_image(tmp_path / "set" / "train" / "high_res" / "0.png", (28, 32), seed=9)
    run = begin(parse_config("model: {name: bicubic}\ndata: {folder: set}", "rgb.yaml"), tmp_path / "runs", "rgb")
    capsys.readouterr()
    assert main(["eval", "--model", str(run), "--protocol", "y", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["protocol"]["channels"] == ("Y" if colour else "grey")
    errors = []
    for place in (tmp_path / "set" / "val" / "low_res").iterdir():
        low, high = (
            torch.from_numpy(np.asarray(Image.open(path), np.float32))[None, None] / 255
            for path in (place, place.parents[1] / "high_res" / place.name)
        )
        output = (enlarge_bicubic(low, 2).clamp(0, 1) * 255).round() / 255
        errors.append(float((output - high)[..., 2:-2, 2:-2].square().mean()))
    psnr = np.mean([-10 * np.log10(error * ((219 / 255) ** 2 if colour else 1)) for error in errors])
    assert document["val"]["psnr"] == pytest.approx(psnr, abs=1e-3), "1.32 dB apart"


class Brighter(nn.Module):
    """Enlarges grey and adds a constant."""

    scale, multiple_of, receptive_radius, fixed_size = 2, 1, 4, None

    def forward(self, input: Tensor) -> Tensor:
        assert input.shape[1] == 1
        return enlarge_bicubic(input, 2) + 0.25


def test_luma_goes_through_the_network_and_colours_beside_it() -> None:
    image = torch.rand(2, 3, 9, 7, generator=torch.Generator().manual_seed(0))
    output = InColour(Brighter())(image)
    torch.testing.assert_close(output, enlarge_bicubic(image, 2) + 0.25)
    network = build_model("espcn", (1, 9, 7), (1, 18, 14), {})
    with torch.no_grad():
        colours, grey = InColour(network)(image), network(to_luma(image))
    torch.testing.assert_close(to_luma(colours), grey)


def test_a_self_ensemble_does_not_care_how_the_image_is_turned() -> None:
    torch.manual_seed(0)
    network = build_model("espcn", (1, 12, 12), (1, 24, 24), {}).eval()
    image = torch.rand(1, 1, 12, 12)
    ensemble = SelfEnsemble(network)
    assert (ensemble.scale, ensemble.multiple_of) == (network.scale, network.multiple_of)
    with torch.no_grad():
        turned = [ensemble(torch.rot90(image, turn, (2, 3))).rot90(-turn, (2, 3)) for turn in range(4)]
        assert (network(image) - network(image.rot90(1, (2, 3))).rot90(-1, (2, 3))).abs().max() > 1e-3
    for output in turned[1:]:
        torch.testing.assert_close(output, turned[0])
