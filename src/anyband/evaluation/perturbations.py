"""What is done to an observation under a condition: pure functions of the band groups, with fixed sizes and seeds.

Pixels, validity and description always change together: a band that goes takes its description along, pixels that
lose their validity are set to 0, so nothing that is not there can reach a model. Where descriptions are wrong or
absent, pixels, grids and names of bands stay as they are: a name is what a file calls its channel. Methods with a fixed
order of channels read it and nothing else, so wrong responses do not touch them; methods that read responses are told
nothing by it. Clouds have natural shapes, fixed per chip and product.
"""

import hashlib
import math
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anyband.chips.dataset import ChipDataset
from anyband.conditions import FAMILIES, KINDS, STANDS_FOR, Step
from anyband.degrade import coarsen
from anyband.models.core.method import UnsupportedInputError
from anyband.observation import BandGroup, Observation
from anyband.sensors import Band, BandSet, SpectralResponse, get_sensor, platforms
from anyband.sensors.band import REFLECTANCE, TEMPERATURE

Groups = tuple[BandGroup, ...]

DIRECTION = (0.6, 0.8)
"""East and south parts of a wrong position: both axes are off, and the length is the one in the condition's name."""

RANGE_NM = {REFLECTANCE: (400.0, 2500.0), TEMPERATURE: (8000.0, 14_000.0)}
"""All that is known of a band without a response: the range in which its quantity is measured."""

UNSTATED_GSD_M = 30.0
"""What every band without a sampling distance says: the same for all, so it tells nothing."""

_FLAT = {name: SpectralResponse(np.array(span), np.ones(2)) for name, span in RANGE_NM.items()}


@dataclass(frozen=True)
class Chips:
    """What a perturbation may know of the chips of a batch besides their pixels.

    Attributes:
        names: (B,) names of the chips, which seed what is random.
        other_date: groups of a product's acquisition of the same places on another date, and (B,) bool where there is
            one.
    """

    names: tuple[str, ...]
    other_date: Callable[[str], tuple[Groups, torch.Tensor]]


def perturb(observation: Observation, steps: tuple[Step, ...], chips: Chips) -> Observation:
    """The observation after all `steps`, from the first to the last.

    Raises:
        UnsupportedInputError: nothing is left to look at.
    """
    for step in steps:
        parts = [step.products] if KINDS[step.kind].joint else [(product,) for product in step.products]
        for products in parts:
            chosen = tuple(group for product in products for group in observation.of(product))
            rest = tuple(group for group in observation.groups if group.product not in products)
            changed = ACTIONS[step.kind](chosen, step.values, chips) if chosen else ()
            observation = Observation(rest + changed)
    if not observation.groups:
        raise UnsupportedInputError("no band is left")
    return observation


def _same(groups: Groups, values: tuple[str, ...], chips: Chips) -> Groups:
    return groups


def _drop(groups: Groups, values: tuple[str, ...], chips: Chips) -> Groups:
    return select(groups, lambda band: band.concept not in FAMILIES[values[0]])


def _keep(groups: Groups, values: tuple[str, ...], chips: Chips) -> Groups:
    return select(groups, lambda band: band.concept in FAMILIES[values[0]])


def _drop_random(groups: Groups, values: tuple[str, ...], chips: Chips) -> Groups:
    """Without the first so many percent of the bands in a fixed order per draw: more percent drop what fewer did."""
    names = [band.name for group in groups for band in group.band_sets[0]]
    draw = values[1] or "0"

    def order(name: str) -> str:
        return hashlib.sha256(f"{draw}:{groups[0].product}:{name}".encode()).hexdigest()

    count = min(round(int(values[0]) / 100 * len(names)), len(names) - 1)
    gone = set(sorted(names, key=order)[:count])
    return select(groups, lambda band: band.name not in gone)


