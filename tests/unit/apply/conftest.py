"""Scenes of one small site, and a run of the proposed method that was never trained."""

import datetime as dt
from dataclasses import asdict

import numpy as np
import pytest
import torch

from anyband.ground import LATTICE_M
from anyband.models.core.normalisation import BandMoments, Statistics
from anyband.models.core.storage import Recipe, build, save
from handmade import SETS
from scenes import SceneFolder
from small_split import SMALL

CLASSES = (10, 30, 80)
CENTRE = 600_000.0 + LATTICE_M * 40, 5_200_020.0 - LATTICE_M * 40
DAY = dt.date(2022, 5, 3)


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """One pair over 3 840 m, the western tenth of both under clouds."""
    folder = SceneFolder(tmp_path_factory.mktemp("site"), 32632, CENTRE, extent_m=3_840)
    folder.add_pair(DAY, cloudy={"SCL": (-1, 0.1), "qa_pixel": (-1, 0.1), "Fmask": (-1, 0.1)})
    return folder


@pytest.fixture(scope="session")
def make_run(tmp_path_factory):
    """Write an untrained run of a model; its folder."""

    def make(model, seed=0, products=("sentinel2", "landsat"), **options):
        torch.manual_seed(seed)
        bands = [(p, band) for p in products for _, bands in SETS[p] for band in bands]
        entries = [BandMoments(p, b.name, b.response.centre_nm, b.quantity, 0.2, 0.1) for p, b in bands]
        related = 0.005 * (1 + np.eye(len(entries)))
        document = {"bands": [asdict(entry) for entry in entries], "label_counts": [1] * len(CLASSES)}
        statistics = Statistics.from_dict(document | {"covariance": related.tolist()})
        sizes = {key: value for key, value in SMALL.items() if model != "analytic"}
        method = build(model, sizes | options, statistics, len(CLASSES))
        with torch.no_grad():
            for name, weight in method.named_parameters():  # fresh blocks hand their input on: let all parts speak
                if "weight" in name:
                    weight += 0.1 * torch.randn(weight.shape)
        folder = tmp_path_factory.mktemp(model)
        save(folder, Recipe(model, model, sizes | options, CLASSES, statistics.as_dict(), {}, seed), method)
        return folder

    return make


@pytest.fixture(scope="session")
def run(make_run):
    """An untrained run of the proposed method."""
    return make_run("anyband")
