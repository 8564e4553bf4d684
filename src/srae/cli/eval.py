"""Score trained networks picture by picture, beside returning the input.

The protocol is printed with the figures and stored with them: figures of two
protocols do not belong in one table.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srae.cli import positive, print_json, say, show
from srae.errors import ConfigError, SraeError

if TYPE_CHECKING:
    import torch

    from srae.checkpoints.loading import TrainedModel
    from srae.config.experiment import DataConfig
    from srae.data import Data

EXAMPLES = """
  srae eval --model runs/cnn4_tanh runs/residual --json
  srae eval --model x2 --data data/set5 --scale 2 --protocol y
  srae eval --model runs/published --data data/set5 --scale 2 --protocol y
  srae eval --self-test --data data/set5
  srae eval --model runs/mnist_net1 --split test
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model",
        metavar="NAME|RUN|STUDY|FILE",
        nargs="+",
        default=[],
        help="shipped models, runs, studies (all that is done in them) or checkpoints",
    )
    parser.add_argument(
        "--data",
        metavar="FOLDER",
        help="pictures, all of them val where no split is on disk; by default the run's own, split as for its training",
    )
    parser.add_argument(
        "--self-test", action="store_true", help="check the metrics against known figures (--data: a folder with Set5)"
    )
    parser.add_argument("--split", choices=("val", "test", "train"), default="val", help="pictures to score")
    parser.add_argument(
        "--scale", metavar="N", type=positive, help="make the low side from a folder of high-resolution pictures"
    )
    parser.add_argument(
        "--kernel",
        choices=("bicubic", "photo"),
        default="bicubic",
        help="how --scale shrinks; photo: as pictures from the web were, with blur, noise and JPEG marks",
    )
    parser.add_argument(
        "--protocol",
        choices=("rgb", "y"),
        default="rgb",
        help="rgb: all pixels; y: luma, `scale` pixels cut off each border",
    )
    parser.add_argument(
        "--self-ensemble",
        action="store_true",
        help="score the mean over the eight turns and flips: what `srae upscale --self-ensemble` gives",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="CSV",
        help="per-image figures (default: images-DATA-SPLIT-PROTOCOL.csv in the run, or MODEL-DATA-PROTOCOL.csv here)",
    )
    parser.add_argument("--runs-dir", metavar="DIR", default="runs", help="folder in which names are looked up")
    parser.add_argument(
        "--device",
        metavar="NAME",
        default="auto",
        help="where to compute: auto, cpu, cuda, cuda:N or mps (default: auto)",
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")


def run(args: argparse.Namespace) -> int:
    if args.self_test:
        return _self_test(args)
    if not args.model:
        raise ConfigError("no model named", "--model", "name one, or give --self-test")
    _check_output(args.output)

    from srae.device import float32_kernels, pick_device

    device, models = pick_device(args.device), _find_models(args)
    if args.output and len(models) > 1:
        raise ConfigError(f"one file cannot hold the figures of {len(models)} models", "-o", "leave it out")
    documents = []
    for path in models:
        if len(models) > 1 and not args.json:
            show(f"run       {path}")
        with float32_kernels(device):
            documents.append(_score(args, path, device))
    if args.json:
        print_json(documents[0] if len(documents) == 1 else documents)
    return 0


def _find_models(args: argparse.Namespace) -> list[Path]:
    from srae.checkpoints.shipped import resolve_model
    from srae.runs.layout import study_runs
    from srae.runs.reader import read_run

    models, runs_dir = [], Path(args.runs_dir)
    for name in args.model:
        runs = study_runs(name, runs_dir)
        done = [path for path in runs if (read_run(path).summary or {}).get("status") == "done"]
        if runs and not done:
            raise ConfigError("none of its runs is done", name, f"go on with: srae-train --resume {runs[0]}")
        if len(done) < len(runs):
            say(f"left out, not done: {', '.join(path.name for path in runs if path not in done)}")
        models += done if runs else [resolve_model(name, runs_dir)]
    return models


def _score(args: argparse.Namespace, path: Path, device: torch.device) -> dict[str, Any]:
    """Score one model, store its figures and show them."""
    from srae.checkpoints.loading import load_model
    from srae.data import open_data
    from srae.evaluation.evaluate import InColour, SelfEnsemble, baseline_model, evaluate, means, score_split
    from srae.evaluation.metrics import Protocol
    from srae.evaluation.tasks import TASKS
    from srae.models.baselines import baseline_name

    trained = load_model(path)
    task, trained_on = TASKS[trained.config.task], trained.config.data
    model, options = trained.model, _data_options(args, trained_on)
    if task.has_baseline and trained_on.channels == "L":  # scored on the same colour pictures as every other network
        model, options["channels"] = InColour(model), "RGB"
        say("this model knows grey only: the colours are enlarged bicubically")
    # Nobody trained on what --data names; the run's own pictures are split as they were for its training.
    data = open_data(whole=True, undivided=bool(args.data), **options).to(device)
    for note in data.notes:
        say(note)
    split = getattr(data, args.split)
    if split is None:
        raise ConfigError(f"{data.name} has no {args.split} pictures", None, "choose another --split")
    protocol, label = Protocol(channels=trained_on.channels), f"{data.name}-{args.split}"
    identity: dict[str, list[float]] = {}
    if task.has_baseline:
        in_shape, out_shape = split.input.picture(0).shape, split.target.picture(0).shape
        scale = out_shape[1] // in_shape[1]
        if scale != trained.model.scale:
            raise ConfigError(
                f"the model enlarges by {trained.model.scale}, these pairs by {scale}", str(trained.path), "see --scale"
            )
        border = args.scale or scale
        protocol = Protocol(channels="Y", border=border) if args.protocol == "y" else Protocol(channels="RGB")
        label += f"-{args.protocol}" if args.kernel == "bicubic" else f"-{args.kernel}-{args.protocol}"
        if args.self_ensemble:
            model, label = SelfEnsemble(model), f"{label}-self-ensemble"
        identity = evaluate(baseline_model(tuple(in_shape), tuple(out_shape)), split, task, protocol)
    else:
        _check_targets(trained, data)
    scores = score_split(model.to(device), split, data.classes, task, protocol)
    baseline = {"baseline": baseline_name(scale)} if task.has_baseline else {}
    about: dict[str, Any] = {
        "data": {"name": data.name, "fingerprint": data.fingerprint, "counts": {args.split: len(split)}},
        "protocol": {**protocol.as_dict(), **baseline},
        args.split: means({name: scores[name] for name in task.metrics}),
        "identity": means(identity) or None,
        "best_epoch": trained.meta.get("progress", {}).get("best_epoch"),  # of a run that goes on others are scored
    }
    columns = {**scores, **({"identity_mse": identity["mse"]} if identity else {})}
    table = {"split": [args.split] * len(split), "name": split.names, **columns}
    output = _store(args, trained.path, label, about, table)
    if not args.json:
        show(f"data      {data.name}, {args.split}: {len(split)} pictures, fingerprint {data.fingerprint}")
        if task.images:
            show(f"protocol  {protocol}")
        _show_figures(about, args.split)
    return {"model": str(trained.path), **about, "images": str(output)}


def _check_targets(trained: TrainedModel, data: Data) -> None:
    """Raise ConfigError where the data want something else than the model puts out: other classes, be they as many."""
    remedy = "give the data that it was trained on"
    if trained.config.task == "classification":
        known = trained.meta["data"].get("classes")
        if not known:
            say(f"{trained.path} does not name its classes: taken to be {_listed(data.classes)}")
        elif known != data.classes:
            what = f"the model knows {_listed(known, data.classes)}; these pictures are {_listed(data.classes, known)}"
            raise ConfigError(what, str(trained.path), f"{remedy}, or give its classes these names, in this order")
    if tuple(data.out_shape) != tuple(trained.out_shape):
        what = f"the model puts out {trained.out_shape}, these data want {data.out_shape}"
        raise ConfigError(what, str(trained.path), remedy)


def _listed(names: list[str], others: list[str] | None = None, shown: int = 8) -> str:
    """``cat, dog and 148 more``; those that the others lack come first."""
    ordered = sorted(names, key=lambda name: name in (others or []))
    more = len(names) - shown
    return ", ".join(ordered[:shown]) + (f" and {more} more" if more > 0 else "")


def _store(args: argparse.Namespace, model: Path, label: str, about: dict[str, Any], columns: dict[str, Any]) -> Path:
    """Both files under the first name that is free, be it that another scoring took one meanwhile."""
    from srae.files import atomic_write, json_text
    from srae.runs.layout import csv_text

    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    for output in _output_paths(args, model, label):
        try:
            with atomic_write(output, overwrite=False) as file:
                file.write(csv_text(rows, list(columns), header=True).encode())
            try:
                with atomic_write(_beside(output), overwrite=False) as file:  # what `srae compare --on` reads
                    file.write(json_text(about).encode())
            except (OSError, SraeError):
                output.unlink()  # the one without the other is of no use
                raise
        except FileExistsError:
            continue
        say(f"per-image figures: {output}")
        return output
    raise ConfigError("the output exists", args.output, "name another file with -o")


def _show_figures(about: dict[str, Any], split: str) -> None:
    from srae.runs.messages import against_baseline

    measured, reference = about[split], about["identity"]
    show(f"model     {_describe(measured)}")
    if reference:
        show(f"input     {_describe(reference)}")
        show(f"          {against_baseline(measured, reference, about['protocol']['baseline'])}")


def _self_test(args: argparse.Namespace) -> int:
    from srae.evaluation.self_test import built_in_checks, set5_checks

    checks = built_in_checks() + (set5_checks(Path(args.data)) if args.data else [])
    if args.json:
        fields = ("what", "expected", "found", "tolerance", "passed")
        print_json([{field: getattr(check, field) for field in fields} for check in checks])
    else:
        for check in checks:
            show(str(check))
    return 0 if all(check.passed for check in checks) else 1


def _describe(measured: dict[str, float]) -> str:
    """``mse 0.001767  psnr 28.65 dB  ssim 0.8673``"""
    formats = {"mse": "{:.6f}", "psnr": "{:.2f} dB", "ssim": "{:.4f}", "cross_entropy": "{:.4f}", "accuracy": "{:.4f}"}
    return "  ".join(f"{name} {text.format(measured[name])}" for name, text in formats.items() if name in measured)


def _data_options(args: argparse.Namespace, trained_on: DataConfig) -> dict[str, Any]:
    """The run's own data options, whole pictures, with the command line's changes."""
    options = trained_on.model_dump(exclude={"crop", "crops_per_picture", "augment", "per_class"})
    if args.data:
        options |= {"folder": args.data, "otherwise": None, "limit": None}
        if trained_on.name in ("pairs", "demo"):
            options |= {"name": "pairs", "low": None, "high": None, "test_from_val": 0.0, "degrade": None}
    if args.scale:
        options["degrade"] = {"kernel": args.kernel, "scale": args.scale}
    return options


def _check_output(output: str | None) -> None:
    """Raise ConfigError, before anything is scored, where the figures could not be stored."""
    if not output:
        return
    if Path(output).suffix.lower() == ".json":
        raise ConfigError("the figures per picture are a CSV", output, "name it .csv: the JSON goes beside it")
    for path in (Path(output), _beside(Path(output))):
        if path.exists():
            raise ConfigError("the output exists", str(path), "name another file with -o")


def _beside(output: Path) -> Path:
    """The file of means, protocol and data of a CSV of figures per picture."""
    return output.with_suffix(".json")


def _output_paths(args: argparse.Namespace, model: Path, label: str) -> Iterator[Path]:
    """Where the figures may go, as long as they find no place: names of which neither file exists."""
    if args.output:
        yield Path(args.output)
        return
    run = next((folder for folder in model.parents[:2] if (folder / "config.yaml").is_file()), None)
    folder, name = (run, f"images-{label}") if run else (Path(), f"{model.stem}-{label}")  # a file, or one that ships
    for number in range(1, 10_000):
        path = folder / f"{name}{'' if number == 1 else f'-{number}'}.csv"
        if not path.exists() and not _beside(path).exists():
            yield path
    raise ConfigError("10,000 evaluations lie there already", str(folder), "name a file with -o")
