#!/usr/bin/env bash
# torchrun: after a restart of the workers, their key-value store still holds what the attempt before wrote.
# Guess: a restart begins with an empty store; the source says "We create a new TCPStore for every retry so no need to
#   add prefix for each attempt" (rendezvous.py).
#   Happens: a new client, of the one server that the agent keeps over all attempts, at the same port.
# Matters: a barrier by counting (`store.add("here", 1)` until it is the world size) is passed at once by the first
#   process of the second attempt, and an address that a dead process wrote is read as that of a living one. What each
#   attempt writes needs the attempt in its name (TORCHELASTIC_RESTART_COUNT).
set -eu
export OMP_NUM_THREADS=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'torch==2.14.1' 'numpy==2.4.6'
cd "$work"
cat > worker.py <<'PY'
import os
import sys
import time

from torch.distributed import TCPStore

attempt, rank = int(os.environ["TORCHELASTIC_RESTART_COUNT"]), int(os.environ["RANK"])
store = TCPStore(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), is_master=False, wait_for_workers=False)
if attempt == 1 and rank == 1:
    time.sleep(3)  # comes late to the barrier
here = store.add("here", 1)
with open(f"seen_{attempt}_{rank}", "w") as file:
    file.write(f"{here} {os.environ['MASTER_PORT']}")
if attempt == 0:
    while int(store.add("here", 0)) < 2:
        time.sleep(0.05)
    time.sleep(1)
    sys.exit(3)
PY
"$work/venv/bin/python" - <<'PY'
import subprocess
import sys

import torch

failed = []


def check(what, holds):
    print(("as told: " if holds else "NO LONGER: ") + what)
    if not holds:
        failed.append(what)


print("torch", torch.__version__)
command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--max-restarts", "1"]
done = subprocess.run([*command, "worker.py"], capture_output=True, text=True, timeout=300)
seen = {(a, r): open(f"seen_{a}_{r}").read().split() for a in (0, 1) for r in (0, 1)}
for (attempt, rank), (here, port) in seen.items():
    print(f"attempt {attempt}, rank {rank}: counted as number {here} of 2, store at port {port}")
check("the first attempt counts 1 and 2", sorted(int(seen[0, r][0]) for r in (0, 1)) == [1, 2])
check("the first process of the second attempt counts as number 3", int(seen[1, 0][0]) == 3)
check("one server for both attempts", len({port for _, port in seen.values()}) == 1)

sys.exit(1 if failed else 0)
PY
