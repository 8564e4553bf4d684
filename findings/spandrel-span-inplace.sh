#!/usr/bin/env bash
# spandrel: SPAN takes the first features of its sixth block after their SiLU, though its code returns those before.
# Guess: a block returns `out1`, the output of its first convolution, and `act(out1)` is another tensor, as the code and
#   the usual drawing of the network have it.
#   Happens: the activation is SiLU(inplace=True), so what is returned under the name of the convolution's output holds
#   the activated values; weights of the challenge are trained so.
# Matters: who writes the network again from its code or its paper, or exports it through a tool that undoes in-place
#   operations, gets another image from the same weights, several levels off for random ones.
set -eu
export OMP_NUM_THREADS=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'spandrel==0.4.2' 'torch==2.14.1' 'numpy==2.4.6'
cd "$work"
"$work/venv/bin/python" - <<'PY'
import sys
from importlib.metadata import version

import torch
from spandrel.architectures.SPAN import SPAN

failed = []


def check(what, holds):
    print(("as told: " if holds else "NO LONGER: ") + what)
    if not holds:
        failed.append(what)


print("spandrel", version("spandrel"), "torch", torch.__version__)
torch.manual_seed(0)
network = SPAN(num_in_ch=3, num_out_ch=3, feature_channels=28, upscale=2).eval()
block = network.block_6
convolved = {}
block.c1_r.register_forward_hook(lambda module, given, result: convolved.update(out=result.clone()))
image = torch.rand(1, 3, 24, 24)
with torch.no_grad():
    _, returned, _ = block(torch.randn(1, 28, 24, 24))
    silu = torch.nn.functional.silu(convolved["out"])
    print(f"returned against the convolution {float((returned - convolved['out']).abs().max()):.4f}, against its SiLU {float((returned - silu).abs().max()):.4f}")
    check("it is not the convolution's output", float((returned - convolved["out"]).abs().max()) > 0.05)
    check("it is its SiLU", torch.equal(returned, silu))
    before = network(image)
    for module in network.modules():
        if isinstance(module, torch.nn.SiLU):
            module.inplace = False
    after = network(image)
off = float((before - after).abs().max() * 255)
print(f"the same weights with inplace=False: the image differs by up to {off:.3f} of 255 levels")
check("another image", off > 0.01)

sys.exit(1 if failed else 0)
PY
