#!/usr/bin/env bash
# torch: making any optimizer loads the compiler, torch._dynamo with sympy and 800 more modules, compiled or not.
# Guess: the compiler is loaded by torch.compile alone; `import torch` leaves it out for that. Happens: a forward
#   and a backward pass load nothing of it, and the first SGD(...) or Adam(...) loads all, before any step.
# Matters: what trains for a moment (a test, a short study of many runs) pays more than a
#   second and over 100 MB, in the middle of its first measured step if the optimizer is made there.
set -eu
export OMP_NUM_THREADS=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'torch==2.14.1' 'numpy==2.4.6'
cd "$work"
"$work/venv/bin/python" - <<'PY'
import sys

failed = []


def check(what, holds):
    print(("as told: " if holds else "NO LONGER: ") + what)
    if not holds:
        failed.append(what)


import resource

import torch

print("torch", torch.__version__)
COMPILER = ("torch._dynamo", "torch._inductor", "sympy")
loaded = {}


def look(when):
    loaded[when] = [name in sys.modules for name in COMPILER]
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    there = [name for name, found in zip(COMPILER, loaded[when]) if found]
    print(f"{when}: {len(sys.modules)} modules, {megabytes:.0f} MB; of the compiler {', '.join(there) or 'none'}")


look("import torch")
network = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(), torch.nn.Conv2d(8, 3, 3))
network(torch.rand(1, 3, 16, 16)).square().mean().backward()
look("a forward and a backward pass")
with torch.no_grad():
    for weights in network.parameters():
        weights -= 0.1 * weights.grad
look("a step of one's own")
before = len(sys.modules)
torch.optim.SGD(network.parameters(), lr=0.1)
look("SGD(...), no step")
check("nothing of the compiler until then", not any(any(there) for when, there in loaded.items() if not when.startswith("SGD")))
check("all of it with the optimizer, 500 modules or more", all(loaded["SGD(...), no step"]) and len(sys.modules) - before >= 500)

sys.exit(1 if failed else 0)
PY
