"""Only jobs of what the configuration names count."""

import json

import pytest

from anyband.report.topics.cost_and_tuning import read_benchmarks, training_memory
from unit.report.fabricated import entry_of, fabricate_config

CONFIG = fabricate_config(methods=["anyband", "pixel"])
FILES = {
    "train/main/anyband/seed-0": 1200.0,
    "train/main/anyband/seed-1": 1500.0,
    "train/main/pixel/seed-0": "NA",
    "train/main/satlas/seed-0": 9000.0,
    "train/rivals/anyband/seed-0": 8000.0,
    "evaluate/main/anyband/seed-0": 7000.0,
    "trial/main/anyband/trial-3": 7100.0,
    "compare/main": 100.0,
    "compare/rivals": 100.0,
    "extract/main/aspen": 310.0,
    "extract/other/aspen": 310.0,
    "split/main": 90.0,
}


@pytest.fixture
def results(tmp_path):
    for name, memory in FILES.items():
        path = tmp_path / f"benchmarks/{name}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"s": 1.0, "max_rss": memory}) + "\n")
    return tmp_path


def test_other_experiments_methods_and_datasets_do_not_count(results):
    table = read_benchmarks(results, CONFIG)
    once = ("evaluate", "trial", "compare", "extract", "split")
    assert table["rule"].value_counts().to_dict() == {"train": 3, **dict.fromkeys(once, 1)}
    assert set(table["name"]) == {"main"} and "satlas" not in set(table["method"])


def test_training_memory_is_the_largest_of_the_seeds(results):
    memory = training_memory(entry_of({"labels": {}}, CONFIG, results))
    assert memory["anyband"] == 1500
    assert memory["pixel"] != memory["pixel"]  # too short to be sampled: unknown, not 0
    assert "satlas" not in memory
