"""Finished results folders and their reports, made once for all tests of the report: read only."""

import itertools
import shutil
from pathlib import Path

import pytest

from anyband.report.build import write_report
from anyband.report.render import draw_pdf
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
    """Report of an experiment with unseen sensors and figures, few as PDF: (page, data folder, comparison folder)."""
    folder, config = tmp_path_factory.mktemp("unseen"), fabricate_unseen()
    results = fabricate_results(folder / "results", config, skill=UNSEEN)
    compare_all(results, config)
    count = itertools.count()
    with pytest.MonkeyPatch.context() as patch:  # a PDF takes longer than both of a figure's SVGs
        patch.setattr("anyband.report.content.draw_pdf", lambda *of: b"" if next(count) % 4 else draw_pdf(*of))
        write_report(config, results, folder / "report.html", folder / "report_data")
    return folder / "report.html", folder / "report_data", results / "comparison/main"


@pytest.fixture
def linked(tmp_path, results):
    """A function that makes a folder of links to `source`, of which those named are copies, and runs may be deleted."""

    def link(*copied, source=results):
        folder = tmp_path / "results"
        for run in source.glob("runs/main/*/*"):
            place = folder / run.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(run)
        for name in ("benchmarks", "chips", "pairs", "scenes", "splits"):
            if name in copied:
                shutil.copytree(source / name, folder / name)
            else:
                (folder / name).symlink_to(source / name)
        return folder

    return link
