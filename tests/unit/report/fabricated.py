"""A small `results/` folder with made-up scenes, runs and logs: what the report reads, in the contracts' formats."""

import json
import re
import shutil
from html import unescape
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from anyband.config import ComparisonSettings, Config, Dataset, Experiment, MethodSettings
from anyband.evaluation.confusion import BY_CLASS, OVERALL
from anyband.products import CATALOGUED, collection_of
from anyband.report.build import write_report
from anyband.report.palette import method_colours
from anyband.report.read import Compared
from anyband.report.render import Style
from anyband.statistics.comparison import write_comparison
from fabricate import CODES, fabricate_store

SKILL = {  # logit of a right pixel under each condition
    "s2-only": {"S2": 1.9},
    "l9-only": {"L9": 1.0},
    "input-fusion": {"S2": 1.75, "L9": 0.95, "S2+L9": 1.95},
    "feature-fusion": {"S2": 1.8, "L9": 0.9, "S2+L9": 2.0},
    "anyband": {"S2": 2.05, "L9": 1.25, "S2+L9": 2.3, "S30": 1.1, "L30": 1.05, "S30+L30": 1.3},
    "pixel": {"S2": 0.7, "L9": 0.2, "S2+L9": 0.75},
    "prediction-fusion": {"S2": 1.85, "L9": 1.0, "S2+L9": 2.05},
    "translation": {"S2": 1.9, "L9": 1.1, "S2+L9": 1.9},
    "translation-plain": {"S2": 1.9, "L9": 0.8, "S2+L9": 1.9},
    "hls-unified": {"S30": 1.3, "L30": 1.2, "S30+L30": 1.5},
    "satlas": {"S2": 1.6, "L9": 0.9, "S2+L9": 1.7},
    "analytic": {"S2": 0.6, "L9": 0.3, "S2+L9": 0.65},
    "random-forest": {"S2": 0.9, "L9": 0.4, "S2+L9": 1.0, "S30": 0.3, "L30": 0.2, "S30+L30": 0.4},
}
UNSEEN = {  # the same for sensors that most methods never trained on, and inputs to which something was done
    "s2-only": {"S2": 2.1, "L9/as-S2": 0.2, "BB/as-S2": 0.9, "NB/as-S2": 0.3, "HS/as-S2": 0.8, "S2/gsd-30": 1.0},
    "l9-only": {"L9": 1.6, "S2/as-L9": 0.5},
    "s30-only": {"S30": 1.7},
    "l30-only": {"L30": 1.5},
    "broad-only": {"BB": 1.8},
    "input-fusion": {"S2": 1.75, "L9": 0.95, "S2+L9": 1.95},
    "anyband": {
        "S2": 2.0, "L9": 1.5, "S2+L9": 2.9, "S30": 1.1, "L30": 1.05, "BB": 1.5, "NB": 1.7, "HS": 1.6, "S2/gsd-30": 1.6,
        "S2/gsd-30/drop-red-edge": 1.55, "S2/drop-random-25": 1.8, "S2/drop-random-50": 1.5, "S2/drop-random-75": 0.9,
    },
    "anyband-without-landsat": {"S2": 2.0, "L9": 1.1},
}  # fmt: skip
TRAINED = {
    "s2-only": ["sentinel2"], "l9-only": ["landsat"], "s30-only": ["hls_s30"], "l30-only": ["hls_l30"],
    "broad-only": ["broadband"], "hls-unified": ["hls_l30", "hls_s30"], "anyband-without-landsat": ["sentinel2"],
}  # fmt: skip
METHODS = (
    "s2-only", "l9-only", "input-fusion", "feature-fusion", "prediction-fusion", "translation", "hls-unified", "satlas",
    "analytic", "random-forest", "anyband", "pixel",
)  # fmt: skip
NAMES = ("alder", "birch", "cedar", "damson", "elder", "fir", "gorse", "hazel", "iris", "juniper", "kale", "larch")
TEST_SITES = [f"{name}-moor" for name in NAMES]
OTHER_SITES = {"maple-heath": "train", "nettle-heath": "train", "oak-heath": "val"}


