"""A front end in the style of Atomizer: every value of every pixel is a token, read by latents on the ground.

After H. Riffaud de Turckheim, S. Lobry, R. Interdonato, D. Marcos, "Atomizer: Generalizing to new modalities by
breaking satellite images down to a set of scalars", 2025, arXiv 2506.13542. Written from the description, not from the
authors' code.

Taken over: an atom is one band of one pixel on its native grid, nothing is resampled; it carries Fourier features of
its value, a code of the band's centre and width (the largest response of each of many bumps, unevenly spaced, to the
interval that the band covers), Fourier features of its own sampling distance and of its place relative to the latent,
in metres; latents read atoms by cross-attention.
Different, because trunk and decoder are shared: the latents are the trunk's cells of 60 m; each has a few learned
queries and reads all atoms whose centre lies in it, none is left out at random; one reading, not several; a score is
one linear map of the token; and a query pixel of the decoder reads, by the same means, the atoms of the pixels that
contain it. The bumps are spaced evenly in the logarithm of the wavelength. Scores are kept within 10 smoothly, so that
exponentials can be summed grid by grid without a maximum per latent; the last linear map of an atom's content is taken
after the weighted mean, which is the same. No masked pretraining, no time.
Not to be claimed: that these are the authors' results, or their cost: this reading is separable per grid.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn

from anyband.models.core.method import DenseMethod, Options
from anyband.models.core.network import linear
from anyband.models.core.normalisation import Statistics
from anyband.models.core.regrid import apply_separable, cells_across, read_points
from anyband.models.rivals.channels import describe, groups_of
from anyband.observation import BandGroup, Observation, QueryGrid
from anyband.sensors import Band

ANCHORS_NM = np.geomspace(350.0, 14_000.0, 96)
BUMP = math.log(ANCHORS_NM[1] / ANCHORS_NM[0])  # standard deviation of a bump in ln(wavelength): one spacing, 4 %
SHORTEST_NM = 100.0
VALUE_FREQUENCIES = 6
PLACE_FREQUENCIES = 3
DISTANCE_FREQUENCIES = 4
LARGEST_GSD_M = 1000.0
HIGHEST_SCORE = 10.0


@dataclass(frozen=True)
class AtomizerOptions(Options):
    """Sizes.

    Attributes:
        features: size of an atom's token and of what is read from it.
        latents: learned queries per cell.
    """

    features: int = 52
    latents: int = 8


def fourier(x: Tensor, frequencies: int, first: float) -> Tensor:
    """Features (..., 2 * frequencies) of x (...): sin and cos of first * 2^i * x, i = 0, 1, ..."""
    angle = x[..., None] * (first * 2.0 ** torch.arange(frequencies, device=x.device))
    return torch.cat((angle.sin(), angle.cos()), dim=-1)


@lru_cache(maxsize=4096)
def spectral_bumps(band: Band) -> tuple[float, ...]:
    """Largest value of each Gaussian bump over [centre - width / 2, centre + width / 2], in closed form.

    That is exp(-d^2 / 2), d the distance of the bump's anchor from the interval in ln(wavelength), in bump widths.

    Raises:
        ValueError: the centre is below 100 nm, which no band's is: the number is in micrometres.
    """
    centre, width = band.response.centre_nm, band.response.fwhm_nm
    if centre < SHORTEST_NM:
        raise ValueError(f"band {band.name}: centre {centre:g} is not in nm")
    low, high = math.log(max(centre - width / 2, 1.0)), math.log(centre + width / 2)
    anchors = np.log(ANCHORS_NM)
    distance = np.maximum(np.maximum(low - anchors, anchors - high), 0.0) / BUMP
    return tuple(float(value) for value in np.exp(-0.5 * distance**2))


class Atomizer(DenseMethod):
    """Latents that read single values."""

    label = "Atomizer style"
    role = "rival"
    family = "any-sensor front end"
    colours = ("#211365", "#2782f8")
    marker = "P"
    cite = """
    @misc{turckheim2025,
      author = {Riffaud de Turckheim, H. and Lobry, S. and Interdonato, R. and Marcos, D.},
      title = {{Atomizer}: generalizing to new modalities by breaking satellite images down to a set of scalars},
      year = {2025},
      eprint = {2506.13542},
      archiveprefix = {arXiv},
    }
    """
    options_type = AtomizerOptions
    any_product = True
    options: AtomizerOptions

    def __init__(self, options: AtomizerOptions, statistics: Statistics, classes: int) -> None:
        """Build the embedding of atoms and both readings."""
        super().__init__(options, statistics, classes)
        width = options.features
        self.from_value = linear(1 + 2 * VALUE_FREQUENCIES, width)
        self.from_band = linear(len(ANCHORS_NM), width, gain=4.0)  # a band fills few of the bumps
        self.from_distance = linear(2 * DISTANCE_FREQUENCIES, width, gain=0.3)
        self.from_place = linear(4 * PLACE_FREQUENCIES, width, gain=0.5)
        self.content = linear(width, width, gain=0.7)
        self.cell_score = nn.Linear(width, options.latents, bias=False)
        self.fine_score = nn.Linear(width, 1, bias=False)
        self.to_cell = linear(options.latents * width, options.dim, gain=0.2)
        self.to_fine = linear(width, options.fine)

    def encode(self, observation: Observation, query: QueryGrid) -> tuple[Tensor, Tensor]:
        """Cell tokens (B, Hc, Wc, D) and fine features (B, H, W, F)."""
        cell_m = self.options.cell_m
        down, across = (cells_across(n, query.pixel_m, cell_m) for n in (query.height, query.width))
        cells, fine = [], []
        for group in groups_of(observation, self.training, 0.0):
            base = self.embed(group)
            located = base + self.from_place(places(group, cell_m))[:, :, :, None]
            cells.append(self.gather(group, located, (down, across, cell_m)))
            sums = self.sum_bands(group, base, self.fine_score)
            fine.append(read_points(sums, group.pixel_m, group.offset_m, query, linear=False))
        return self.to_cell(self.mean(cells)), self.to_fine(self.mean(fine))

    def embed(self, group: BandGroup) -> Tensor:
        """First layer of the atoms (B, h, w, C, E), without their place."""
        mean, std = describe(group, self.statistics.at)[:, :, None, None].unbind(-1)
        value = ((group.values - mean) / std.clamp_min(1e-6) * group.valid).permute(0, 2, 3, 1)
        codes = torch.cat((value[..., None], fourier(value, VALUE_FREQUENCIES, 0.25)), dim=-1)
        gsd = describe(group, lambda band: [math.log(band.gsd_m) / math.log(LARGEST_GSD_M)])[..., 0]
        band = self.from_band(describe(group, spectral_bumps))
        band = band + self.from_distance(fourier(gsd, DISTANCE_FREQUENCIES, math.pi))
        atoms: Tensor = self.from_value(codes) + band[:, None, None]
        return atoms

    def sum_bands(self, group: BandGroup, atoms: Tensor, score: nn.Linear) -> Tensor:
        """Sums over the bands of each pixel of exp(score) * gelu(atom) and of exp(score): (B, h, w, Q * (E + 1))."""
        scores = HIGHEST_SCORE * torch.tanh(score(torch.relu(atoms)) / HIGHEST_SCORE)
        weight = scores.exp() * group.valid.permute(0, 2, 3, 1)[..., None]  # (B, h, w, C, Q)
        sums = torch.einsum("bhwcq,bhwce->bhwqe", weight, nn.functional.gelu(atoms))
        return torch.cat((sums, weight.sum(dim=3)[..., None]), dim=-1).flatten(3)

    def gather(self, group: BandGroup, atoms: Tensor, grid: tuple[int, int, float]) -> Tensor:
        """The sums over all atoms with their centre in a cell: (B, Hc, Wc, Q * (E + 1))."""
        down, across, cell_m = grid
        dx, dy = group.offset_m.unbind(1)
        height, width = group.values.shape[2:]
        rows = membership(height, group.pixel_m, dy, down, cell_m)
        columns = membership(width, group.pixel_m, dx, across, cell_m)
        return apply_separable(rows, columns, self.sum_bands(group, atoms, self.cell_score))

    def mean(self, parts: list[Tensor]) -> Tensor:
        """Attention's result (B, h, w, Q * E) from the sums (B, h, w, Q * (E + 1)) of each group; 0 without an atom.

        The content of an atom is linear in gelu(atom), so it is taken of their weighted mean: the same numbers for a
        fraction of the products.
        """
        total = torch.stack(parts).sum(dim=0)
        sums = total.reshape(*total.shape[:3], -1, self.options.features + 1)
        weight = sums[..., -1:]
        content: Tensor = self.content(sums[..., :-1] / weight.clamp_min(1e-6)) * (weight > 0)
        return content.flatten(3)


def membership(pixels: int, pixel_m: float, offset_m: Tensor, cells: int, cell_m: float) -> Tensor:
    """Which cell holds each pixel centre: 0 or 1 (B, cells, pixels), along one axis; `offset_m` is (B,)."""
    cell = torch.floor(centres(pixels, pixel_m, offset_m) / cell_m + 1e-6)
    return (cell[:, None] == torch.arange(cells, device=cell.device)[:, None]).float()


def centres(pixels: int, pixel_m: float, offset_m: Tensor) -> Tensor:
    """Metres of the pixel centres from the chip's edge (B, pixels)."""
    return (torch.arange(pixels, device=offset_m.device) + 0.5) * pixel_m + offset_m[:, None]


def places(group: BandGroup, cell_m: float) -> Tensor:
    """Fourier features (B, h, w, 4 * PLACE_FREQUENCIES) of pixel centres from the centre of their cell, in cells."""
    codes = []
    for size, offset in zip(group.values.shape[2:], group.offset_m.flip(1).unbind(1), strict=True):
        position = centres(size, group.pixel_m, offset) / cell_m
        codes.append(fourier(position - torch.floor(position + 1e-6) - 0.5, PLACE_FREQUENCIES, math.pi))
    rows, columns = codes
    height, width = group.values.shape[2:]
    return torch.cat((rows[:, :, None].expand(-1, -1, width, -1), columns[:, None].expand(-1, height, -1, -1)), dim=-1)
