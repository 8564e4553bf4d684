#!/usr/bin/env bash
# torch: an optimizer that was restored lists its state in the order of the file, not of its parameters.
# Guess: load_state_dict restores the optimizer to what it was: state_dict() then is that of the one that never stopped.
#   Happens: equal values under equal keys, but `state` is a dict in the order in which the loaded one was iterated, and
#   files that are no pickles (safetensors, a zip of arrays) have an order of their own.
# Matters: a digest, a flat vector or a checksum over `state_dict()["state"].values()` differs between a resumed process
#   and its peers, although they are equal; and a vector flattened by one and unpacked by the other is scrambled.
set -eu
export OMP_NUM_THREADS=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'torch==2.14.1' 'numpy==2.4.6'
cd "$work"
"$work/venv/bin/python" - <<'PY'
import hashlib
import sys

import torch

failed = []


def check(what, holds):
    print(("as told: " if holds else "NO LONGER: ") + what)
    if not holds:
        failed.append(what)


print("torch", torch.__version__)


def build():
    torch.manual_seed(0)
    model = torch.nn.Sequential(*(torch.nn.Linear(3, 3) for _ in range(6)))  # 12 parameters
    return model, torch.optim.Adam(model.parameters())


def digest(optimizer, order):
    state = optimizer.state_dict()["state"]
    tensors = [t for key in order(state) for _, t in sorted(state[key].items())]
    return hashlib.sha256(b"".join(t.numpy().tobytes() for t in tensors)).hexdigest()[:12]


model, running = build()
model(torch.ones(1, 3)).sum().backward()
running.step()
state = dict(reversed(running.state_dict()["state"].items()))  # as a file may have it
_, resumed = build()
resumed.load_state_dict({"state": state, "param_groups": resumed.state_dict()["param_groups"]})
print("running ", list(running.state_dict()["state"]), digest(running, list))
print("resumed ", list(resumed.state_dict()["state"]), digest(resumed, list))
print("by index", digest(running, sorted), digest(resumed, sorted))
check("another order after loading", list(running.state_dict()["state"]) != list(resumed.state_dict()["state"]))
check("another digest, in the order of the dict", digest(running, list) != digest(resumed, list))
check("the same digest by index", digest(running, sorted) == digest(resumed, sorted))

sys.exit(1 if failed else 0)
PY
