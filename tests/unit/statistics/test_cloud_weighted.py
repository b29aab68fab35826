import pytest

from anyband.runtime import UserError
from anyband.statistics.cloud_weighted import COLUMNS, cloud_weighted, what_clouds_leave
from anyband.statistics.cube import build_cube
from anyband.statistics.paired import contrast, score


def write(folder, name, rows):
    (folder / f"{name}.csv").write_text("clear_joint,clear_sentinel2,clear_landsat\n" + rows)


def test_shares_are_those_of_training_sites_alone(tmp_path):
    (tmp_path / "splits.csv").write_text("site,split\na,train\na,train\nb,train\nc,test\n")
    write(tmp_path, "a", "0.6,0.8,0.7\n0.8,0.8,1.0\n")
    write(tmp_path, "b", "0.4,0.5,0.7\n")
    write(tmp_path, "c", "0.0,1.0,0.0\n")
    # Means: both 0.6, Sentinel-2 0.7, Landsat 0.8; of ground that one of them shows, 0.9, they leave 1/9, 2/9 and 6/9.
    assert what_clouds_leave(tmp_path, tmp_path / "splits.csv") == pytest.approx(
        {"S2": 1 / 9, "L9": 2 / 9, "S2+L9": 6 / 9}
    )


def test_without_a_training_site_nothing_is_known(tmp_path):
    (tmp_path / "splits.csv").write_text("site,split\nc,test\n")
    with pytest.raises(UserError, match="no training site"):
        what_clouds_leave(tmp_path, tmp_path / "splits.csv")


SCORES = {
    "s2-only": {"S2": 0.8},
    "input-fusion": {"S2": 0.7, "L9": 0.6, "S2+L9": 0.7},
    "anyband": {"S2": 0.8, "L9": 0.6, "S2+L9": 0.9},
    "pixel": {"S2": 0.5, "L9": 0.4, "S2+L9": 0.5},
}
SHARES = {"S2": 0.2, "L9": 0.1, "S2+L9": 0.7}


def test_conditions_count_by_their_share(confusion_table, comparison_settings):
    cube = build_cube(confusion_table(SCORES), comparison_settings)
    table = cloud_weighted(cube, comparison_settings, SHARES).set_index("method")
    assert list(table.index) == ["anyband", "input-fusion", "pixel", "majority"]
    parts = [float(score(cube, "anyband", (condition,)).value) for condition in SHARES]
    mean = sum(share * part for share, part in zip(SHARES.values(), parts, strict=True))
    assert table.loc["anyband", "miou"] == pytest.approx(mean)
    row = table.loc["input-fusion"]
    assert row["difference"] == pytest.approx(mean - row["miou"])
    assert row["difference_lower"] < row["difference"] < row["difference_upper"]
    assert row["p_holm"] == row["p"] < 0.05  # the one baseline is the declared family
    assert table.loc[["anyband", "pixel"], "p_holm"].isna().all()
    assert table.loc["pixel", ["weight_s2", "weight_l9", "weight_both"]].tolist() == [0.2, 0.1, 0.7]


def test_equal_shares_are_the_primary_endpoint(confusion_table, comparison_settings):
    cube = build_cube(confusion_table(SCORES), comparison_settings)
    table = cloud_weighted(cube, comparison_settings, dict.fromkeys(SHARES, 1 / 3)).set_index("method")
    own = {method: (method, cube.endpoints[method]) for method in ("anyband", "input-fusion")}
    primary = contrast(cube, own["anyband"], own["input-fusion"], 0.01).difference
    assert table.loc["input-fusion", "difference_lower"] == pytest.approx(float(primary.lower))


def test_without_shares_or_a_condition_there_is_no_third_endpoint(confusion_table, comparison_settings):
    cube = build_cube(confusion_table(SCORES), comparison_settings)
    experiment = comparison_settings.experiment.model_copy(update={"conditions": ["S2", "S2+L9"]})
    fewer = comparison_settings.model_copy(update={"experiment": experiment})
    for settings, shares in ((comparison_settings, {}), (fewer, SHARES)):
        table = cloud_weighted(cube, settings, shares)
        assert table.empty and list(table) == COLUMNS
