"""Two simulated places of one chip, one of each hemisphere."""

import pytest

from anyband.config import Simulation
from archive_run import NORTH, SOUTH, simulate


@pytest.fixture(scope="session")
def archive(tmp_path_factory):
    return simulate(tmp_path_factory.mktemp("archive"), NORTH.name, SOUTH.name, settings=Simulation())