def select(groups: Groups, wanted: Callable[[Band], bool]) -> Groups:
    """The groups with only the bands that are wanted; groups without any are left out."""
    channels = [tuple(c for c, band in enumerate(group.band_sets[0]) if wanted(band)) for group in groups]
    return tuple(group.select_bands(chosen) for group, chosen in zip(groups, channels, strict=True) if chosen)


def _duplicate(groups: Groups, values: tuple[str, ...], chips: Chips) -> Groups:
    """A family's bands come twice, the same values under another name."""
    result = []
    for group in groups:
        count = len(group.band_sets[0])
        extra = tuple(c for c, band in enumerate(group.band_sets[0]) if band.concept in FAMILIES[values[0]])
        result.append(_renamed(group.select_bands((*range(count), *extra)), "{}-again", count))
    return tuple(result)


def _renamed(group: BandGroup, form: str, start: int = 0) -> BandGroup:
    """The group with other names of its bands from `start` on."""
    sets = []
    for band_set in group.band_sets:
        renamed = (replace(band, name=form.format(band.name)) for band in band_set.bands[start:])
        sets.append(BandSet(band_set.platform, (*band_set.bands[:start], *renamed)))
    return replace(group, band_sets=tuple(sets))


def _merged(groups: Groups, values: tuple[str, ...], chips: Chips) -> Groups:
    """One acquisition, called like the first product, with the bands of all; the others' names say where from."""
    first = groups[0].product
    others = (g if g.product == first else _renamed(g, f"{g.product}.{{}}") for g in groups)
    return tuple(sorted((replace(group, product=first) for group in others), key=lambda group: group.pixel_m))


def _gsd(groups: Groups, values: tuple[str, ...], chips: Chips) -> Groups:
    """Coarser pixels; where the distance is absent, bands all state the same one."""
    coarse = coarsen(groups, float(values[0]), values[1])
    return describe(coarse, lambda _, band: replace(band, gsd_m=UNSTATED_GSD_M)) if values[1] == "absent" else coarse


def _srf(groups: Groups, values: tuple[str, ...], chips: Chips) -> Groups:
    """Responses of other bands, or flat ones over the whole range of their quantity, and no concept."""
    if values[0] == "wrong":
        return swap_responses(groups)
    return describe(groups, lambda _, band: replace(band, response=_FLAT[band.quantity], concept="unknown"))


def _scene(groups: Groups, values: tuple[str, ...], chips: Chips) -> Groups:
    return tuple(replace(group, scene=torch.full_like(group.scene, math.nan)) for group in groups)


def _offset(groups: Groups, values: tuple[str, ...], chips: Chips) -> Groups:
    """The stated position is off by so many metres towards the south-east; the pixels stay."""
    error = torch.tensor(DIRECTION) * float(values[0])
    return tuple(replace(group, offset_m=group.offset_m + error.to(group.offset_m)) for group in groups)


def _moved(groups: Groups, values: tuple[str, ...], chips: Chips) -> Groups:
    """The pixels lie so many metres further east and as many further south than stated; what came in is not valid."""
    result = []
    for group in groups:
        step = round(float(values[0]) / group.pixel_m)
        if not math.isclose(step * group.pixel_m, float(values[0])):
            raise UnsupportedInputError(f"{values[0]} m is not whole in pixels of {group.pixel_m:g} m")
        moved, valid = torch.zeros_like(group.values), torch.zeros_like(group.valid)
        if step < min(group.values.shape[2:]):
            moved[..., step:, step:] = group.values[..., :-step, :-step]
            valid[..., step:, step:] = group.valid[..., :-step, :-step]
        result.append(replace(group, values=moved, valid=valid))
    return tuple(result)


def _cloudy(groups: Groups, values: tuple[str, ...], chips: Chips) -> Groups:
    return cover(groups, float(values[0]), chips.names)


def _late(groups: Groups, values: tuple[str, ...], chips: Chips) -> Groups:
    """The same place on another date; nothing valid where there is none."""
    others, arrived = chips.other_date(groups[0].product)
    there = arrived[:, None, None, None]
    return tuple(replace(group, values=group.values * there, valid=group.valid & there) for group in others)