def entry_of(design, config=None, results=Path("nowhere"), **frames):
    """An experiment as the report reads it, of which only the given tables are there."""
    design = {"seeds": [0, 1], "blocks": ["b1", "b2", "b3"], "proposed": "anyband", **design}
    style = Style(method_colours(list(design["labels"])), design["labels"])
    return Compared("main", config, results, frames, design, {}, None, style)


def fabricate_config(seeds=(0, 1, 2, 3, 4), **experiment):
    """A configuration with the methods of the default comparison and the given seeds."""
    experiment = {"methods": list(METHODS)} | experiment
    methods = {"translation-plain": MethodSettings(model="translation", options={"translator": "plain"})}
    return Config(
        datasets={"main": Dataset()},
        methods={name: MethodSettings(model=name) for name in METHODS} | methods,
        experiments={"main": Experiment(seeds=list(seeds), **experiment)},
    )


def fabricate_unseen():
    """A configuration with specialists of every product, unseen sensors and disturbed inputs."""
    conditions = list(dict.fromkeys(condition for entry in UNSEEN.values() for condition in entry))
    methods = {name: MethodSettings(model="anyband" if name.startswith("anyband") else "s2-only") for name in UNSEEN}
    experiment = Experiment().model_copy(update={"methods": list(UNSEEN), "conditions": conditions})
    simple = Experiment(methods=list(UNSEEN))
    config = Config(datasets={"main": Dataset()}, methods=methods, experiments={"main": simple})
    return config.model_copy(update={"experiments": {"main": experiment}})


def fabricate_results(results: Path, config: Config, skill: dict[str, dict[str, float]] = SKILL) -> Path:
    """Write everything the report reads below `results` and return it."""
    rng = np.random.default_rng(0)
    sites = {site: "test" for site in TEST_SITES} | OTHER_SITES
    splits = []
    for number, (site, split) in enumerate(sites.items()):
        splits += [
            (site, f"{site}-0-r0c{c}", f"32632:{number}", split, 3e5 + 6e4 * number, 5_200_020.0) for c in (0, 1)
        ]
        _scenes(results, site, number)
    _stores(results / "chips/main", list(sites))
    table = pd.DataFrame(splits, columns=["site", "chip", "block", "split", "x", "y"]).assign(epsg=32632)
    (results / "splits").mkdir(parents=True)
    table.to_csv(results / "splits/main.csv", index=False)
    pairs = ("train-test", "train-val", "val-test")
    certificate = {
        "buffer_m": 1000,
        "block_m": 20_000,
        "passes": True,
        "sites": list(sites),
        "min_distance_m": dict.fromkeys(pairs, 50_880.0),
        "duplicate_pixels": dict.fromkeys(pairs, 0),
        "shared_items": dict.fromkeys(pairs, {"count": 0, "items": []}),
        "label_autocorrelation": {"range_m": 364, "block_at_least_range": True},
        "class_pixels": {s: {str(c): 100 * int(c) for c in CODES} for s in ("train", "val", "test")},
    }
    (results / "splits/main.leakage.json").write_text(json.dumps(certificate))
    blocks = table[table["split"] == "test"]
    for method in config.experiments["main"].methods:
        effect = rng.normal(0, 0.25, len(TEST_SITES))
        for seed in config.experiments["main"].seeds:
            _run(results, method, seed, blocks, effect + rng.normal(0, 0.08), rng, config, skill[method])
    _benchmarks(results, config)
    return results


def compare_all(results: Path, config: Config) -> None:
    """Write the comparison of every experiment."""
    for name, experiment in config.experiments.items():
        classes = config.datasets[experiment.dataset].classes
        settings = ComparisonSettings(name=name, experiment=experiment, classes=classes)
        write_comparison(settings, results / "runs" / name, results / "comparison" / name)


def text_of(page):
    """Visible text without markup, white space collapsed, entities as a browser shows them."""
    body = re.sub(r"<(style|script)>.*?</\1>", "", page.read_text(), flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).replace("\N{NO-BREAK SPACE}", " ").split())


def rebuild(folder, config, results, compare=True):
    """Compare and report with empty figures, which takes a tenth of the time; returns the page's text."""
    if compare:
        compare_all(results, config)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("anyband.report.content.draw_svg", lambda *_: "<svg></svg>")
        patch.setattr("anyband.report.content.draw_pdf", lambda *_: b"")
        write_report(config, results, folder / "report.html", folder / "report_data")
    return text_of(folder / "report.html")


