"""One turn of one contender of benchmark_training.py, in a process of its own: srae's loop and its peers."""

from __future__ import annotations

import json
import random
import statistics
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
# The images of a benchmark's folder: train is repeated or cut to this; val is what `prepare` scores.
TRAIN, VAL = 128, 2
WORKS: dict[str, dict[str, Any]] = {
    "cnn4_tanh": {"config": "configs/cnn4_tanh.yaml", "set": []},
    "x2": {
        "config": "configs/upscalers/x2.yaml",
        # One low side, no average of the weights, and the optimizer that the other loops have.
        "set": [
            "data.degrade={kernel: bicubic, scale: 2}",
            "train.weight_average=null",
            "train.optimizer=adam",
            "train.learning_rate=0.001",
        ],
    },
}


def make_config(folder: str, work: str, precision: str, images: int, batch: int | None, crop: int | None) -> Any:
    from srae.config.loading import load_config

    sets = [*WORKS[work]["set"], f"data.folder={json.dumps(folder)}", "data.otherwise=null", "data.test_from_val=0"]
    sets += [f"data.limit={images}", f"train.precision={precision}", "train.epochs=1000"]
    sets += [f"train.batch_size={batch}"] * bool(batch) + [f"data.crop={crop}"] * bool(crop)
    return load_config(ROOT / WORKS[work]["config"], sets)


class Clock:
    """What the steps and the waiting for their batches took, after a step of warm-up."""

    def __init__(self, seconds: float, synchronize: Callable[[], None] | None = None) -> None:
        """`synchronize` waits for a device that computes while the loop goes on."""
        self.seconds, self.steps, self.samples, self.waited = seconds, -3 if synchronize else -1, 0, 0.0
        self.began, self.synchronize = 0.0, synchronize or (lambda: None)

    def watch(self, batches: Iterable[Any]) -> Iterator[Any]:
        source, end = iter(batches), object()
        while not self.is_over():
            asked = time.perf_counter()
            batch = next(source, end)
            if batch is end:
                return
            self.waited += time.perf_counter() - asked
            yield batch

    def tick(self, samples: int) -> None:
        self.steps += 1
        if self.steps > 0:
            self.samples += samples
        else:  # the first steps, and what they waited for, do not count: kernels are chosen, a graph is recorded
            self.synchronize()
            self.began, self.waited = time.perf_counter(), 0.0
        self.spent = time.perf_counter() - self.began
        if self.is_over():
            self.synchronize()
            self.spent = time.perf_counter() - self.began

    def is_over(self) -> bool:
        return self.steps > 0 and self.spent >= self.seconds


def take_turn(
    loop: str,
    folder: str,
    work: str,
    seconds: float,
    images: int = TRAIN,
    batch: int | None = None,
    crop: int | None = None,
    device: str = "cpu",
) -> dict[str, float]:
    """Rate, share of waiting for data, memory of one contender.

    Args:
        loop: report, workers or lightning; or resident, srae or tensors with a precision behind it; or peak with one.
    """
    warnings.simplefilter("ignore")
    import torch

    kind, _, precision = loop.rpartition(" ")
    if kind == "peak":
        return {"rate": matrix_peak(precision, seconds / 2, device)}
    config = make_config(folder, work, precision if kind else "float32", images, batch, crop)
    clock = Clock(seconds, (lambda: torch.cuda.synchronize()) if device != "cpu" else None)
    if device != "cpu":
        torch.cuda.reset_peak_memory_stats()
    if not kind or kind == "resident":
        extra = run_peer(kind or loop, config, clock, device)
    else:
        extra = run_srae(config, clock, device, on_tensors=kind == "tensors")
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if device != "cpu":
        extra["vram"] = torch.cuda.max_memory_allocated() / 2**20
    return {
        "rate": clock.samples / clock.spent,
        "step": clock.spent / clock.steps,
        "waiting": clock.waited / clock.spent,
        "peak": peak,
        **extra,
    }


