"""Translation: Landsat is turned into Sentinel-2 images, and the specialist of Sentinel-2 reads both.

After Isa et al., "Supervised conversion from Landsat-8 images to Sentinel-2 images with deep learning", European
Journal of Remote Sensing 54, 2021, which takes up super-resolution networks. Its layers are not reproduced: the network
here is a residual one without batch norms and with a pixel shuffle (EDSR, Lim et al. 2017, arXiv 1707.02921), trained
with an L1 loss, on top of the plain translation. Landsat Level-2 has no panchromatic band, so none is used.

The plain translation interpolates to 10 m and inverts the bandpass regression of HLS (Claverie et al. 2018, RSE 219;
coefficients of the HLS V2.0 user guide, table 5, mean of Sentinel-2A and 2B). Bands that have no twin are interpolated
between their neighbours in wavelength.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from anyband.models.baselines.input_fusion import Sentinel2Only, StackOptions
from anyband.models.core.band_stack import BandStack, by_name, on_stack_grid, require, stack_grid
from anyband.models.core.method import Batch, Method, Options, Subsets, UnsupportedInputError
from anyband.models.core.network import convolution, linear, mean_cross_entropy
from anyband.models.core.normalisation import BandMoments, Statistics
from anyband.models.core.regrid import FeatureMap, observed
from anyband.models.core.whitening import Whitening
from anyband.observation import Observation, QueryGrid
from anyband.runtime import UserError
from anyband.sensors.platforms import MSI_TO_OLI

# Sentinel-2 band: its Landsat twin, and the concept of both.
LIKE = {
    "B01": ("coastal", "coastal"),
    "B02": ("blue", "blue"),
    "B03": ("green", "green"),
    "B04": ("red", "red"),
    "B8A": ("nir08", "nir_narrow"),
    "B11": ("swir16", "swir1"),
    "B12": ("swir22", "swir2"),
}
HLS_BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07")
LINES = np.mean([list(MSI_TO_OLI[f"sentinel-2{unit}"].values()) for unit in "ab"], axis=0)
# Sentinel-2 band: its Landsat twin, and a and b of OLI = a MSI + b.
TWINS = {name: (twin, *LINES[list(MSI_TO_OLI["sentinel-2a"]).index(concept)]) for name, (twin, concept) in LIKE.items()}
# The same of S30 and L30, whose responses HLS has made one.
HLS_TWINS = {name: (twin, 1.0, 0.0) for name, twin in zip(TWINS, HLS_BANDS, strict=True)}
UPSCALE = 3


@dataclass(frozen=True)
class TranslationOptions(StackOptions):
    """Sizes: by default specialist and translator together are as large as one of the other methods.

    `{dim: 64, hidden: 64, features: 48, blocks: 16, channels: 64}` has both at full size, the upper reference.

    Attributes:
        translator: "residual", the network, or "plain", interpolation and regression alone.
        specialist: "frozen" has learned from Sentinel-2 alone, "fine-tuned" from translated images too.
        blocks: residual blocks of the network.
        channels: of the network.
    """

    dim: int = 48
    hidden: int = 64
    features: int = 40
    translator: str = "residual"
    specialist: str = "fine-tuned"
    blocks: int = 4
    channels: int = 24


class Translation(Method):
    """A specialist of Sentinel-2, and a translator for places and times where only Landsat has seen the ground.

    Both learn on the same batches. The translator has no gradient from the labels and the specialist none from the
    translation error, so a frozen specialist is the one that training it alone, first, would give.
    """

    label = "Translation to S2"
    role = "baseline"
    family = "translation"
    colours = ("#323aac", "#fce2ff")
    marker = "p"
    cite = "isa2021"
    options_type = TranslationOptions
    options: TranslationOptions
    search = {"specialist": ("fine-tuned", "frozen")}
    mean: Tensor
    std: Tensor
    plain_weight: Tensor
    plain_bias: Tensor
    network: "SuperResolution | None"

    def __init__(self, options: TranslationOptions, statistics: Statistics, classes: int) -> None:
        """Build specialist and translator; before training the translation is the plain one.

        Raises:
            UserError: an option that does not exist.
        """
        super().__init__(options, statistics, classes)
        choices = {"translator": ("residual", "plain"), "specialist": ("frozen", "fine-tuned")}
        for key, known in choices.items():
            if (value := getattr(options, key)) not in known:
                raise UserError(
                    f"methods.translation.options.{key}: {value!r} does not exist; known: {', '.join(known)}"
                )
        self.reader = Sentinel2Only(options, statistics, classes)
        self.target = BandStack(self.products[:1], statistics, whiten=options.whiten)
        source = statistics.of(self.products[1:])
        self.source = tuple(band.name for band in source)
        self.map = Whitening(statistics.covariance_of(self.products[1], source)) if options.whiten else None
        self.register_buffer("mean", torch.tensor([band.mean for band in source]), persistent=False)
        self.register_buffer("std", torch.tensor([max(band.std, 1e-6) for band in source]), persistent=False)
        weight, bias = plain_regression(source, statistics.of(self.products[:1]), HLS_TWINS if options.hls else TWINS)
        self.register_buffer("plain_weight", weight, persistent=False)
        self.register_buffer("plain_bias", bias, persistent=False)
        self.network = None
        if options.translator == "residual":
            self.network = SuperResolution(len(source), len(weight), options.blocks, options.channels)

    def forward(self, observation: Observation, query: QueryGrid) -> Tensor:
        """Logits (B, classes, H, W) on the query grid; translated Landsat stands where Sentinel-2 saw nothing."""
        stacked, seen = self.target(observation, query)
        if observation.of(self.products[1]) and not bool(seen.all()):
            translated, covered = self.translate(observation, query)
            stacked = torch.where(seen > 0, stacked, self.as_stack(translated, covered))
            seen = torch.maximum(seen, covered)
        return self.read(stacked, seen, query)

    @classmethod
    def training_subsets(cls, options: Options) -> tuple[Subsets, ...]:
        """Both sensors together."""
        return ((frozenset(cls.products_of(options)),),)

    def loss(self, batch: Batch, class_weights: Tensor | None = None) -> Tensor:
        """Cross-entropy from Sentinel-2, and from translated Landsat when fine-tuned; the translator learns along.

        Its error has a gradient but does not count, so that losses of training are those of maps for all methods.
        """
        observation, query, labels = batch
        real, valid = self.target.standardise(observation, query)
        stacked, seen = self.target.stack(real, valid)
        first, second = (bool(observation.of(product)) for product in self.products)
        if not second:
            return mean_cross_entropy([self.read(stacked, seen, query)], labels, class_weights)
        translated, covered = self.translate(observation, query)
        maps = [self.read(stacked, seen, query)] if first or self.options.specialist == "frozen" else []
        if self.options.specialist == "fine-tuned":
            maps.append(self.read(self.as_stack(translated.detach(), covered), covered, query))
        loss = mean_cross_entropy(maps, labels, class_weights)
        if self.network is None:
            return loss
        error = (translated - real).abs() * seen * covered
        error = error.sum() / ((seen * covered).sum().clamp_min(1.0) * translated.shape[-1])
        along: Tensor = error - error.detach()
        return loss + along

    def read(self, stacked: Tensor, seen: Tensor, query: QueryGrid) -> Tensor:
        """Logits (B, classes, H, W) of the specialist from a stack (B, H, W, bands + 1) and weight (B, H, W, 1)."""
        features = on_stack_grid(self.reader.encoder.layers(stacked), seen)
        cells, _ = self.reader.tokens(features, query)
        fine, _ = features.read(query, linear=True)
        logits: Tensor = self.reader.decoder(self.reader.trunk(cells), self.reader.fine(fine), query)
        return logits

    def translate(self, observation: Observation, query: QueryGrid) -> tuple[Tensor, Tensor]:
        """Standardised Sentinel-2 bands (B, H, W, bands) on the 10 m grid from Landsat, and weight (B, H, W, 1)."""
        values, valid, grid = self.landsat(observation)
        pixel_m, offset_m = grid
        fine = stack_grid(query)
        plain = (values @ self.plain_weight.T + self.plain_bias - self.target.mean) / self.target.std
        translated, covered = observed(plain, valid, pixel_m, offset_m).read(fine, linear=True)
        if self.network is not None:
            standard = (values - self.mean) / self.std * valid
            if self.map is not None:
                standard = self.map(standard, (valid > 0).expand_as(standard))
            scaled = torch.cat((standard, valid), dim=-1)
            details = self.network.features(scaled)
            everywhere = torch.ones_like(details[..., :1])
            details, _ = FeatureMap(details, everywhere, pixel_m / UPSCALE, offset_m).read(fine, linear=True)
            translated = translated + self.network.residual(details)
        seen = (covered > 0.5).float()
        return translated * seen, seen

    def landsat(self, observation: Observation) -> tuple[Tensor, Tensor, tuple[float, Tensor]]:
        """Values (B, h, w, C) and validity (B, h, w, 1) of Landsat on its own grid, and that grid's place.

        Raises:
            UnsupportedInputError: a band is missing that training had, or not all are on one grid.
        """
        groups = observation.of(self.products[1])
        bands = by_name([(group.values.movedim(1, -1), group.valid.movedim(1, -1)) for group in groups], groups)
        require(self.products[1], self.source, bands)
        if len({bands[name][0].shape for name in self.source}) > 1:
            raise UnsupportedInputError(f"the bands of {self.products[1]} lie on several grids, this model takes one")
        values, valid = (torch.stack([bands[name][i] for name in self.source], dim=-1) for i in (0, 1))
        return values, valid.all(dim=-1, keepdim=True).float(), (groups[0].pixel_m, groups[0].offset_m)

    def images(self, observation: Observation, query: QueryGrid) -> tuple[Tensor, Tensor, Tensor]:
        """Translated and real Sentinel-2 reflectance (B, H, W, bands), and where both exist (B, H, W), for scores."""
        translated, covered = self.translate(observation, query)
        standard, valid = self.target.standardise(observation, query)
        both = (covered[..., 0] > 0) & valid.any(dim=-1)
        real, made = (t * self.target.std + self.target.mean for t in (standard, translated))
        return made, real, both

    def as_stack(self, bands: Tensor, seen: Tensor) -> Tensor:
        """Standardised bands (B, H, W, C) as the specialist's stack."""
        stacked, _ = self.target.stack(bands * seen, (seen > 0).expand_as(bands))
        return stacked