def _as(groups: Groups, values: tuple[str, ...], chips: Chips) -> Groups:
    """Every reflective band of another sensor with the values of the nearest band at hand, where those lie.

    The nearest band is always found, however far: that is what this naive mapping does. Names and responses are those
    of the other sensor, pixels and sampling distance those of the band that stands in.
    """
    product = STANDS_FOR[values[0]]
    platform = platforms(product)[0]
    near = [
        (band.response.centre_nm, place, channel)
        for place, group in enumerate(groups)
        for channel, band in enumerate(group.band_sets[0])
        if band.quantity == REFLECTANCE
    ]
    if not near:
        raise UnsupportedInputError(f"no band of reflectance that could stand for one of {product}")
    taken: dict[int, list[tuple[int, Band]]] = {}
    for wanted in get_sensor(platform, product).bands:
        if wanted.quantity == REFLECTANCE:
            _, place, channel = min(near, key=lambda entry: (abs(entry[0] - wanted.response.centre_nm), entry))  # noqa: B023
            source = groups[place].band_sets[0].bands[channel]
            stated = replace(wanted, gsd_m=source.gsd_m, pixel_m=source.pixel_m)
            taken.setdefault(place, []).append((channel, stated))
    result = []
    for place, bands in sorted(taken.items()):
        group = groups[place].select_bands(tuple(channel for channel, _ in bands))
        described = (BandSet(platform, tuple(band for _, band in bands)),)
        index = torch.zeros_like(group.band_set_index)
        result.append(replace(group, product=product, band_sets=described, band_set_index=index))
    return tuple(result)


def describe(groups: Groups, change: Callable[[int, Band], Band]) -> Groups:
    """The groups with every band's description changed; `change` gets the index of the band set and the band."""
    result = []
    for group in groups:
        sets = enumerate(group.band_sets)
        changed = tuple(BandSet(s.platform, tuple(change(index, band) for band in s)) for index, s in sets)
        result.append(replace(group, band_sets=changed))
    return tuple(result)


