"""Write a run folder: one process, which holds its lock.  No torch."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from srae.config.experiment import Config
from srae.config.loading import dump_config
from srae.errors import ConfigError, ResourceError, RunBusyError
from srae.files import json_text, resource_error, sweep_orphans, sync_file, write_text
from srae.runs.layout import COLUMNS, VERSION, check_name, csv_text, epoch_of, is_stillborn
from srae.runs.locks import lock_file
from srae.runs.trained_on import record_images


def claim_run(runs_dir: Path, name: str) -> RunWriter:
    """Make and lock a new folder: `name`, else `name-2`, `name-3`, ...; never one that contains a run.

    Raises:
        ResourceError: the folder cannot be made.
    """
    check_name(name)
    try:
        runs_dir.mkdir(parents=True, exist_ok=True)
        for number in range(1, 10_000):
            path = runs_dir / (name if number == 1 else f"{name}-{number}")
            try:
                path.mkdir()  # atomic: of many starts in one second, each gets its own
            except FileExistsError:
                if not is_stillborn(path):
                    continue
            with suppress(RunBusyError):  # another process is claiming it
                run = RunWriter(path)
                if is_stillborn(path):
                    return run
                run.close()
    except OSError as error:
        raise resource_error(error, runs_dir) from None
    raise ResourceError(f"10,000 runs are called {name}", str(runs_dir), "use --name")


def claim_new_run(path: Path) -> RunWriter:
    """Make and lock this folder, and no other.

    Raises:
        RunBusyError: another process is writing there.
        ConfigError: it contains a run.
        ResourceError: it cannot be made.
    """
    check_name(path.name)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise resource_error(error, path) from None
    run = RunWriter(path)
    if is_stillborn(path):
        return run
    run.close()
    raise ConfigError("there is a run of this name", str(path), f"`srae train --resume {path}` continues it")


class RunWriter:
    """The one process that writes into a run folder; holds its lock until `close`.

    Raises:
        RunBusyError: another process is writing there; also later, from any method that writes, when this process was
            suspended for so long that one of another machine took over (see `claims`).
        ResourceError: disk full or not writable.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.samples = path / "samples"
        self._lock = lock_file(path / ".lock")
        try:
            for folder in (self.checkpoints, self.samples):
                folder.mkdir(exist_ok=True)
            for folder in (path, self.checkpoints, self.samples):
                sweep_orphans(folder)
        except OSError as error:
            self._lock.close()
            raise resource_error(error, path) from None

    @property
    def checkpoints(self) -> Path:
        """Where checkpoints are read and written, as long as this process is the one that writes."""
        self._lock.check()
        return self.path / "checkpoints"

    def write_start(self, config: Config, environment: Mapping[str, Any]) -> None:
        """Write environment and config before the first step; with its config the folder is a run."""
        self.write_json("environment.json", environment)
        self.write_config(config)  # last: a start killed before it leaves a name that is free (`is_stillborn`)

    def record_resume(self, environment: Mapping[str, Any]) -> None:
        """Append to the `resumes` of environment.json: where a resume began, and on what machine and versions."""
        started = self._environment()
        self.write_json("environment.json", {**started, "resumes": [*started.get("resumes", []), environment]})

    def _environment(self) -> dict[str, Any]:
        """What environment.json holds; empty if it is damaged, since nothing depends on it."""
        try:
            found = json.loads((self.path / "environment.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def write_config(self, config: Config) -> None:
        self._lock.check()
        write_text(self.path / "config.yaml", dump_config(config))

    def write_json(self, name: str, value: Mapping[str, Any]) -> None:
        self._lock.check()
        write_text(self.path / name, json_text(value) + "\n")

    def append_row(self, row: Mapping[str, Any]) -> None:
        """Append one epoch to metrics.csv; the row is on disk when this returns."""
        self._lock.check()
        path = self.path / "metrics.csv"
        try:
            # Unbuffered: on a full disk `truncate` would first flush the buffer, fail again, and leave half a row.
            with open(path, "ab", buffering=0) as file:
                start = file.tell()
                rest = csv_text([row], COLUMNS, header=start == 0).encode()
                try:
                    while rest:
                        rest = rest[file.write(rest) :]
                    sync_file(file.fileno(), path)
                except OSError:
                    with suppress(OSError):
                        file.truncate(start)
                    raise
        except OSError as error:
            raise resource_error(error, path) from None

    def keep_rows(self, epochs: int) -> None:
        """Drop rows after `epochs` and an incomplete last line: a resumed run writes them again."""
        path = self.path / "metrics.csv"
        if not path.exists():
            return
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
        own = csv_text([], COLUMNS, header=True)
        # Columns are only added at the end, so our header fits rows of an older srae, and a newer header fits our rows.
        header = next((line for line in lines[:1] if line.startswith(own.strip()) and line.endswith("\n")), own)
        kept = [line for line in lines if (epoch := epoch_of(line)) is not None and epoch <= epochs]
        write_text(path, "".join([header, *kept]))

    def write_images(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Per-image metrics of val and test."""
        columns = list(dict.fromkeys(key for row in rows for key in row))
        write_text(self.path / "images.csv", csv_text(rows, columns, header=True))

    def record_images(self, digests: Sequence[str]) -> None:
        """The images that are trained on, by SHA-256: `srae eval` knows them again."""
        record_images(self.path, digests)

    def log(self, text: str) -> None:
        """Append a line to log.txt; a full disk is ignored here, because the other files report it."""
        with suppress(OSError), open(self.path / "log.txt", "a", encoding="utf-8") as file:
            file.write(text + "\n")

    def finish(self, summary: Mapping[str, Any]) -> None:
        """summary.json, and DONE when the run is done."""
        resumes = self._environment().get("resumes", [])
        self.write_json("summary.json", {"version": VERSION, "run": self.path.name, **summary, "resumes": resumes})
        if summary["status"] == "done":
            write_text(self.path / "DONE", "")

    def reopen(self) -> None:
        """Remove the files that mark the end of a run, before it is resumed."""
        self._lock.check()
        for name in ("DONE", "summary.json"):
            (self.path / name).unlink(missing_ok=True)

    def close(self) -> None:
        self._lock.close()


class SilentWriter(RunWriter):
    """Of the processes of one training the first alone writes; the others have this one, which does nothing."""

    def __init__(self) -> None:
        self.path = self.samples = Path(os.devnull)

    @property
    def checkpoints(self) -> Path:
        return self.path

    def write_json(self, name: str, value: Mapping[str, Any]) -> None: ...

    def write_config(self, config: Config) -> None: ...

    def append_row(self, row: Mapping[str, Any]) -> None: ...

    def keep_rows(self, epochs: int) -> None: ...

    def write_images(self, rows: Sequence[Mapping[str, Any]]) -> None: ...

    def record_images(self, digests: Sequence[str]) -> None: ...

    def log(self, text: str) -> None: ...

    def finish(self, summary: Mapping[str, Any]) -> None: ...

    def reopen(self) -> None: ...

    def close(self) -> None: ...
