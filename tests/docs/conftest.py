"""A copy of the repository in which the first page of the site was followed: where the tutorials begin."""

import shutil

import pytest

from docs.followed import copy_repository, follow


@pytest.fixture(scope="session")
def first_report(root, tmp_path_factory):
    """The folder after docs/start/first-report.md, made once per test session."""
    folder = copy_repository(root, tmp_path_factory.mktemp("site") / "anyband")
    follow(root / "docs/start/first-report.md", folder)
    return folder


@pytest.fixture
def study(first_report, tmp_path):
    """A copy of that folder, which a tutorial may change."""
    return shutil.copytree(first_report, tmp_path / "anyband", symlinks=True)