def swap_responses(groups: Groups) -> Groups:
    """Bands that state the response and concept of another band of their acquisition.

    In order of wavelength and among bands of one quantity, each takes those of the band half the row further on. The
    only band of a quantity keeps its own.
    """
    bands = [band for group in groups for band in group.band_sets[0]]
    donor: dict[str, str] = {}
    for quantity in {band.quantity for band in bands}:
        row = sorted((b for b in bands if b.quantity == quantity), key=lambda b: (b.response.centre_nm, b.name))
        donor |= {band.name: row[(i + len(row) // 2) % len(row)].name for i, band in enumerate(row)}
    described = {
        (index, band.name): band
        for group in groups
        for index, band_set in enumerate(group.band_sets)
        for band in band_set
    }

    def change(index: int, band: Band) -> Band:
        name = donor[band.name]
        other = described.get((index, name), described[0, name])
        return replace(band, response=other.response, concept=other.concept)

    return describe(groups, change)


def other_date(table: ChipDataset, indices: NDArray[np.integer], product: str) -> tuple[Groups, Tensor]:
    """Groups of `product` over the same places on another date, and (B,) bool where there is one.

    A chip is called `{site}-{pair}-r{row}c{column}`. The pair before is taken, the last one for the first.
    """
    names = [re.fullmatch(r"(.*)-(\d+)-(r\d+c\d+)", str(name)) for name in table.chip]
    places: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for index, found in enumerate(names):
        if found:
            places.setdefault((found[1], found[3]), []).append((int(found[2]), index))
    others = []
    for index in indices:
        found = names[index]
        dates = sorted(places[found[1], found[3]]) if found else [(0, int(index))]
        others.append(dates[[i for _, i in dates].index(index) - 1][1])
    other = np.array(others)
    return table.observation(other, [product]).of(product), torch.from_numpy(other != indices)


ACTIONS: dict[str, Callable[[Groups, tuple[str, ...], Chips], Groups]] = {
    "same": _same,
    "drop": _drop,
    "keep": _keep,
    "drop-random": _drop_random,
    "merged": _merged,
    "duplicate": _duplicate,
    "gsd": _gsd,
    "srf": _srf,
    "scene": _scene,
    "offset": _offset,
    "moved": _moved,
    "cloudy": _cloudy,
    "late": _late,
    "as": _as,
}
"""What every kind of `conditions.KINDS` does to the groups of one acquisition (all its products at once if joint)."""


SEED = 5
STEP_M = 10.0
SIZE = 256  # the field repeats after SIZE * STEP_M metres, which is wider than two chips
SLOPE = -8 / 3
"""Of the power density in two dimensions: the -5/3 of a line through stratocumulus (Davis et al. 1996, J. Atmos. Sci.
53:1538). Ragged blobs from the size of the chip down."""
SMOOTH_M = 30.0  # details below are left out: masks of products are dilated


@lru_cache(maxsize=1024)
def cloud_field(name: str, product: str) -> NDArray[np.float32]:
    """Random field (SIZE, SIZE) of cloud optical depth, larger where cloudier, of a chip in a product's acquisition."""
    random = np.random.default_rng([SEED, zlib.crc32(name.encode()), zlib.crc32(product.encode())])
    frequency = np.hypot(np.fft.fftfreq(SIZE)[:, None], np.fft.rfftfreq(SIZE)[None]) / STEP_M  # cycles per metre
    frequency[0, 0] = np.inf
    amplitude = frequency ** (SLOPE / 2) * np.exp(-2 * (np.pi * SMOOTH_M * frequency.clip(max=1.0)) ** 2)
    amplitude[0, 0] = 0.0
    noise = np.fft.rfft2(random.standard_normal((SIZE, SIZE)))
    return np.asarray(np.fft.irfft2(noise * amplitude, (SIZE, SIZE)), np.float32)


def cover(groups: tuple[BandGroup, ...], percent: float, names: tuple[str, ...]) -> tuple[BandGroup, ...]:
    """One acquisition with `percent` of every chip's ground under clouds.

    All grids see the same clouds. A pixel that a cloud touches is not valid. More percent cover what fewer did.

    Args:
        groups: of one acquisition.
        percent: share of the ground, 0 to 100.
        names: (B,) of the chips: the same name always has the same clouds.
    """
    side_m = max(n * group.pixel_m for group in groups for n in group.values.shape[2:])
    inside = round(side_m / STEP_M)
    whole = np.arange(inside) % SIZE
    fields = [cloud_field(name, groups[0].product) for name in names]
    clouds = [field > np.quantile(field[np.ix_(whole, whole)], 1 - percent / 100) for field in fields]
    return tuple(_hide(group, torch.from_numpy(np.stack(clouds))) for group in groups)


def _hide(group: BandGroup, sky: Tensor) -> BandGroup:
    """The group without the pixels that clouds `sky` (B, SIZE, SIZE) touch."""
    covered = []
    for clouds, (dx, dy) in zip(sky, group.offset_m.tolist(), strict=True):
        rows = _touches(group.values.shape[2], group.pixel_m, dy)
        columns = _touches(group.values.shape[3], group.pixel_m, dx)
        covered.append((rows @ clouds.float() @ columns.T) > 0)
    valid = group.valid & ~torch.stack(covered).to(group.valid.device)[:, None]
    return replace(group, values=group.values * valid, valid=valid)


@lru_cache(maxsize=256)
def _touches(count: int, pixel_m: float, offset_m: float) -> Tensor:
    """(count, SIZE): 1 where a pixel lies on a step of the field, which repeats."""
    table = torch.zeros(count, SIZE)
    for pixel in range(count):
        start, stop = offset_m + pixel * pixel_m, offset_m + (pixel + 1) * pixel_m
        steps = np.arange(np.floor(start / STEP_M + 1e-6), np.ceil(stop / STEP_M - 1e-6)).astype(int)
        table[pixel, steps % SIZE] = 1.0
    return table
