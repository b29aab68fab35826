"""The steps search, pair and extract as processes, beside a server of simulated scenes in this process."""

import csv
import json
import os
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import zarr

from anyband.archive.place import simulate_place
from anyband.chips.store import chip_entries
from anyband.config import Simulation
from anyband.simulation.places import load_places
from anyband.testing.provider_server import ProviderServer
from step_process import run_step

ATTEMPTS = 3  # as the rules have it: `retries: 2`
SETTINGS = Simulation(seed=2022)  # a seed of its own: with this one the southern place has reflectance below zero


NORTH = load_places()[0]
SOUTH = next(place for place in load_places() if place.southern)


def simulate(root, *names, extent_m=960, settings=SETTINGS):
    """Write the scenes of some places below `root`."""
    for place in load_places():
        if place.name in names:
            simulate_place(place, settings, root / place.name, extent_m)
    return root


@contextmanager
def serving(root, **options):
    """A server of the archive in this process."""
    with ProviderServer(root, **options) as server:
        yield server


@dataclass
class Steps:
    """One site through one catalogue; everything is written below `folder`."""

    folder: Path
    server: ProviderServer
    site: str
    catalog: str
    extent_m: int = 960
    settings: dict = field(default_factory=dict)
    printed: str = ""
    attempts: dict[str, int] = field(default_factory=dict)

    @property
    def store(self):
        """Folder of the chips."""
        return self.folder / "chips/main" / f"{self.site}.zarr"

    @property
    def manifests(self):
        """Folder of the manifests."""
        return self.folder / "scenes"

    @property
    def tables(self):
        """What the step pair writes, as options."""
        written = {"pairs": "pairs.csv", "dropped": "dropped.csv", "acquisitions": "pairs.json"}
        return [f"--{name}={self.folder / file}" for name, file in written.items()]

    def run(self):
        """Run the three steps to the end; gives itself back."""
        scenes = f"--scenes={self.manifests}"
        self.step("search", f"--out-dir={self.manifests}")
        self.step("pair", scenes, *self.tables)
        self.step("extract", f"--pairs={self.folder / 'pairs.json'}", "--threads=2", f"--out={self.store}")
        return self

    def step(self, name, *arguments):
        """Run one step, again if it fails, as Snakemake would; the last failure is an error."""
        place = next(place for place in load_places() if place.name == self.site)
        settings = {"catalog": f"http://archive.anyband.test/{self.catalog}", "extent_m": self.extent_m}
        settings |= {"min_clear": 0.0, "chip_min_clear": 0.0} | self.settings
        options = [f"--site={self.site}", f"--longitude={place.longitude}", f"--latitude={place.latitude}"]
        options += [f"--settings={json.dumps(settings)}", *arguments]
        environment = os.environ | self.server.environment
        environment |= {"XDG_CACHE_HOME": str(self.folder / "cache"), "HOME": str(self.folder)}
        for attempt in range(1, ATTEMPTS + 1):
            done = run_step(name, options, environment)
            self.printed += done.stderr
            self.attempts[name] = attempt
            if done.returncode == 0:
                return
        raise AssertionError(f"{name} of {self.site} by {self.catalog}: {done.stderr[-2000:]}")

    def pairs(self):
        """Rows of the table of pairs."""
        with (self.folder / "pairs.csv").open() as file:
            return list(csv.DictReader(file))

    def dropped_pairs(self):
        """Rows of the table of what pairing dropped."""
        with (self.folder / "dropped.csv").open() as file:
            return list(csv.DictReader(file))

    def entries(self, which="chips"):
        """What the store says of its chips, or of those that it `dropped`."""
        root = zarr.open_group(self.store, mode="r")
        return [root.attrs["pairs"][str(entry["pair"])] | entry for entry in root.attrs[which]]

    def chips(self):
        """What the store holds of each chip, by chip: arrays in physical units (NaN for nodata), quality, label."""
        return chips_of(self.store)


def chips_of(store):
    """Arrays of a store by chip and name; reflectance is value * scale + offset."""
    root = zarr.open_group(store, mode="r")
    assert root.attrs["complete"]
    arrays = {name: array for name, array in root.members(max_depth=None) if isinstance(array, zarr.Array)}
    chips = {}
    for number, entry in enumerate(chip_entries(root)):
        found = {"entry": {key: entry[key] for key in ("row", "col", "x0", "y0", "epsg", "platforms", "datetimes")}}
        for name, array in arrays.items():
            if array.ndim < 2 or name.endswith(("/x", "/y")):
                continue
            values = array[number]
            if "scale_factor" in array.attrs:
                scale, offset = array.attrs["scale_factor"], array.attrs["add_offset"]
                values = np.where(values == array.attrs["_FillValue"], np.nan, values * scale + offset)
            found[name] = values
        chips[entry["chip"]] = found
    return chips