class SuperResolution(nn.Module):
    """Residual blocks on the 30 m grid, a pixel shuffle to 10 m, and, once on the chip's grid, a last convolution."""

    def __init__(self, bands_in: int, bands_out: int, blocks: int, channels: int) -> None:
        """The last convolution starts at zero, so an untrained network adds nothing."""
        super().__init__()
        self.first = nn.Conv2d(bands_in + 1, channels, 3, padding=1)
        self.blocks = nn.ModuleList(
            nn.Sequential(convolution(channels, gain=1.0), nn.ReLU(), convolution(channels, gain=0.1))
            for _ in range(blocks)
        )
        self.enlarge = nn.Sequential(nn.Conv2d(channels, 16 * UPSCALE**2, 1), nn.PixelShuffle(UPSCALE), nn.ReLU())
        self.mix = linear(16, 16)
        self.last = nn.Conv2d(16, bands_out, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)  # type: ignore[arg-type]

    def features(self, scaled: Tensor) -> Tensor:
        """Features (B, 3 h, 3 w, 16) of a stack (B, h, w, C) at 30 m."""
        start = x = self.first(scaled.permute(0, 3, 1, 2))
        for block in self.blocks:
            x = x + block(x)
        enlarged: Tensor = self.enlarge(x + start)
        return enlarged.permute(0, 2, 3, 1)

    def residual(self, features: Tensor) -> Tensor:
        """What to add (B, H, W, bands), in standard deviations, from features (B, H, W, 16) on the chip's grid."""
        added: Tensor = self.last(torch.relu(self.mix(features)).permute(0, 3, 1, 2))
        return added.permute(0, 2, 3, 1)


