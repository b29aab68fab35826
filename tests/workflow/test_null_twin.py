"""The null twin of the archive from simulated scenes to claims: what is planted is claimed, and nothing else."""

import json

import pandas as pd
import pytest

from anyband.statistics.protocol import CLAIM_BLOCKS, CLAIM_SEEDS
from tiny_workflow import ROOT, Workflow

SITES = 18  # twelve for testing, two for validation, four for training
PLANTED = {  # a baseline whose training does nothing
    "datasets": {"main": {"split": {"test_blocks": CLAIM_BLOCKS, "val_blocks": 2}}},
    "methods": {"untrained": {"inherits": "feature-fusion", "learning_rate": 1e-7}},
    "experiments": {
        "main": {
            "methods": ["s2-only", "l9-only", "input-fusion", "untrained"],
            "proposed": "input-fusion",
            "seeds": list(range(CLAIM_SEEDS)),
            "training": {"steps": 150, "batch": 4, "validations": 1},
        },
        "unseen": {"proposed": "anyband"},  # otherwise that of main
    },
}


@pytest.fixture(scope="module")
def null_twin(tmp_path_factory):
    """A finished run of the preset with few places and short trainings, but as many seeds and blocks as claims need."""
    folder = tmp_path_factory.mktemp("null")
    lines = [line for line in (ROOT / "workflow/sites/embedded.csv").read_text().splitlines() if line[0] != "#"]
    (folder / "sites.csv").write_text("\n".join(lines[: 1 + SITES]) + "\n")
    PLANTED["datasets"]["main"]["sites"] = str(folder / "sites.csv")
    workflow = Workflow(folder)
    preset = ROOT / "workflow/presets/null-twin.yaml"
    workflow.succeed(configs=[preset], change=PLANTED)
    return folder / "results"


@pytest.mark.slow
def test_null_twin_yields_no_claim_about_sensors(null_twin):
    """The silence is no lack of seeds, blocks or candidates."""
    claims = json.loads((null_twin / "comparison/main/claims.json").read_text())
    assert claims["reason"] is None
    assert set(pd.read_csv(null_twin / "comparison/main/fusion.csv")["method"]) == {"input-fusion", "untrained"}
    assert claims["sensor_claims"] == []


@pytest.mark.slow
def test_planted_difference_is_the_only_claim(null_twin):
    claims = json.loads((null_twin / "comparison/main/claims.json").read_text())["claims"]
    assert [(claim["kind"], claim["first"], claim["second"]) for claim in claims] == [
        ("better", "input-fusion", "untrained")
    ]
    assert "Input fusion is better than untrained" in (null_twin / "report.html").read_text()
