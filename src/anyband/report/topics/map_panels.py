"""Maps of a few chips that a rule chooses, never hand-picked, with the prediction of every method."""

import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from anyband.products import PRODUCTS
from anyband.report import formatting as form
from anyband.report.content import Panel, PanelSet, Tile, Topic
from anyband.report.palette import BOTH_RIGHT, BOTH_WRONG, CLASS_COLOURS, rgb
from anyband.report.read import Compared
from anyband.sensors import get_sensor, platforms

Bytes = NDArray[np.uint8]
Predictions = Mapping[str, Mapping[str, tuple[str, Bytes]]]

MAPS = Topic[Compared]("maps", "Maps")
CONDITIONS = ("S2+L9", "S2", "L9", "S30+L30", "S30", "L30")  # the first one that a method takes is shown
RANDOM_SEED = 20240501  # of the one block that is drawn at random
BRIGHTEN = 0.75  # exponent of the true-colour stretch: vegetation and water are dark
PICTURES = (
    ("sentinel2", "landsat"),
    ("hls_s30", "hls_l30"),
)
"""Products that are shown: the first that a store has."""
BOTH, ONLY_FIRST, ONLY_SECOND, NEITHER, NOT_SCORED = range(5)
"""Codes of the difference map: who is right."""


@MAPS.item
def panels(entry: Compared) -> PanelSet | None:
    """The panels; None when there is no baseline to compare with or no predictions were kept."""
    predictions, rival = read_predictions(entry), entry.rival
    if rival is None or rival not in predictions or entry.proposed not in predictions:
        return None
    test = entry.data.chips("test")
    chosen = choose_blocks(entry.frames["units"], entry.proposed, rival)
    drawn = [
        panel
        for reason, block, difference in chosen
        if (panel := _panel(entry, rival, predictions, test[test["block"] == block], reason, difference))
    ]
    if not drawn:
        return None
    first, second = entry.label(entry.proposed), entry.label(rival)
    words = ["both right", f"only {first} right", f"only {second} right", "both wrong"]
    classes = [(CLASS_COLOURS[code], info["name"]) for code, info in entry.classes.items() if code in CLASS_COLOURS]
    legend = list(zip(difference_colours(entry, rival).values(), words, strict=True))
    return PanelSet("panels", drawn, classes, legend)


def _panel(
    entry: Compared, rival: str, predictions: Predictions, chips: pd.DataFrame, reason: str, difference: float
) -> Panel | None:
    """The panel of one block; None where its chips are not at hand."""
    if chips.empty:
        return None
    block, site = str(chips["block"].iloc[0]), str(chips["site"].iloc[0])
    store = entry.data.stores.get(site)
    available = [chip for chip in chips["chip"] if all(chip in kept for kept in predictions.values())]
    mapped = [chip for chip in available if all(kept[chip][1].any() for kept in predictions.values())]
    available = mapped or available  # of own files a sensor may have missed some chips
    if store is None or not available:
        return None
    chip = choose_chip(store, available)
    names = [kept["chip"] for kept in store["chips"]]
    content = read_chip(entry.results / "chips" / entry.data.name / f"{site}.zarr", chip, names)
    shown = {method: kept[chip] for method, kept in predictions.items()}
    words = f"{reason} {entry.label(entry.proposed)}" if reason.endswith("for") else reason
    return Panel(words, block, chip, difference, _tiles(entry, rival, content, shown))


def read_predictions(entry: Compared) -> dict[str, dict[str, tuple[str, Bytes]]]:
    """Method -> chip -> (condition, predicted codes) of the first seed."""
    found = {}
    for method in entry.design["methods"]:
        run = entry.results / "runs" / entry.name / method / f"seed-{entry.design['seeds'][0]}"
        if not (run / "predictions.npz").is_file():
            continue
        with np.load(run / "predictions.npz") as archive:
            condition = next((name for name in CONDITIONS if name in archive.files), None)
            if condition:
                maps = archive[condition]
                found[method] = {str(chip): (condition, maps[i]) for i, chip in enumerate(archive["chip"])}
    return found


