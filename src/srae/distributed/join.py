"""Find the other processes of a training, from what torchrun (or another launcher of `env://`) set for this one."""

from __future__ import annotations

import json
import os
import platform
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
from torch.distributed import PrefixStore, Store, TCPStore  # type: ignore[attr-defined]

from srae.device import describe_machine, pick_device
from srae.distributed.launcher import launched_rank
from srae.distributed.notices import CONNECT, Notices
from srae.distributed.peers import ALONE, Peers
from srae.errors import ConfigError, Interrupted, PeerError

LAUNCHER = timedelta(seconds=10)
"""A launcher listens before it starts its processes: one that does not answer for so long has ended."""


@contextmanager
def joined(device: str) -> Iterator[tuple[Peers, torch.device]]:
    """The processes of this training and the device of this one; `ALONE` without a launcher.

    An error that leaves the block is told to the other processes, so that all of them end with it.

    Args:
        device: as `pick_device` takes it; on GPUs each process of a machine takes its own.

    Raises:
        PeerError: the others cannot be reached.
        ConfigError: more processes than GPUs, or no power of two.
    """
    rank = launched_rank()
    if rank is None:
        yield ALONE, pick_device(device)
        return
    size = int(os.environ["WORLD_SIZE"])
    if size & (size - 1):
        fewer = 2 ** (size.bit_length() - 1)
        raise ConfigError(f"{size} processes are no power of two", "--processes", f"use {fewer} or {2 * fewer}")
    store, attempt = _open_store(rank), os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    # A store outlives an attempt of torchrun: without a prefix a restarted process reads the address of a dead one.
    notices = Notices(PrefixStore(f"srae/{attempt}", store), rank, size, attempts=PrefixStore("srae", store))
    peers = Peers(rank, size, notices=notices)
    try:
        chosen = _pick_own(device)
        machine = {"rank": rank, "host": platform.node(), **describe_machine(chosen)}
        peers.machines = [json.loads(text) for text in notices.meet("start", json.dumps(machine), CONNECT)]
        if size > 1:
            peers.connect(chosen, PrefixStore(f"srae/{attempt}/group", store), CONNECT)
        yield peers, chosen
    except Interrupted:  # all processes stopped at the same step
        raise
    except BaseException as error:
        notices.publish(error)
        raise
    finally:
        peers.disconnect()


def _open_store(rank: int) -> Store:
    host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    launcher_has_it = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    hosts_it = rank == 0 and not launcher_has_it
    try:
        if not hosts_it:
            _wait_for_port(host, port, LAUNCHER if launcher_has_it else CONNECT)
        return TCPStore(host, port, is_master=hosts_it, timeout=CONNECT, wait_for_workers=False)
    except (OSError, RuntimeError) as error:
        who = "launcher" if launcher_has_it else "first process"
        reason = f"{host}:{port}: {str(error).splitlines()[0]}"
        raise PeerError(f"the {who} of this training cannot be reached", reason, "start it again") from None


def _wait_for_port(host: str, port: int, patience: timedelta) -> None:
    """Raises: OSError: nobody listens there; torch's store would try twice, and print a C++ traceback."""
    until = time.monotonic() + patience.total_seconds()
    while True:
        try:
            socket.create_connection((host, port), timeout=patience.total_seconds()).close()
        except OSError:
            if time.monotonic() >= until:
                raise
            time.sleep(0.1)
        else:
            return


def _pick_own(name: str) -> torch.device:
    """GPU k for the k-th process of a machine; see `pick_device`."""
    device = pick_device(name)
    if device.type != "cuda":
        return device
    if name not in ("auto", "cuda"):
        raise ConfigError(f"{name} is one GPU, and every process needs its own", "--device", "use cuda, or auto")
    place, here = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if place >= here:
        raise ConfigError(
            f"process {place + 1} of this machine has no GPU of its own", f"{here} found", "fewer of them"
        )
    torch.cuda.set_device(place)
    return torch.device("cuda", place)
