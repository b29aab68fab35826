"""Finished results folders and their reports, made once for all tests of the report: read only."""

import shutil
from pathlib import Path

import pytest

from anyband.report.build import write_report
from unit.report.fabricated import UNSEEN, compare_all, fabricate_config, fabricate_results, fabricate_unseen, rebuild


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Where tests run in several processes, all of this folder run in one, which makes these results once."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("report"), append=False)


@pytest.fixture(scope="session")
def config():
    """Default methods, five seeds."""
    return fabricate_config()


@pytest.fixture(scope="session")
def results(tmp_path_factory, config):
    """Results of all stages before the report."""
    return fabricate_results(tmp_path_factory.mktemp("run") / "results", config)


@pytest.fixture(scope="session")
def report(tmp_path_factory, results, config):
    """The report of `results` with empty figures: (page, data folder)."""
    folder = tmp_path_factory.mktemp("report")
    rebuild(folder, config, results)
    return folder / "report.html", folder / "report_data"


@pytest.fixture(scope="session")
def unseen(tmp_path_factory):
    """Report of an experiment with unseen sensors and all its figures: (page, data folder, comparison folder)."""
    folder, config = tmp_path_factory.mktemp("unseen"), fabricate_unseen()
    results = fabricate_results(folder / "results", config, skill=UNSEEN)
    compare_all(results, config)
    write_report(config, results, folder / "report.html", folder / "report_data")
    return folder / "report.html", folder / "report_data", results / "comparison/main"


@pytest.fixture
def linked(tmp_path, results):
    """A function that makes a folder of links to what is in `results`, or of copies where something will be changed."""

    def link(*copied):
        folder = tmp_path / "results"
        folder.mkdir()
        for path in results.iterdir():
            if path.name in copied:
                shutil.copytree(path, folder / path.name)
            elif path.name not in ("comparison", "tuning", "audit"):
                (folder / path.name).symlink_to(path)
        return folder

    return link
