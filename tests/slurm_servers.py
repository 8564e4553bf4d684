"""Slurm's own servers on loopback: a node of two CPUs, and two partitions, of which `high` preempts `low`.

Needs Debian's packages slurmctld, slurmd, slurm-client and munge; without them, or without SRAE_CLUSTER=1, the tests
that import this are skipped.
"""

from __future__ import annotations

import os
import platform
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from conftest import clean_environment

SEARCHED = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
PROGRAMS = {n: shutil.which(n, path=SEARCHED) for n in ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol")}
if not os.environ.get("SRAE_CLUSTER"):
    pytest.skip("SRAE_CLUSTER=1 runs it, on Slurm's servers: some minutes, mostly of waiting", allow_module_level=True)
if missing := [name for name, path in PROGRAMS.items() if path is None]:
    reason = f"no {' and no '.join(missing)}: apt-get install slurmctld slurmd slurm-client munge"
    pytest.skip(reason, allow_module_level=True)

ENDS_WITH_US = ["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv") else []
"""Servers do not outlive tests that are killed."""
START = 60
"""Seconds that servers may take to answer."""
CONFIG = """\
ClusterName=toy
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={node}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SchedulerParameters=sched_interval=2,batch_sched_delay=1,bf_interval=2
MpiDefault=none
NodeName=toy NodeHostname={host} NodeAddr=127.0.0.1 CPUs=2
PartitionName=low Nodes=ALL Default=YES PriorityTier=1 GraceTime=60
PartitionName=high Nodes=ALL PriorityTier=10
"""


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class Slurm:
    """The servers, and the commands that ask them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._servers: dict[str, subprocess.Popen[bytes]] = {}
        for name in ("state", "spool"):
            (folder / name).mkdir()
        (folder / "munge.key").write_bytes(secrets.token_bytes(1024))
        (folder / "munge.key").chmod(0o400)
        host, user = platform.node().partition(".")[0], pwd.getpwuid(os.getuid()).pw_name
        ports = {"controller": _free_port(), "node": _free_port()}
        (folder / "slurm.conf").write_text(CONFIG.format(host=host, user=user, folder=folder, **ports))
        (folder / "cgroup.conf").write_text("CgroupAutomount=no\n")  # never asked for, but the file is
        self.conf = str(folder / "slurm.conf")

    def start(self, name: str) -> None:
        """Start munged, slurmctld or slurmd in the foreground, its output in a file."""
        own = {f"--{key}": str(self.folder / f"munge.{key.removesuffix('-file')}") for key in
               ("key-file", "socket", "pid-file", "log-file", "seed-file")}  # fmt: skip
        arguments = {
            "munged": ["--foreground", "--force", *(word for pair in own.items() for word in pair)],
            "slurmctld": ["-D"],
            "slurmd": ["-D", "-N", "toy"],
        }[name]
        with open(self.folder / f"{name}.out", "ab") as output:
            self._servers[name] = subprocess.Popen(
                [*ENDS_WITH_US, str(PROGRAMS[name]), *arguments],
                env=clean_environment(SLURM_CONF=self.conf),
                stdout=output,
                stderr=output,
            )

    def restart(self, name: str) -> None:
        """As a system's service manager does: by SIGTERM."""
        self._servers[name].terminate()
        self._servers[name].wait(START)
        self.start(name)
        self.wait_until_answers()

    def ask(self, *command: str, check: bool = True) -> str:
        done = subprocess.run(
            command, env=clean_environment(SLURM_CONF=self.conf), capture_output=True, text=True, timeout=60
        )
        assert not check or done.returncode == 0, (command, done.stderr, self.said())
        return done.stdout

    def wait_until_idle(self) -> None:
        deadline = time.monotonic() + START
        while set(self.ask("sinfo", "--noheader", "--format=%T", check=False).split()) != {"idle"}:
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.2)

    def wait_until_answers(self) -> None:
        deadline = time.monotonic() + START
        while "is UP" not in self.ask("scontrol", "ping", check=False):
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.2)

    def said(self) -> str:
        return "\n".join(path.read_text(errors="replace")[-2000:] for path in sorted(self.folder.glob("*.out")))

    def stop(self) -> None:
        """End every job, then the servers."""
        subprocess.run(
            ["scancel", "--signal=KILL", "--full", "--me"],
            env=clean_environment(SLURM_CONF=self.conf),
            capture_output=True,
        )
        subprocess.run(["scancel", "--me"], env=clean_environment(SLURM_CONF=self.conf), capture_output=True)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and self.ask("squeue", "--noheader", check=False):
            time.sleep(0.2)
        for server in reversed(self._servers.values()):
            server.terminate()
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


@contextmanager
def run_slurm() -> Iterator[Slurm]:
    """The servers, with nothing to do yet; everything ends with the block."""
    with tempfile.TemporaryDirectory(prefix="slurm-", ignore_cleanup_errors=True) as name:  # names of sockets are short
        slurm = Slurm(Path(name))
        try:
            for server in ("munged", "slurmctld", "slurmd"):
                slurm.start(server)
                time.sleep(0.5)
            slurm.wait_until_idle()
            yield slurm
        finally:
            slurm.stop()
