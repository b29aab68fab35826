"""A finished results folder and its report, made once for all tests of the report."""

import pytest

from anyband.report.build import write_report
from unit.report.fabricated import compare_all, fabricate_config, fabricate_results


@pytest.fixture(scope="session")
def config():
    """Default methods, five seeds."""
    return fabricate_config()


@pytest.fixture(scope="session")
def results(tmp_path_factory, config):
    """Results of all stages before the report. Read only: copy before changing anything."""
    folder = fabricate_results(tmp_path_factory.mktemp("run") / "results", config)
    compare_all(folder, config)
    return folder


@pytest.fixture(scope="session")
def report(tmp_path_factory, results, config):
    """The report of `results`: (page, data folder)."""
    folder = tmp_path_factory.mktemp("report")
    page, data = folder / "report.html", folder / "report_data"
    write_report(config, results, page, data)
    return page, data
