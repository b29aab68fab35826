"""One small run of the whole workflow, shared by the tests that look at its results."""

import pytest

from tiny_workflow import Workflow


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory):
    """A finished run of the tiny preset, made once per test session."""
    workflow = Workflow(tmp_path_factory.mktemp("run"))
    workflow.succeed()
    return workflow