def plain_regression(
    source: tuple[BandMoments, ...],
    target: tuple[BandMoments, ...],
    known: Mapping[str, tuple[str, float, float]] = TWINS,
) -> tuple[Tensor, Tensor]:
    """Weight (targets, sources) and bias (targets,) that turn Landsat reflectance into that of Sentinel-2 bands.

    A band with a twin is MSI = (OLI - b) / a. One without is interpolated linearly in wavelength between the twins on
    either side, or takes the last one; the wide near-infrared band thus becomes mostly the narrow one.
    """
    names = [band.name for band in source]
    weight, bias = np.zeros((len(target), len(source))), np.zeros(len(target))
    rows = {name: np.zeros(len(source)) for name in known}
    twins = [band for band in target if band.name in known and known[band.name][0] in names]
    for band in twins:
        twin, slope, _ = known[band.name]
        rows[band.name][names.index(twin)] = 1 / slope
    twins.sort(key=lambda band: band.centre_nm)
    centres = [band.centre_nm for band in twins]
    for i, band in enumerate(target):
        for j, twin_band in enumerate(twins):
            share = float(np.interp(band.centre_nm, centres, np.eye(len(twins))[j]))
            _, slope, intercept = known[twin_band.name]
            weight[i] += share * rows[twin_band.name]
            bias[i] -= share * intercept / slope
    return torch.from_numpy(weight).float(), torch.from_numpy(bias).float()
