"""Self-supervised pretraining: the proposed encoder predicts spectra, which any spectral response then reads.

Parts of every acquisition are hidden, whole squares of ground and whole bands, and from what is left of one sensor, or
of both, the network predicts all pixels of both. What it predicts on the query grid is a spectrum: its values along the
axes of the spectral posterior, with a start at what Gaussian inference says by itself, so that the network learns only
what that lacks (neighbours, edges, what a second sensor adds). A pixel of any band is that spectrum read through the
band's response and averaged over the pixel's footprint. No label is looked at.

Masked prediction follows He et al. 2022 (CVPR, masked autoencoders) in principle, not in its architecture.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from anyband.models.core.band_stack import some_bands
from anyband.models.core.method import Batch, Method
from anyband.models.core.normalisation import Statistics
from anyband.models.core.regrid import apply_separable, cells_across, moment_weights, observed, read_points
from anyband.models.proposed.anyband import AnyBand, AnyBandOptions, read_nearest
from anyband.models.proposed.merge_bands import LEAST_BANDS
from anyband.models.proposed.posterior import SpectralPosterior
from anyband.observation import BandGroup, Observation, QueryGrid
from anyband.runtime import UserError
from anyband.sensors import Band

HIDDEN_M = 120.0  # side of a hidden square: two cells, so that neighbours alone do not tell it
HIDDEN_SHARE = 0.3
FEWER_BANDS = 0.5  # chance that an acquisition has only a random part of its bands
WHOLE = 0.999  # least share of a pixel that the query grid covers, for the pixel to count
FINEST_M = 10.0  # spacing at which the network learned to predict; coarser pixels are averages of such


class Reconstruction(Method):
    """The proposed encoder with spectra instead of classes at its end."""

    options_type = AnyBandOptions
    options: AnyBandOptions
    validated = "val_explained"

    def __init__(self, options: AnyBandOptions, statistics: Statistics, classes: int) -> None:
        """`classes` plays no part: the decoder has an output per knot of the posterior.

        Raises:
            UserError: options without the posterior, along whose axes spectra are predicted.
        """
        super().__init__(options, statistics, classes)
        if options.spectral == "codes":
            raise UserError("options.spectral: codes has no posterior, along whose axes pretraining predicts spectra")
        self.prior = SpectralPosterior(statistics, options.noise, whiten=options.whiten)
        self.encoder = AnyBand(options, statistics, self.prior.size)

    def forward(self, observation: Observation, query: QueryGrid) -> Tensor:
        """Spectra on the query grid: values (B, K, H, W) along the posterior's axes, 0 where it equals the prior."""
        starts = [self.start(observation.of(product), query) for product in sorted(observation.products)]
        spectra: Tensor = self.encoder(observation, query) + known_mean(starts)
        return spectra

    def loss(self, batch: Batch, class_weights: Tensor | None = None) -> Tensor:
        """The mean error of predicting the pixels of all products from every set of them; labels are not looked at."""
        observation, query, _ = batch
        kept = {p: self.hidden(observation.of(p), query) for p in sorted(observation.products)}
        each = self.encoder.encode_each(Observation(tuple(g for groups in kept.values() for g in groups)), query)
        starts = {product: self.start(groups, query) for product, groups in kept.items()}
        sets = self.mapped(observation.products)
        cells, fine = zip(*(self.encoder.fuse(each, products) for products in sets), strict=True)
        added = self.encoder.decoder(self.encoder.trunk(torch.cat(cells)), torch.cat(fine), query).chunk(len(sets))
        losses = []
        for products, residual in zip(sets, added, strict=True):
            spectra = residual + known_mean([starts[product] for product in products])
            losses.append(torch.stack([self.error(spectra, query, group) for group in observation.groups]).mean())
        return torch.stack(losses).mean()

    def hidden(self, groups: tuple[BandGroup, ...], query: QueryGrid) -> tuple[BandGroup, ...]:
        """The groups of an acquisition without random squares of ground and, at times, without some bands."""
        if torch.rand(()) < FEWER_BANDS:
            groups = some_bands(groups, LEAST_BANDS)
        down, across = (cells_across(n, query.pixel_m, HIDDEN_M) for n in (query.height, query.width))
        kept = (torch.rand(len(groups[0].values), down, across, 1) >= HIDDEN_SHARE).float()
        return tuple(without(group, kept.to(group.values.device)) for group in groups)

    def start(self, groups: tuple[BandGroup, ...], query: QueryGrid) -> tuple[Tensor, Tensor]:
        """What Gaussian inference says by itself: spectra (B, H, W, K), and how far they are known (B, H, W, K)."""
        centre, gain, known = self.encoder.conversions(groups, gaussian=False)
        values, seen = read_nearest(groups, centre)
        where = torch.ones_like(values[..., :1]) if seen is None else seen.amax(dim=-1, keepdim=True)
        shape = groups[0].values.shape[2:]
        spectra, where = (x.reshape(len(x), *shape, -1) for x in (torch.bmm(values, gain), where))
        features = observed(spectra, where, groups[0].pixel_m, groups[0].offset_m)
        read, weight = features.read(query, linear=True)
        return read, weight * known[:, None, None, :]

    def error(self, spectra: Tensor, query: QueryGrid, group: BandGroup) -> Tensor:
        """Mean absolute error of a group's valid pixels, in standard deviations of each band; 0 without one."""
        made, valid, spread = self.measured(spectra, query, group)
        error = (made - group.values).abs() / spread.clamp_min(1e-6)[..., None, None] * valid
        total: Tensor = error.sum() / valid.sum().clamp_min(1)
        return total

    def explained(self, spectra: Tensor, query: QueryGrid, group: BandGroup) -> list[float]:
        """Of each band of a group with a valid pixel: 1 - squared error / variance."""
        made, valid, _ = self.measured(spectra, query, group)
        shares = []
        for band in range(made.shape[1]):
            true, estimate = (x[:, band][valid[:, band]].double() for x in (group.values, made))
            if len(true):
                shares.append(float(1 - (estimate - true).square().mean() / true.var().clamp_min(1e-12)))
        return shares

    def measured(self, spectra: Tensor, query: QueryGrid, group: BandGroup) -> tuple[Tensor, Tensor, Tensor]:
        """Pixels (B, C, h, w) of a group as `spectra` have them, where they can be scored, and bands' spread (B, C)."""
        image, covered = over_pixels(spectra, query, group)
        tables = [self.table(tuple(band_set), image.device) for band_set in group.band_sets]
        weight, level, spread = (torch.stack(part)[group.band_set_index] for part in zip(*tables, strict=True))
        made = torch.bmm(image.flatten(1, 2), weight) + level[:, None]
        made = made.transpose(1, 2).reshape(group.values.shape)
        return made, group.valid & (covered > WHOLE) & (spread > 0)[..., None, None], spread

    def table(self, bands: tuple[Band, ...], device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
        """How bands read spectra (K, C), their level (C,), and spread (C,), which is 0 where the knots tell nothing."""
        weight, level = self.prior.reading(bands)
        told = weight.any(axis=1)
        spread = torch.tensor([self.encoder.level(band)[1] for band in bands]) * torch.from_numpy(told)
        found = torch.from_numpy(weight).float().T, torch.from_numpy(level).float(), spread
        return tuple(part.to(device) for part in found)  # type: ignore[return-value]

    def pixels(self, observation: Observation, query: QueryGrid, bands: Sequence[Band]) -> tuple[Tensor, Tensor]:
        """Values (B, C, H, W) of `bands`, whatever sensor has them, and where something was seen (B, H, W) bool.

        A pixel of the query is the mean of those of about 10 m that it is made of.
        """
        times = max(round(query.pixel_m / FINEST_M), 1)
        fine = QueryGrid(query.pixel_m / times, query.height * times, query.width * times)
        spectra = nn.functional.avg_pool2d(self(observation, fine), times)
        weight, level, _ = self.table(tuple(bands), spectra.device)
        made = torch.einsum("bkhw,kc->bchw", spectra, weight) + level[:, None, None]
        starts = [self.start(observation.of(product), query)[1] for product in sorted(observation.products)]
        return made, torch.stack(starts).sum(dim=0).amax(dim=-1) > 0

    def tells(self, band: Band) -> bool:
        """Whether the knots say anything of a band."""
        return bool(self.prior.reading((band,))[0].any())


def known_mean(starts: list[tuple[Tensor, Tensor]]) -> Tensor:
    """Spectra (B, K, H, W) of several acquisitions: along each axis, the mean by how far each knows it."""
    values, known = (torch.stack(part) for part in zip(*starts, strict=True))
    mean = (values * known).sum(dim=0) / known.sum(dim=0).clamp_min(1e-6)
    return mean.permute(0, 3, 1, 2)


def without(group: BandGroup, kept: Tensor) -> BandGroup:
    """The group with only the ground that `kept` (B, h, w, 1), squares of `HIDDEN_M`, has as 1."""
    grid = QueryGrid(group.pixel_m, *group.values.shape[2:])
    read = read_points(kept, HIDDEN_M, -group.offset_m, grid, linear=False)
    seen = read.permute(0, 3, 1, 2) > 0.5
    return replace(group, values=group.values * seen, valid=group.valid & seen)


def over_pixels(spectra: Tensor, query: QueryGrid, group: BandGroup) -> tuple[Tensor, Tensor]:
    """Spectra (B, K, H, W) averaged over a group's pixels (B, h, w, K), and the share of each covered (B, 1, h, w)."""
    image = spectra.permute(0, 2, 3, 1)
    height, width = group.values.shape[2:]
    same = group.pixel_m == query.pixel_m and (height, width) == (query.height, query.width)
    if same and not group.offset_m.any():
        return image, torch.ones_like(spectra[:, :1])
    dx, dy = (-group.offset_m).unbind(1)
    rows = moment_weights(query.height, query.pixel_m, dy, height, group.pixel_m, 1)
    columns = moment_weights(query.width, query.pixel_m, dx, width, group.pixel_m, 1)
    covered = torch.bmm(rows.sum(dim=-1)[..., None], columns.sum(dim=-1)[:, None])
    return apply_separable(rows, columns, image) / covered.clamp_min(1e-6)[..., None], covered[:, None]
