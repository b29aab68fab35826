"""The shipped sensor tables against published band positions, and the traps between Sentinel-2, Landsat and HLS."""

import numpy as np
import pytest

from anyband.runtime import UserError
from anyband.sensors import get_sensor, load_sensor, platforms
from anyband.sensors.band import nearest_concept

# SRF-weighted centres published by ESA for Sentinel-2A and -2B (COPE-GSEG-EOPG-TN-15-0007), nm.
PUBLISHED_MSI = {
    "sentinel-2a": [442.7, 492.4, 559.8, 664.6, 704.1, 740.5, 782.8, 832.8, 864.7, 945.1, 1613.7, 2202.4],
    "sentinel-2b": [442.2, 492.1, 559.0, 664.9, 703.8, 739.1, 779.7, 832.9, 864.0, 943.2, 1610.4, 2185.7],
    "sentinel-2c": [444.2, 489.0, 560.6, 666.5, 707.1, 741.1, 785.0, 834.6, 865.6, 947.2, 1612.0, 2191.3],
}
# Band-average centres and widths of Landsat-8 OLI, Barsi et al. 2014 (doi 10.3390/rs61010232), nm.
PUBLISHED_OLI_CENTRE = [442.96, 482.04, 561.41, 654.59, 864.67, 1608.86, 2200.73]
PUBLISHED_OLI_FWHM = [15.98, 60.04, 57.33, 37.47, 28.25, 84.72, 186.66]
PRODUCTS = [(q, p) for q in ("sentinel2", "landsat", "hls_s30", "hls_l30") for p in platforms(q)]


def test_every_platform_of_every_product_is_described():
    assert platforms("sentinel2") == platforms("hls_s30") == ("sentinel-2a", "sentinel-2b", "sentinel-2c")
    assert platforms("landsat") == platforms("hls_l30") == ("landsat-8", "landsat-9")


@pytest.mark.parametrize("platform", PUBLISHED_MSI)
def test_msi_centres_match_the_published_ones_within_half_a_nanometre(platform):
    centres = [band.response.centre_nm for band in get_sensor(platform, "sentinel2").bands]
    np.testing.assert_allclose(centres, PUBLISHED_MSI[platform], atol=0.5)


def test_oli_centres_and_widths_match_the_published_ones():
    bands = get_sensor("landsat-8", "landsat").bands[:7]
    np.testing.assert_allclose([b.response.centre_nm for b in bands], PUBLISHED_OLI_CENTRE, atol=0.7)
    np.testing.assert_allclose([b.response.fwhm_nm for b in bands], PUBLISHED_OLI_FWHM, atol=0.5)


def test_thermal_band_is_in_the_thermal_window_and_coarser_than_its_pixels():
    for platform in platforms("landsat"):
        band = get_sensor(platform, "landsat").band("lwir11")
        assert 10_600 < band.response.centre_nm < 11_190
        assert (band.gsd_m, band.pixel_m, band.quantity) == (100, 30, "surface_temperature")


@pytest.mark.parametrize(("product", "platform"), PRODUCTS)
def test_responses_have_area_one_and_one_nanometre_steps_where_they_respond(product, platform):
    for band in get_sensor(platform, product).bands:
        response = band.response
        assert np.trapezoid(response.weight, response.wavelength_nm) == pytest.approx(1.0)
        steps = np.diff(response.wavelength_nm)
        assert steps.max() <= (1.0 if band.quantity == "surface_reflectance" else 50.0), band.name


@pytest.mark.parametrize(
    ("concept", "l30", "s30", "landsat", "sentinel2"),
    [
        ("coastal", "B01", "B01", "coastal", "B01"),
        ("blue", "B02", "B02", "blue", "B02"),
        ("green", "B03", "B03", "green", "B03"),
        ("red", "B04", "B04", "red", "B04"),
        ("nir_narrow", "B05", "B8A", "nir08", "B8A"),
        ("swir1", "B06", "B11", "swir16", "B11"),
        ("swir2", "B07", "B12", "swir22", "B12"),
    ],
)
def test_s30_twin_of_l30_b05_is_b8a_not_b08_and_so_on(concept, l30, s30, landsat, sentinel2):
    names = {"hls_l30": l30, "hls_s30": s30, "landsat": landsat, "sentinel2": sentinel2}
    for product, platform in PRODUCTS:
        matches = [band.name for band in get_sensor(platform, product).bands if band.concept == concept]
        assert matches == [names[product]], (product, platform)