def run_srae(config: Any, clock: Clock, device: str, *, on_tensors: bool) -> dict[str, float]:
    """srae's own loop on its own data; or on one batch of random tensors, as the ceiling."""
    import torch

    from srae.data import Batch
    from srae.evaluation.evaluate import evaluate
    from srae.memory import keep_freed_memory
    from srae.models import count_multiply_adds
    from srae.training import loop
    from srae.training.prepare import prepare
    from srae.training.progress import Progress

    began = time.perf_counter()
    keep_freed_memory()  # as `srae train` does
    session = prepare(config, torch.device(device))
    prepared, split = time.perf_counter() - began, session.data.train
    size, batches_of = config.train.batch_size, loop.epoch_batches
    real_batches = batches_of
    if on_tensors:
        shapes = session.data.in_shape, session.data.out_shape
        tensors = [torch.rand(size, h, w, c, device=device).permute(0, 3, 1, 2) for c, h, w in shapes]
        random_batch = Batch(tensors[0], tensors[1], list(range(size)))
        batches_of = lambda *_: iter([random_batch] * session.steps_per_epoch)  # noqa: E731
    loop.epoch_batches = lambda *place: clock.watch(batches_of(*place))  # type: ignore[assignment]
    counted, training = 0, loop.Training(session, Progress(), None, None, print)  # type: ignore[arg-type]

    def ended() -> bool:
        """Asked by the loop after every step."""
        nonlocal counted
        clock.tick(training.progress.samples - counted)
        counted = training.progress.samples
        return clock.is_over()

    training.pauses = ended  # type: ignore[method-assign]
    with session.kernels():
        while not clock.is_over():
            training.run_steps()
            training.progress, counted = Progress(epoch=training.progress.epoch + 1), 0
    loop.epoch_batches = real_batches
    stores = [split.input, split.target, *split.more_inputs]
    began, scored = time.perf_counter(), min(len(split), 16)
    part = type(split)(*(type(s)(s.pixels[:scored]) for s in (split.input, split.target)), split.names[:scored])
    evaluate(session.model, part, session.task, session.protocol, dtype=session.dtype)
    return {
        "prepared": prepared,
        "store": sum(store.pixels.numel() for store in stores) / 2**20,
        "epoch": clock.spent / clock.steps * session.steps_per_epoch,
        "scoring": (time.perf_counter() - began) / scored,
        "flops": 6.0 * count_multiply_adds(session.model, session.data.in_shape),
    }