def choose_blocks(units: pd.DataFrame, first: str, second: str) -> list[tuple[str, str, float]]:
    """Blocks to show, by the difference `first` minus `second`: best, median, worst, and one at random.

    Args:
        units: `units.csv` of the comparison.
        first: key of the proposed method.
        second: key of the best baseline.

    Returns:
        (reason, block, difference in mIoU); blocks never repeat, so small tests give fewer rows.
    """
    table = units[units["kind"] == "block"].pivot(index="unit", columns="method", values="miou")
    difference = (table[first] - table[second]).dropna().sort_values(kind="stable", ascending=False)
    order = [str(block) for block in difference.index]
    if not order:
        return []
    chosen = {"best for": order[0], "median": order[len(order) // 2], "worst for": order[-1]}
    rest = [block for block in order if block not in chosen.values()]
    if rest:
        chosen["drawn at random"] = rest[int(np.random.default_rng(RANDOM_SEED).integers(len(rest)))]
    unique = {block: reason for reason, block in reversed(chosen.items())}
    return [(reason, block, float(difference[block])) for block, reason in reversed(unique.items())]


def choose_chip(store: Mapping[str, Any], candidates: Sequence[str]) -> str:
    """The clearest chip of a block; ties go to the first name."""
    clear = {chip["chip"]: float(chip["clear_joint"]) for chip in store["chips"]}
    known = [chip for chip in sorted(candidates) if chip in clear]
    return max(known, key=lambda chip: clear[chip])


def read_chip(store: Path, chip: str, names: Sequence[str]) -> dict[str, Bytes]:
    """Reference, clear mask and true-colour pictures of one chip.

    Args:
        store: the site's chip store.
        chip: its name.
        names: names of all chips in the order of the arrays.

    Returns:
        `label`, `clear` (y, x) uint8; by product (y, x, 3) uint8 at native resolution, all stretched by the 2nd and
        98th percentile of the first picture so that they are comparable; none of a product that missed the chip.
    """
    import zarr

    index = list(names).index(chip)
    root: Any = zarr.open_group(store, mode="r")
    shown = next((both for both in PICTURES if any(product in root for product in both)), ())
    pictures = {product: _true_colour(root, product, index) for product in shown if product in root}
    pictures = {product: picture for product, picture in pictures.items() if np.isfinite(picture).any()}
    low, high = np.nanpercentile(next(iter(pictures.values())), (2, 98))
    result = {name: np.asarray(root[name][index], dtype=np.uint8) for name in ("label", "clear")}
    for product, values in pictures.items():
        stretched = np.clip((values - low) / max(high - low, 1e-6), 0, 1) ** BRIGHTEN
        result[product] = np.nan_to_num(255 * stretched).astype(np.uint8)
    return result


def _true_colour(root: Any, product: str, index: int) -> NDArray[np.float32]:
    """Surface reflectance of red, green and blue, (y, x, 3), NaN for nodata."""
    known = get_sensor(platforms(product)[0], product)
    bands = [next(band.name for band in known.bands if band.concept == colour) for colour in ("red", "green", "blue")]
    group = next(
        child for name, child in root[product].groups() if name != "qa" and set(bands) <= {*child.attrs["bands"]}
    )
    stored = list(group.attrs["bands"])
    array = group["values"]
    raw = np.stack([np.asarray(array[index, stored.index(band)]) for band in bands], axis=-1)
    values = raw.astype(np.float32) * array.attrs["scale_factor"] + array.attrs["add_offset"]
    return np.where(raw == array.attrs["_FillValue"], np.nan, values).astype(np.float32)


def _tiles(
    entry: Compared, rival: str, content: Mapping[str, Bytes], shown: Mapping[str, tuple[str, Bytes]]
) -> Sequence[Tile]:
    """True colours, reference, difference map and prediction of the proposed method; then the other predictions."""
    first, second = entry.label(entry.proposed), entry.label(rival)
    scored = (content["clear"] > 0) & np.isin(content["label"], list(entry.classes))
    codes = difference_map(content["label"], scored, shown[entry.proposed][1], shown[rival][1])
    one, other = (_share(codes == value, scored) for value in (ONLY_FIRST, ONLY_SECOND))
    explained = f"only {first} right on {one} %, only {second} right on {other} % of scored pixels"
    reference = np.where(scored, content["label"], 0).astype(np.uint8)
    pictures = {key: PRODUCTS[key] for both in PICTURES for key in both if key in content}
    tiles = [
        *(
            Tile(f"{product.name}, {product.pixels_m[0]} m", f"{product.name} true colour", colour_png(content[key]))
            for key, product in pictures.items()
        ),
        Tile("Labels", "reference labels, unscored pixels left out", palette_png(reference, CLASS_COLOURS)),
        Tile(f"Difference to {second}", explained, palette_png(codes, difference_colours(entry, rival))),
    ]
    for method in dict.fromkeys((entry.proposed, rival, *shown)):
        condition, predicted = shown[method]
        right = _share(predicted == content["label"], scored)
        alt = f"classes predicted by {entry.label(method)} from {condition}"
        heading = f"{entry.label(method)}, {condition}: {right} %"
        tiles.append(Tile(heading, alt, palette_png(predicted, CLASS_COLOURS)))
    return tiles


def _share(mask: NDArray[np.bool_], scored: NDArray[np.bool_]) -> str:
    """Share of scored pixels in percent."""
    return form.points(float(mask[scored].mean()) if scored.any() else None)


def difference_map(reference: Bytes, scored: NDArray[np.bool_], first: Bytes, second: Bytes) -> Bytes:
    """Where two predictions differ in being right, (y, x) codes of this module; unscored pixels apart."""
    one, other = first == reference, second == reference
    codes = np.select([~scored, one & other, one, other], [NOT_SCORED, BOTH, ONLY_FIRST, ONLY_SECOND], NEITHER)
    return codes.astype(np.uint8)


def difference_colours(entry: Compared, rival: str) -> dict[int, str]:
    """Colours of the difference map: each method's own on this page where it alone is right."""
    first, second = (entry.style.colour(method) for method in (entry.proposed, rival))
    return {BOTH: BOTH_RIGHT, ONLY_FIRST: first, ONLY_SECOND: second, NEITHER: BOTH_WRONG}


def palette_png(codes: Bytes, colours: Mapping[int, str]) -> str:
    """Small integer codes as a palette PNG in a data URI; codes without a colour are transparent."""
    from PIL import Image

    table = np.zeros((256, 3), np.uint8)
    for code, colour in colours.items():
        table[code] = rgb(colour)
    height, width = codes.shape
    image = Image.frombytes("P", (width, height), np.ascontiguousarray(codes).tobytes())
    image.putpalette(table.tobytes())
    transparent = bytes(0 if code not in colours else 255 for code in range(256))
    return _uri(image, transparency=transparent)


def colour_png(picture: Bytes) -> str:
    """An RGB picture (y, x, 3) as a data URI."""
    from PIL import Image

    return _uri(Image.fromarray(picture))


def _uri(image: Any, **options: Any) -> str:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True, **options)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
