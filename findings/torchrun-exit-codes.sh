#!/usr/bin/env bash
# torchrun: every worker exits with 143 after a clean save, and the launcher with 1; told to stop by SIGTERM, with 1 too.
# Guess: the launcher passes on the exit code of its workers, or 128 + the signal that it was sent, as shells,
#   `timeout` and srun do.
#   Happens: any failure of a worker, whatever its code, is a ChildFailedError, and any signal to the launcher a
#   SignalException: a Python traceback and exit code 1.
# Matters: a batch script that requeues a job on exit code 143 (saved, preempted) or gives up on 2 (wrong config) sees 1
#   for both. From Python the codes are there: ChildFailedError.failures, SignalException.sigval.
set -eu
export OMP_NUM_THREADS=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'torch==2.14.1' 'numpy==2.4.6'
cd "$work"
cat > worker.py <<'PY'
import signal
import sys
import time

ending, code = sys.argv[1], int(sys.argv[2])
if ending == "by itself":
    sys.exit(code)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(code))  # saves, and tells so by its exit code
print("ready", flush=True)
time.sleep(60)
PY
"$work/venv/bin/python" - <<'PY'
import signal
import subprocess
import sys

import torch

failed = []


def check(what, holds):
    print(("as told: " if holds else "NO LONGER: ") + what)
    if not holds:
        failed.append(what)


print("torch", torch.__version__)
torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
for code in (2, 143):
    done = subprocess.run([*torchrun, "worker.py", "by itself", str(code)], capture_output=True, text=True)
    print(f"both workers exit with {code}: torchrun exits with {done.returncode}")
    check(f"{code} becomes 1, by ChildFailedError", done.returncode == 1 and "ChildFailedError" in done.stderr)
process = subprocess.Popen([*torchrun, "worker.py", "on a signal", "143"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
for _ in range(2):
    process.stdout.readline()
process.send_signal(signal.SIGTERM)
_, said = process.communicate(timeout=120)
print(f"SIGTERM to torchrun, whose workers then exit with 143: torchrun exits with {process.returncode}")
check("a signal becomes 1, by SignalException", process.returncode == 1 and "SignalException" in said)

sys.exit(1 if failed else 0)
PY