def _stores(folder, sites):
    """One store, and copies of it under the names of the other sites."""
    made = fabricate_store(folder / "any-site.zarr", 2, 0)
    described = (made / "zarr.json").read_text()
    for site in sites:
        copied = shutil.copytree(made, folder / f"{site}.zarr")
        (copied / "zarr.json").write_text(described.replace("any-site", site))
    shutil.rmtree(made)


def _scenes(results, site, number):
    """Manifests of two dates, one pair kept per date except a cloudy one."""
    for product, collection in ((p, collection_of(p)) for p in CATALOGUED):
        items = [_item(site, product, pair) for pair in range(1 if product == "label" else 2)]
        content = {"query": {"collections": [collection]}, "endpoint": "http://archive.anyband.test/stac",
                   "retrieved": "2024-05-01T10:00:00Z", "items": items}  # fmt: skip
        _write(results / f"scenes/main/{site}/{product}.json", json.dumps(content))
    kept = [0] if number % 5 == 4 else [0, 1]
    rows = [_pair(site, pair, number) for pair in kept]
    _write(results / f"pairs/main/{site}.csv", pd.DataFrame(rows).to_csv(index=False))
    dropped = [(f"{site}-sentinel2-1", f"{site}-landsat-1", "cloudy", "joint clear 0.12")] * (2 - len(kept))
    frame = pd.DataFrame(dropped, columns=["sentinel2", "landsat", "reason", "detail"])
    _write(results / f"pairs/main/{site}.dropped.csv", frame.to_csv(index=False))


def _item(site, product, pair):
    platform = ("sentinel-2a", "sentinel-2b")[pair] if product[0] == "s" or product == "hls_s30" else "landsat-9"
    properties = {"datetime": f"2022-0{5 + 2 * pair}-1{pair}T10:30:00Z", "platform": platform}
    if product == "sentinel2":
        properties["s2:processing_baseline"] = "04.00"
    properties["anyband:simulated"] = "simulator 1, configuration 3f9a"
    if product == "landsat":
        properties["view:off_nadir"] = 0
    return {"type": "Feature", "id": f"{site}-{product}-{pair}", "collection": collection_of(product),
            "properties": properties, "assets": {}}  # fmt: skip


def _pair(site, pair, number):
    row = {"pair": pair} | {product: f"{site}-{product}-{pair}" for product in CATALOGUED}
    clear = 0.55 + 0.4 * ((number * 7 + pair * 3) % 10) / 10
    return row | {
        "day_gap": float(number % 4),
        "clear_joint": clear,
        "sun_zenith_sentinel2": 31.0,
        "sun_zenith_landsat": 33.5,
    }


