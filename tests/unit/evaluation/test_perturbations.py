import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from anyband.conditions import parse
from anyband.evaluation.perturbations import DIRECTION, Chips, perturb
from anyband.models.core.method import UnsupportedInputError
from anyband.models.core.regrid import reading_weights
from anyband.observation import Observation
from anyband.sensors import BandSet, get_sensor
from handmade import make_group

BANDS = {
    ("sentinel2", 10.0): ("B02", "B03", "B04", "B08"),
    ("sentinel2", 20.0): ("B05", "B06", "B07", "B8A", "B11", "B12"),
    ("sentinel2", 60.0): ("B01", "B09"),
    ("landsat", 30.0): ("coastal", "blue", "green", "red", "nir08", "swir16", "swir22"),
}
PLATFORMS = {"sentinel2": ("sentinel-2a", "sentinel-2b"), "landsat": ("landsat-8", "landsat-9")}


@pytest.fixture
def scene() -> Observation:
    """Two chips of two platforms, a tenth of the pixels not valid."""
    groups = []
    for seed, ((product, pixel), names) in enumerate(BANDS.items()):
        sets = tuple(get_sensor(platform, product).band_set(names) for platform in PLATFORMS[product])
        group = make_group(product, sets[0], pixel, 480.0, 2, seed, 15.0 if product == "landsat" else 0.0)
        valid = torch.rand(group.values.shape, generator=torch.Generator().manual_seed(seed)) > 0.1
        facts = torch.tensor([[30.0 + seed // 3, 150.0, 5.0, 130.0], [40.0, 160.0, math.nan, 140.0]])
        group = replace(group, band_sets=sets, band_set_index=torch.arange(2), valid=valid, scene=facts)
        groups.append(replace(group, values=group.values * valid))
    return Observation(tuple(groups))


def do(scene: Observation, key: str) -> Observation:
    def other(product):
        moved = tuple(replace(g, values=g.values.flip(0), valid=g.valid.flip(0)) for g in scene.of(product))
        return moved, torch.tensor([True, False])

    return perturb(scene, parse(key).steps, Chips(("a-0-r0c0", "a-0-r0c1"), other))


def names(observation: Observation) -> set[str]:
    return {band.name for group in observation.groups for band in group.band_sets[0]}


def equal(a: Observation, b: Observation) -> bool:
    return len(a.groups) == len(b.groups) and all(
        torch.equal(x.values, y.values)
        and torch.equal(x.valid, y.valid)
        and torch.equal(x.offset_m, y.offset_m)
        and torch.equal(x.scene.nan_to_num(-1), y.scene.nan_to_num(-1))
        and (x.product, x.band_sets, x.pixel_m) == (y.product, y.band_sets, y.pixel_m)
        for x, y in zip(a.groups, b.groups, strict=True)
    )


EVERY = [
    "drop-red-edge", "keep-rgb-nir", "drop-random-50", "merged", "duplicate-swir", "gsd-60", "gsd-60-wrong",
    "gsd-60-absent", "srf-wrong", "srf-absent", "offset-7.5", "moved-60", "cloudy-50", "late", "cloudy-50@S2",
    "scene-absent",
]  # fmt: skip


def test_the_same_is_the_same(scene):
    assert equal(do(scene, "S2+L9/same"), scene)


@pytest.mark.parametrize("word", EVERY)
def test_every_perturbation_changes_something_keeps_its_source_and_leaks_nothing(scene, word):
    before = [group.values.clone() for group in scene.groups]
    changed = do(scene, f"S2+L9/{word}")
    assert not equal(changed, scene)
    assert equal(do(scene, f"S2+L9/{word}"), changed)  # fixed: nothing is drawn anew
    assert all(torch.equal(a, b.values) for a, b in zip(before, scene.groups, strict=True))
    for group in changed.groups:
        assert torch.isfinite(group.values).all()
        assert not group.values[~group.valid].any()
        assert all(len(band_set) == group.values.shape[1] for band_set in group.band_sets)


@pytest.mark.parametrize("word", [*EVERY[:-1], "as-L9"])
def test_what_is_done_to_bands_leaves_the_facts_of_the_scene(scene, word):
    at_hand = "S2" if word == "as-L9" else "S2+L9"
    observation = scene.only(frozenset({"sentinel2"})) if at_hand == "S2" else scene
    known = {group.product: group.scene for group in scene.groups}
    for group in do(observation, f"{at_hand}/{word}").groups:
        mine = known["sentinel2" if word == "as-L9" else group.product]
        if word == "merged" and group.pixel_m == 30:
            mine = known["landsat"]
        assert torch.equal(group.scene.nan_to_num(-1), mine.nan_to_num(-1))


def test_an_absent_scene_tells_nothing_and_keeps_the_rest(scene):
    absent = do(scene, "S2+L9/scene-absent")
    assert all(group.scene.isnan().all() for group in absent.groups)
    again = Observation(tuple(replace(a, scene=b.scene) for a, b in zip(absent.groups, scene.groups, strict=True)))
    assert equal(again, scene)


def test_one_sensor_is_the_last_one_unless_told(scene):
    for word, touched in (("cloudy-50", "landsat"), ("cloudy-50@S2", "sentinel2"), ("offset-15", "landsat")):
        changed = do(scene, f"S2+L9/{word}")
        (other,) = {"sentinel2", "landsat"} - {touched}
        assert equal(changed.only(frozenset({other})), scene.only(frozenset({other})))


def test_families_go_and_stay(scene):
    assert names(scene) - names(do(scene, "S2+L9/drop-red-edge")) == {"B05", "B06", "B07"}
    assert names(scene) - names(do(scene, "S2+L9/drop-swir")) == {"B11", "B12", "swir16", "swir22"}
    assert names(do(scene, "S2/keep-rgb-nir").only(frozenset({"sentinel2"}))) == {"B02", "B03", "B04", "B08", "B8A"}
    assert {group.pixel_m for group in do(scene.only(frozenset({"sentinel2"})), "S2/keep-rgb").groups} == {10.0}
    with pytest.raises(UnsupportedInputError, match="no band"):
        do(scene.only(frozenset({"landsat"})), "L9/keep-red-edge")


@pytest.mark.parametrize("draw", range(3))
def test_random_drops_are_nested_and_leave_a_band(scene, draw):
    single = scene.only(frozenset({"sentinel2"}))
    kept = [names(do(single, f"S2/drop-random-{percent}-{draw}")) for percent in (10, 25, 50, 75, 99)]
    assert [len(k) for k in kept] == [11, 9, 6, 3, 1]
    assert all(few < many for many, few in zip(kept, kept[1:], strict=False))
    turned = Observation(tuple(g.select_bands(tuple(reversed(range(g.values.shape[1])))) for g in single.groups))
    assert names(do(turned, f"S2/drop-random-50-{draw}")) == kept[2]


def test_draws_differ(scene):
    assert len({frozenset(names(do(scene, f"S2+L9/drop-random-50-{draw}"))) for draw in range(4)}) == 4
    assert equal(do(scene, "S2+L9/drop-random-50"), do(scene, "S2+L9/drop-random-50-0"))


def test_merged_is_one_acquisition_with_all_bands(scene):
    merged = do(scene, "S2+L9/merged")
    assert merged.products == {"sentinel2"}
    assert len(names(merged)) == len(names(scene))
    assert "landsat.red" in names(merged)
    assert [g.pixel_m for g in merged.of("sentinel2")] == [10.0, 20.0, 30.0, 60.0]


def test_a_duplicate_has_the_same_pixels_under_another_name(scene):
    (group,) = do(scene.only(frozenset({"landsat"})), "L9/duplicate-swir").groups
    assert [band.name for band in group.band_sets[1]][-2:] == ["swir16-again", "swir22-again"]
    assert torch.equal(group.values[:, -2:], group.values[:, 5:7])
    assert group.band_sets[1].bands[-1].response is group.band_sets[1].bands[6].response


def described(observation: Observation) -> list[tuple]:
    return [
        (band.name, band.response.centre_nm, band.response.fwhm_nm)
        for group in observation.groups for band_set in group.band_sets for band in band_set
    ]  # fmt: skip


def test_absent_responses_tell_nothing(scene):
    hidden = do(scene, "S2+L9/srf-absent")
    bands = [b for group in hidden.groups for band_set in group.band_sets for b in band_set]
    assert len({(b.response.centre_nm, b.response.fwhm_nm, b.concept) for b in bands}) == 1
    assert {len(b.response.weight) for b in bands} == {2}
    assert all(torch.equal(a.values, b.values) for a, b in zip(hidden.groups, scene.groups, strict=True))


def test_wrong_responses_are_those_of_other_bands(scene):
    right, wrong = described(scene), described(do(scene, "S2+L9/srf-wrong"))
    assert [entry[0] for entry in wrong] == [entry[0] for entry in right]
    assert sorted(entry[1:] for entry in wrong) == sorted(entry[1:] for entry in right)
    assert all(abs(a[1] - b[1]) > 30 for a, b in zip(right, wrong, strict=True))


def test_absent_distances_tell_nothing(scene):
    hidden = do(scene, "S2+L9/gsd-60-absent")
    assert len({band.gsd_m for g in hidden.groups for s in g.band_sets for band in s}) == 1
    true, wrong = (do(scene, f"S2+L9/gsd-60{stated}") for stated in ("", "-wrong"))
    assert {band.gsd_m for g in true.groups for s in g.band_sets for band in s} == {60.0}
    assert {band.gsd_m for g in wrong.groups for s in g.band_sets for band in s} == {10.0, 20.0, 30.0, 60.0}
    for other in (hidden, wrong):
        assert all(torch.equal(a.values, b.values) for a, b in zip(true.groups, other.groups, strict=True))


def edge_at(observation: Observation) -> tuple[float, float]:
    """Where a reader that trusts the stated offset finds a dark-bright edge in x and in y, m from the chip's edge."""
    (group,) = observation.groups
    found = []
    for axis, image in ((0, group.values[0, 0].amax(dim=0)), (1, group.values[0, 1].amax(dim=1))):
        weights = reading_weights(len(image), group.pixel_m, group.offset_m[:, axis], 480, 1.0, linear=True)[0]
        profile = (weights @ image).numpy()
        found.append(float(np.interp(0.5, profile[60:420], np.arange(60, 420) + 0.5)))
    return found[0], found[1]


def with_edge() -> Observation:
    """Landsat, 15 m off, whose first band brightens at 240 m in x and second in y."""
    bands = BandSet("landsat-8", get_sensor("landsat-8", "landsat").band_set(("blue", "red")).bands)
    group = make_group("landsat", bands, 30.0, 480.0, 1, 0, 15.0)
    ramp = ((torch.arange(16) + 0.5) * 30 + 15 - 240).clamp(-30, 30) / 60 + 0.5
    values = torch.stack((ramp.expand(16, 16), ramp[:, None].expand(16, 16)))[None]
    return Observation((replace(group, values=values.contiguous()),))


@given(st.integers(10, 600).map(lambda tenths: tenths / 10))
def test_a_wrong_offset_moves_an_edge_by_the_stated_metres(metres):
    x, y = edge_at(do(with_edge(), f"L9/offset-{metres:g}"))
    assert (x - 240, y - 240) == pytest.approx([metres * part for part in DIRECTION], abs=0.05)
    assert np.hypot(x - 240, y - 240) == pytest.approx(metres, abs=0.05)


@pytest.mark.parametrize("metres", [30, 60, 90])
def test_moved_pixels_move_an_edge_by_the_stated_metres(metres):
    moved = do(with_edge(), f"L9/moved-{metres}")
    (group,) = moved.groups
    assert edge_at(moved) == pytest.approx((240 + metres, 240 + metres), abs=0.05)
    step = metres // 30
    assert not group.valid[..., :step, :].any()
    assert not group.valid[..., :step].any()
    assert group.valid[..., step:, step:].all()


def test_moving_further_than_the_chip_leaves_nothing_valid(scene):
    moved = do(scene, "S2+L9/moved-960@S2")
    assert not any(group.valid.any() for group in moved.of("sentinel2"))


def test_a_late_sensor_shows_another_date_or_nothing(scene):
    (group,) = do(scene, "S2+L9/late").of("landsat")
    (now,) = scene.of("landsat")
    assert torch.equal(group.values[0], now.values[1])
    assert not group.valid[1].any()
    assert not group.values[1].any()
