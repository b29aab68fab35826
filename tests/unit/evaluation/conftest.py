"""One small dataset for all tests of evaluation that need no other."""

from pathlib import Path

import pytest

from small_split import fabricate_split


@pytest.fixture(scope="session")
def dataset(tmp_path_factory) -> tuple[Path, Path]:
    return fabricate_split(tmp_path_factory.mktemp("evaluation"))