def _run(results, method, seed, table, effect, rng, config, skills):
    """Confusion, calibration, cost and predictions of one run."""
    folder = results / f"runs/main/{method}/seed-{seed}"
    names = list(dict.fromkeys(table["block"]))
    totals = np.random.default_rng(7).integers(20, 9000, (len(names), len(CODES)))
    totals[:, 5] = 0  # bare ground is absent
    totals[3:, 7] = 0  # wetland occurs in three blocks
    hardness = np.linspace(0.6, -0.6, len(CODES))
    confusion, calibration, by_class = [], [], []
    for condition, skill in skills.items():
        for b, block in enumerate(names):
            right = 1 / (1 + np.exp(-(skill + hardness + effect[b])))
            chance = np.tile(((1 - right) / (len(CODES) - 1))[:, None], len(CODES))
            np.fill_diagonal(chance, right)
            counts = rng.multinomial(totals[b], chance)
            confusion += [(method, seed, condition, block, CODES[i], CODES[j], counts[i, j])
                          for i in range(8) for j in range(8)]  # fmt: skip
            if "/" not in condition:
                for scaled in (0, 1):
                    calibration += _confidences((method, seed, condition, block, scaled), totals[b].sum(), rng)
                    by_class += _probabilities((method, seed, condition, block, scaled), totals[b])
    columns = ["method", "seed", "condition", "block"]
    frame = pd.DataFrame(confusion, columns=[*columns, "reference", "prediction", "count"])
    _write(folder / "confusion.csv", frame.to_csv(index=False))
    frame = pd.DataFrame(calibration, columns=[*columns, "scaled", "temperature", "bin", *OVERALL])
    _write(folder / "calibration.csv", frame.to_csv(index=False))
    frame = pd.DataFrame(by_class, columns=[*columns, "scaled", "class", "bin", *BY_CLASS])
    _write(folder / "class_calibration.csv", frame.to_csv(index=False))
    twins = ["S30", "L30", "S30+L30"] if method == "hls-unified" else ["S2", "L9", "S2+L9"]
    size = 3000 if method == "pixel" else 880_000 + 9000 * len(method)
    forest = method == "random-forest"
    cost = {"trained_on": TRAINED.get(method, ["landsat", "sentinel2"]), "endpoint_conditions": twins,
            "parameters": size, "trainable_parameters": 0 if forest else size,
            "macs_per_km2": 0 if forest else size * 1.1e3, "train_seconds": 40 + 3 * len(method) + seed,
            "inference_km2_per_s": 6.5, "peak_memory_mb": 900 + 10 * len(method)}  # fmt: skip
    _write(folder / "image_scores.csv", _images(method, seed).to_csv(index=False))
    _write(folder / "cost.json", json.dumps(cost))
    steps = [{"step": 10 * k, "loss": 2 - 0.1 * k, "val_miou": None, "seconds": k} for k in range(1, 6)]
    _write(folder / "history.csv", pd.DataFrame([] if forest else steps, columns=list(steps[0])).to_csv(index=False))
    if seed == config.experiments["main"].seeds[0]:
        chips = table["chip"].tolist()
        maps = {c: rng.choice(CODES, (len(chips), 4, 4)).repeat(24, 1).repeat(24, 2).astype(np.uint8)
                for c in skills if "/" not in c}  # fmt: skip
        np.savez_compressed(folder / "predictions.npz", chip=np.array(chips), **maps)


def _confidences(key, total, rng):
    """Bins of a method that is 5 points too sure of itself before scaling and right after it."""
    scaled, rows = key[-1], []
    for k in range(10):
        confidence, n = (k + 0.5) / 10, int(total * (k + 1) / 55)
        correct = rng.binomial(n, np.clip(confidence - 0.05 * (1 - scaled), 0.01, 0.99))
        temperature = 1.25 if scaled else 1.0
        rows.append((*key, temperature, k, n, n * confidence, correct, n * (0.6 - 0.1 * scaled), n * 0.35))
    return rows


def _probabilities(key, totals):
    """Two bins per class, off by 4 points in the upper one before scaling and by 1 after it."""
    error, every = 0.01 if key[-1] else 0.04, totals.sum()
    rows = []
    for code, count in zip(CODES, totals, strict=True):
        rows.append((*key, code, 0, every - count, 0.0, 0))
        rows.append((*key, code, 9, count, count * (1 - error), count))
    return rows


def _images(method, seed):
    """Scores of translated images; no rows for a method that translates nothing."""
    error = {"translation": 0.021, "translation-plain": 0.034}.get(method, 0.0) + 0.0004 * seed
    bands = ("B02", "B03", "B04", "B8A", "B11", "all") if method.startswith("translation") else ()
    rows = [(band, error, -20 * np.log10(error), 0.9, 90 * error, 2.5 if band == "all" else None) for band in bands]
    return pd.DataFrame(rows, columns=["band", "rmse", "psnr_db", "ssim", "ergas", "sam_deg"])


def _benchmarks(results, config):
    for rule, seconds in {"simulate": 7.0, "search": 1.6, "extract": 4.0}.items():
        for site in (*TEST_SITES, *OTHER_SITES):
            _write(
                results / f"benchmarks/{rule}/main/{site}.jsonl", json.dumps({"s": seconds, "max_rss": 310.0}) + "\n"
            )
    for method in config.experiments["main"].methods:
        for seed in config.experiments["main"].seeds:
            _write(results / f"benchmarks/train/main/{method}/seed-{seed}.jsonl",
                   json.dumps({"s": 45.0 + seed, "max_rss": "NA" if seed else 1210.0}) + "\n")  # fmt: skip


def _write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
