"""A real SLURM and a finished run of this machine to hold its results against."""

import pytest

from servers.slurm_cluster import SlurmCluster, install
from tiny_workflow import Workflow


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    """SLURM's daemons, stopped at the end of the module."""
    install()
    with SlurmCluster(tmp_path_factory.mktemp("slurm")) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def local(tmp_path_factory):
    """The tiny preset without a scheduler, one thread a training."""
    workflow = Workflow(tmp_path_factory.mktemp("local"))
    workflow.succeed("--set-threads", "train=1", "evaluate=1", "extract=2")
    return workflow