class Images:
    """A torch data set as courses write it: decode, crop, turn, convert, sample by sample."""

    def __init__(self, config: Any, read: Callable[[Path], Any]) -> None:
        self.data, self.read = config.data, read
        folder = Path(config.data.folder) / "train"
        self.low, self.high = (sorted((folder / side).iterdir())[: config.data.limit] for side in ("low", "high"))

    def __len__(self) -> int:
        return len(self.high) * self.data.crops_per_picture

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        import numpy as np
        import torch
        from PIL import Image

        place = index // self.data.crops_per_picture
        high, crop = self.read(self.high[place]), self.data.crop
        if self.data.degrade:  # the low side is made of the crop
            top, left = (random.randrange(length - crop + 1) for length in high.shape[:2])
            high = high[top : top + crop, left : left + crop]
            if random.random() < 0.5:
                high = high[:, ::-1]
            high = np.ascontiguousarray(np.rot90(high, random.randrange(4)))
            low = np.asarray(Image.fromarray(high).resize([crop // self.data.degrade.scale] * 2, Image.BICUBIC))
        else:
            low = self.read(self.low[place])
        both = (torch.from_numpy(np.array(side)).permute(2, 0, 1).float() / 255 for side in (low, high))
        low, high = (side.contiguous() for side in both)
        return low, high


class ReadWith:
    """A file as uint8 (H, W, C); a class, so that it goes to workers."""

    def __init__(self, library: str, channels: str) -> None:
        self.library, self.channels = library, channels

    def __call__(self, path: Path) -> Any:
        import numpy as np

        if self.library == "pillow":
            from PIL import Image

            return np.asarray(Image.open(path).convert(self.channels))
        from skimage import io

        pixels = io.imread(path)
        if pixels.shape[2] < len(self.channels):
            pixels = np.dstack((pixels, np.full(pixels.shape[:2], 255, np.uint8)))
        return pixels[..., : len(self.channels)]


def run_peer(loop: str, config: Any, clock: Clock, device: str) -> dict[str, float]:
    """The report's loop, a plain one with workers or with everything on the device, or Lightning's, in float32."""
    import torch
    from torch.utils.data import DataLoader

    from srae.evaluation.tasks import build_loss
    from srae.models import build_model

    images: Any = Images(config, ReadWith("skimage" if loop == "report" else "pillow", config.data.channels))
    workers: dict[str, Any] = {} if loop == "report" else {"num_workers": 2, "persistent_workers": True}
    loader: Any = DataLoader(images, config.train.batch_size, shuffle=True, **workers)
    low, high = images[0]
    torch.manual_seed(0)
    model = build_model(config.model.name, tuple(low.shape), tuple(high.shape), config.model.options)
    loss_of, weight = build_loss(config.train, config.task), config.train.loss_weight
    settings = {"lr": config.train.learning_rate, "weight_decay": config.train.weight_decay}
    if loop == "lightning":
        run_lightning(model, loader, lambda output, target: loss_of(output, target) * weight, settings, clock)
        return {}
    half = loop == "resident" and config.train.precision == "auto"
    if loop == "resident":
        loader = Resident([images[i] for i in range(len(images))], config.train.batch_size, device)
    optimizer, losses = torch.optim.Adam(model.to(device).parameters(), **settings), []
    while not clock.is_over():
        for input, target in clock.watch(loader):
            input, target = input.to(device), target.to(device)
            optimizer.zero_grad()
            with torch.autocast(device, torch.bfloat16, enabled=half):
                output = model(input)
            loss = loss_of(output.float(), target) * weight
            loss.backward()
            optimizer.step()
            losses.append(loss.detach() if loop == "resident" else loss.item())
            clock.tick(len(input))
    return {}


class Resident:
    """Every sample on the device as floats, in batches: the least that a plain loop can wait for."""

    def __init__(self, samples: list[tuple[Any, Any]], batch_size: int, device: str) -> None:
        import torch

        self.sides = [torch.stack(side).to(device) for side in zip(*samples, strict=True)]
        self.batch_size = batch_size

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        import torch

        order = torch.randperm(len(self.sides[0]), device=self.sides[0].device)
        for chosen in order.split(self.batch_size):
            yield self.sides[0][chosen], self.sides[1][chosen]


def run_lightning(model: Any, loader: Any, loss_of: Any, settings: dict[str, float], clock: Clock) -> None:
    import logging

    import lightning
    import torch

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def training_step(self, batch: Any, index: int) -> Any:
            loss = loss_of(self.model(batch[0]), batch[1])
            self.log("train_loss", loss, on_epoch=True, on_step=False)
            return loss

        def configure_optimizers(self) -> Any:
            return torch.optim.Adam(self.model.parameters(), **settings)

    class Watched:
        def __iter__(self) -> Iterator[Any]:
            return clock.watch(loader)

        def __len__(self) -> int:
            return len(loader)

    class Stop(lightning.Callback):
        def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, index: int) -> None:
            clock.tick(len(batch[0]))
            trainer.should_stop = clock.is_over()

    trainer = lightning.Trainer(
        accelerator="cpu",
        max_epochs=1000,
        min_epochs=0,
        callbacks=[Stop()],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(Module(), Watched())


def matrix_peak(precision: str, seconds: float, device: str) -> float:
    """Operations per second of a product of two matrices that fit no cache."""
    import torch

    from srae.device import float32_kernels

    side, rates = (2048 if device == "cpu" else 8192), []
    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    a, b = (torch.rand(side, side, device=device).to(dtype) for _ in range(2))
    with float32_kernels(torch.device(device), tf32=precision == "tf32"):
        torch.mm(a, b)
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            if device != "cpu":
                torch.cuda.synchronize()
            began = time.perf_counter()
            torch.mm(a, b)
            if device != "cpu":
                torch.cuda.synchronize()
            rates.append(2 * side**3 / (time.perf_counter() - began))
    return statistics.median(rates)