def test_adjusted_s30_bands_carry_the_oli_response_and_the_others_keep_msi():
    s30, msi, oli = (
        get_sensor("sentinel-2b", "hls_s30"),
        get_sensor("sentinel-2b", "sentinel2"),
        get_sensor("landsat-8", "landsat"),
    )
    assert s30.band("B02").response.centre_nm == pytest.approx(oli.band("blue").response.centre_nm)
    assert s30.band("B08").response.centre_nm == pytest.approx(msi.band("B08").response.centre_nm)


def test_effective_gsd_is_kept_apart_from_pixel_spacing():
    s30 = get_sensor("sentinel-2a", "hls_s30")
    assert {band.pixel_m for band in s30.bands} == {30}
    assert s30.band("B01").gsd_m == 60
    msi = get_sensor("sentinel-2a", "sentinel2").groups()
    assert {pixel: len(bands) for pixel, bands in msi.items()} == {10: 4, 20: 6, 60: 2}


def test_sentinel_2c_is_not_a_copy_of_2a():
    red_edge = [get_sensor(f"sentinel-2{unit}", "sentinel2").band("B05").response.centre_nm for unit in "ac"]
    assert red_edge[1] - red_edge[0] > 2.5


EXTRA = {"broadband": (4, 20), "narrowband": (8, 10), "hyperspectral": (200, 30)}


@pytest.mark.parametrize("product", EXTRA)
def test_extra_sensors_have_the_promised_bands_and_pixels(product):
    sensor = get_sensor(f"{product}-1", product)
    count, pixel_m = EXTRA[product]
    assert len(sensor.bands) == count and {band.pixel_m for band in sensor.bands} == {pixel_m}
    centres = [band.response.centre_nm for band in sensor.bands]
    assert centres == sorted(centres)
    assert centres[0] > 400 and centres[-1] <= 2450


def test_hyperspectral_bands_leave_out_the_water_vapour_windows():
    centres = [band.response.centre_nm for band in get_sensor("hyperspectral-1", "hyperspectral").bands]
    for low, high in ((932, 955), (1345, 1455), (1795, 1955)):
        assert not [centre for centre in centres if low < centre < high]


def test_bands_without_a_concept_get_the_nearest_one_by_wavelength():
    concepts = {band.name: band.concept for band in get_sensor("narrowband-1", "narrowband").bands}
    assert concepts == {
        "coastal_blue": "coastal", "blue": "blue", "green_i": "green", "green": "green", "yellow": "green",
        "red": "red", "red_edge": "red_edge_1", "nir": "nir_narrow",
    }  # fmt: skip
    broad = [band.concept for band in get_sensor("broadband-1", "broadband").bands]
    assert broad == ["green", "red", "nir_broad", "swir1"]


@pytest.mark.parametrize(("product", "platform"), [(q, p) for q, p in PRODUCTS if q in ("sentinel2", "landsat")])
def test_rule_for_concepts_agrees_with_the_concepts_that_are_given(product, platform):
    """The rule stands in for a description; where there is one it must say the same."""
    for band in get_sensor(platform, product).bands:
        if band.concept not in ("water_vapour", "thermal"):
            assert nearest_concept(band.response.centre_nm) == band.concept


def test_band_of_temperature_without_a_concept_is_an_error(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text(
        "product: x\nplatforms: [x]\nsource: none\nbands:\n"
        "  T: {centre_nm: 10900, fwhm_nm: 500, gsd_m: 100, pixel_m: 30, quantity: surface_temperature}\n"
    )
    with pytest.raises(UserError, match="band T lacks 'concept'"):
        load_sensor(path)
