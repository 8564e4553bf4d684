#!/usr/bin/env bash
# TensorBoard: the first restart of a run that says purge_step is not purged by the page of --load_fast=false.
# Guess: a writer opened again with purge_step=4, as the documentation of SummaryWriter tells for a crash, hides the
#   points from step 4 on that the crashed one wrote. Happens: the notebook API (event_accumulator) and the fast loader
#   show them once; the loader behind --load_fast=false, which also runs where no data server is installed, takes the
#   first START in a run for its beginning, because SummaryWriter writes none at the beginning: steps 4 and 5 stand twice.
#   From the second restart on it purges.
# Matters: a training that was resumed shows zigzag curves, and exported CSVs hold two values for a step.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'tensorboard==2.21.0' 'tensorboardX==2.6.5' 'setuptools<81'
cd "$work"
"$work/venv/bin/python" - <<'PY'
import sys
from importlib.metadata import version

failed = []


def check(what, holds):
    print(("as told: " if holds else "NO LONGER: ") + what)
    if not holds:
        failed.append(what)


from tensorboard.backend.event_processing import event_accumulator, plugin_event_accumulator
from tensorboardX import SummaryWriter

print("tensorboard", version("tensorboard"), "tensorboardX", version("tensorboardX"))


def write(run, first, last, **how):
    writer = SummaryWriter(f"logs/{run}", **how)
    for step in range(first, last + 1):
        writer.add_scalar("loss", float(step), step)
    writer.close()


def steps(run):
    public = event_accumulator.EventAccumulator(f"logs/{run}")
    page = plugin_event_accumulator.EventAccumulator(f"logs/{run}")
    public.Reload(), page.Reload()
    return [e.step for e in public.Scalars("loss")], [e.step for e in page.Tensors("loss")]


write("once", 1, 5)
write("once", 4, 7, purge_step=4, filename_suffix=".1")
public, page = steps("once")
print("one restart at step 4: notebook API", public, "page", page)
check("the notebook API purges", public == [1, 2, 3, 4, 5, 6, 7])
check("the page does not: steps 4 and 5 stand twice", page == [1, 2, 3, 4, 5, 4, 5, 6, 7])

write("from_the_start", 1, 5, purge_step=0)
write("from_the_start", 4, 7, purge_step=4, filename_suffix=".1")
public, page = steps("from_the_start")
print("with purge_step=0 at the first start too: page", page)
check("a START at the beginning makes the page purge", page == [1, 2, 3, 4, 5, 6, 7])

sys.exit(1 if failed else 0)
PY
