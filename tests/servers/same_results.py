"""Results of two runs held against each other, byte for byte."""

DECIDED = ("pairs/**/*.csv", "splits/**/*.csv", "chips/**/c/**/*", "runs/**/*.safetensors", "runs/**/confusion.csv")
"""Pairs, splits, pixels, weights and scores: what does not name where it was made."""


def same_bytes(local, workflow, *names):
    """Files of two runs, by their paths below `results`, are equal."""
    for name in names:
        mine, theirs = ((run.folder / "results" / name).read_bytes() for run in (local, workflow))
        assert mine == theirs, name


def same_results(local, workflow):
    """Everything that decides the tables of the report is equal in two runs."""
    results = local.folder / "results"
    names = [path.relative_to(results) for pattern in DECIDED for path in results.glob(pattern) if path.is_file()]
    assert len(names) > 50
    same_bytes(local, workflow, *names)
