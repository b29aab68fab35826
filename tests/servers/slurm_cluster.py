"""A real SLURM of two nodes, both this machine: slurmctld, slurmd and munged on 127.0.0.1, in a folder of its own."""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")
CONFIG = """
ClusterName=anyband
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
MpiDefault=none
ProctrackType=proctrack/{proctrack}
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmctldParameters=idle_on_node_suspend
SlurmdParameters=config_overrides
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
ReturnToService=2
KillWait=30
{nodes}
PartitionName=normal Nodes=ALL Default=YES MaxTime=60
"""
NODE = "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=2 RealMemory=8000"


def install() -> None:
    """Debian's packages, where the programs are not there yet."""
    if not all(map(shutil.which, PROGRAMS)):
        command = ("apt-get", "install", "--yes", "--no-install-recommends", "slurm-wlm", "munge")
        subprocess.run(command, check=True, env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"})


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class SlurmCluster:
    """The daemons while the context lasts; `environment` makes sbatch and the others find them."""

    def __init__(self, folder: Path, proctrack: str = "cgroup"):
        self.folder, self.processes = folder, []
        self.environment = {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}
        host, (port, *ports) = socket.gethostname(), free_ports(3)
        self.nodes = [f"n{os.getpid()}-{number}" for number in range(len(ports))]  # control groups carry their names
        for name in ("state", "bin", *(f"spool-{node}" for node in self.nodes)):
            (folder / name).mkdir(parents=True)
        folder.chmod(0o755)
        nodes = [NODE.format(name=n, host=host, port=at) for n, at in zip(self.nodes, ports, strict=True)]
        text = CONFIG.format(folder=folder, nodes="\n".join(nodes), host=host, port=port, proctrack=proctrack)
        (folder / "slurm.conf").write_text(text)
        (folder / "cgroup.conf").write_text("CgroupAutomount=no\nConstrainRAMSpace=no\n")
        # Snakemake's plugin takes all SLURM_ variables from a job, and with them where the settings are.
        srun = f'#!/bin/sh\nSLURM_CONF={folder / "slurm.conf"} exec {shutil.which("srun")} "$@"\n'
        (folder / "bin/srun").write_text(srun)
        (folder / "bin/srun").chmod(0o755)
        (folder / "munge.key").write_bytes(os.urandom(128))
        (folder / "munge.key").chmod(0o400)

    def __enter__(self):
        folder = self.folder
        files = {"socket": "munge.socket", "key-file": "munge.key", "pid-file": "munge.pid", "log-file": "munge.log"}
        named = [f"--{option}={folder / name}" for option, name in (files | {"seed-file": "munge.seed"}).items()]
        self.start("munged", "--foreground", "--force", *named)
        self.wait(lambda: (folder / "munge.socket").exists(), "munged does not start")
        self.start("slurmctld", "-D", "-c")
        for node in self.nodes:
            self.start("slurmd", "-D", "-N", node)
        self.wait(lambda: self.run("sinfo", "-h", "-N", "-o", "%t").split() == ["idle", "idle"], "no idle nodes")
        return self

    def __exit__(self, *_):
        self.run("scancel", "--user=root")
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()

    def start(self, *command: str) -> None:
        log = (self.folder / f"{command[0]}.out").open("a")
        self.processes.append(subprocess.Popen(command, env=os.environ | self.environment, stdout=log, stderr=log))

    def run(self, *command: str) -> str:
        """What a command of SLURM prints, errors too."""
        done = subprocess.run(command, env=os.environ | self.environment, capture_output=True, text=True, timeout=60)
        return done.stdout + done.stderr

    def wait(self, reached, complaint: str, seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while not reached():
            if time.monotonic() > end:
                logs = "".join(path.read_text()[-1500:] for path in self.folder.glob("*.out"))
                raise TimeoutError(f"{complaint}: {logs}")
            time.sleep(0.3)
