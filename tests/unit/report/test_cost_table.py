"""What every method costs, as the page shows it."""

from anyband.report import formatting as form
from anyband.report.topics.cost_and_tuning import cost_table
from anyband.statistics import run_tables
from unit.report.fabricated import entry_of

CONTENT = {
    "parameters": 1000, "trainable_parameters": 1000, "macs_per_km2": 5, "train_seconds": 1.0,
    "inference_km2_per_s": 2, "peak_memory_mb": 3,
}  # fmt: skip
LABELS = {"anyband": "AnyBand", "satlas": "Satlas", "random-forest": "Random forest"}


def costs(method="satlas", **changed):
    entries = {"anyband": CONTENT, method: CONTENT | changed}
    return run_tables.cost({(name, seed): content for name, content in entries.items() for seed in (0, 1)})


def shown(table, memory=None, trials=None):
    general = table[["method"]].assign(role="baseline")
    return cost_table(entry_of({"labels": LABELS}, cost=table, general=general), memory or {}, trials or {})


def row(table, name):
    return table.frame().set_index("Method").loc[name]


def test_the_cost_table_says_what_a_method_started_from():
    table = costs(note="sentinel2: weights of s2.pth")
    assert table.set_index("method")["note"].to_dict() == {"anyband": "", "satlas": "sentinel2: weights of s2.pth"}
    assert "Satlas started from: sentinel2: weights of s2.pth." in shown(table).notes
    assert "note" not in costs()
    assert not any("started" in note for note in shown(costs()).notes)


def test_what_was_not_measured_is_a_dash_and_never_zero():
    forest = row(shown(costs("random-forest", macs_per_km2=0, trainable_parameters=0)), "Random forest")
    assert forest["MACs per km²"] == form.DASH
    assert forest["Trainable"] == "0"  # this one was counted
    assert forest["Memory, training"] == forest["Tuning trials"] == form.DASH


def test_memory_and_trials_stand_in_the_row_of_their_method():
    table = shown(costs(), {"satlas": 1210.4, "anyband": float("nan")}, {"satlas": 8, "anyband": 4})
    assert list(row(table, "Satlas")[["Memory, training", "Tuning trials"]]) == ["1210 MB", "8"]
    assert list(row(table, "AnyBand")[["Memory, training", "Tuning trials"]]) == [form.DASH, "4"]


def test_a_larger_rival_is_named():
    assert "Not within 5 % of the parameters of AnyBand: Satlas (+120 %)." in shown(costs(parameters=2200)).notes[0]
    assert "Every other method but the floors is within 5 %" in shown(costs(parameters=1040)).notes[0]
    assert not shown(costs("random-forest", parameters=9)).notes  # a floor
