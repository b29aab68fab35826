"""SatlasPretrain: one Swin-v2 with a feature pyramid per sensor, as published, and a linear head on the query grid.

Swin-v2 (Liu et al. 2022, arXiv 2111.09883) and feature pyramid (Lin et al. 2017, arXiv 1612.03144) are torchvision's.

Bastani et al., "SatlasPretrain: a large-scale dataset for remote sensing image understanding", ICCV 2023
(arXiv 2211.15660). Parameter names and band scaling are as published, so a checkpoint file loads strictly:

* github.com/allenai/satlas, Normalization.md at commit 149d271: Sentinel-2 in nine channels is the colour image of
  Level-1C / 255 in the order red, green, blue, then B05, B06, B07, B08, B11, B12 as 16-bit number
  / 8160, clipped to 0..1. Landsat 8 and 9 are B1 to B11 in order, (number - 4000) / 16320, clipped to 0..1. The
  `Channels` of configs/sentinel2/swinb_si_ms_fixed.txt and configs/landsat/swinb_mi.txt say the same.
* The same, ModelArchitecture.md: four maps of the backbone at 1/4 to 1/32; over several images of one place each map
  is max-pooled before the pyramid; the pyramid has 128 channels; prefixes of the parameter names.
* github.com/allenai/satlaspretrain_models, README.md: which sizes and bands there are, of one image and of several.

The network is as large as published, hence hundreds of times the parameters of the other methods and more than ten
times the time of a training step of input fusion (benchmarks/training.py).

A model of several images has the backbone of one image, trained under that pooling; here every sensor gives one image.
"""

import hashlib
import math
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from anyband.models.core.band_stack import by_name, on_stack_grid, require, resample, stack_grid
from anyband.models.core.method import Method, Options
from anyband.models.core.network import linear
from anyband.models.core.normalisation import Statistics
from anyband.observation import Observation, QueryGrid
from anyband.runtime import UserError

PYRAMID, PATCH, WINDOW = 128, 4, 8


@dataclass(frozen=True)
class SatlasOptions(Options):
    """Which of the published models; the sizes of the shared trunk and decoder have no effect here.

    Attributes:
        size: "t" or "b", the published Swin-v2-T and Swin-v2-B, or "ci", a toy for tests.
        checkpoint: file with published Sentinel-2 weights (.pth), of the nine bands; empty for random weights.
        checkpoint_landsat: the same for Landsat, of eleven bands; published for Swin-v2-B only.
    """

    size: str = "t"
    checkpoint: str = ""
    checkpoint_landsat: str = ""


class Satlas(Method):
    """One network per sensor; with both at hand their last feature maps are max-pooled.

    The published models of several images pool those of the backbone, which is one for all of them; here there are two,
    of different sensors, whose channels mean the same only after training together.

    Both sensors are interpolated to 10 m first, the spacing of the images that the published models saw.
    """

    label = "Satlas (full size)"
    role = "rival"
    family = "foundation model"
    colours = ("#4c0b0d", "#9e8173")
    marker = "*"
    needs = "torchvision"
    cite = "bastani2023"
    options_type = SatlasOptions
    options: SatlasOptions

    def __init__(self, options: SatlasOptions, statistics: Statistics, classes: int) -> None:
        """Random weights; `prepare` loads the published ones.

        Raises:
            UserError: no such size.
        """
        super().__init__(options, statistics, classes)
        if options.size not in SIZES:
            known = ", ".join(SIZES)
            raise UserError(f"methods.satlas-full-size.options.size: {options.size!r} does not exist; known: {known}")
        size, channels = SIZES[options.size], {"sentinel2": len(SENTINEL2_BANDS), "landsat": 11}
        self.nets = nn.ModuleDict({product: SatlasNet(channels[product], size) for product in self.products})
        self.head = linear(PYRAMID, classes, gain=0.1)

    def prepare(self) -> str:
        """Load the checkpoints that the options name, and say which sensors start from published weights.

        Raises:
            UserError: a file is missing or is not of this architecture; one line that names the first key.
        """
        files = zip(self.products, (self.options.checkpoint, self.options.checkpoint_landsat), strict=True)
        started = [f"{name}: {load_checkpoint(self.nets[name], file) or 'random weights'}" for name, file in files]
        return "; ".join(started)

    def forward(self, observation: Observation, query: QueryGrid) -> Tensor:
        """Logits (B, classes, H, W) on the query grid."""
        parts = []
        for product in self.products:
            if not observation.of(product):
                continue
            image, weight = self.image(observation, product, query)
            features = self.nets[product](image).permute(0, 2, 3, 1)
            read, seen = on_stack_grid(features, weight).read(query, linear=True)
            parts.append(read.masked_fill(seen == 0, -torch.inf))
        pooled = torch.stack(parts).amax(dim=0)
        logits: Tensor = self.head(pooled.masked_fill(pooled.isinf(), 0.0))
        return logits.permute(0, 3, 1, 2)

    def image(self, observation: Observation, product: str, query: QueryGrid) -> tuple[Tensor, Tensor]:
        """Published input (B, channels, H, W) on the 10 m grid, 0 where nothing was seen, and weight (B, H, W, 1).

        Raises:
            UnsupportedInputError: a band is missing that the published model has and that nothing stands for.
        """
        groups = observation.of(product)
        bands = by_name([resample(group, stack_grid(query), linear=True) for group in groups], groups)
        sources, channels = {
            "sentinel2": (SENTINEL2_BANDS, sentinel2_channels),
            "landsat": (LANDSAT_BANDS, landsat_channels),
        }[product]
        require(product, sources, bands, "the published model reads")
        scaled = channels({name: values.where(valid, 0.0) for name, (values, valid) in bands.items()})
        seen = torch.stack([bands[name][1] for name in sources]).any(dim=0)
        return scaled * seen[:, None], seen[..., None].float()


# The colour image (red, green, blue), then six bands.
SENTINEL2_BANDS = ("B04", "B03", "B02", "B05", "B06", "B07", "B08", "B11", "B12")
LANDSAT_BANDS = ("coastal", "blue", "green", "red", "nir08", "swir16", "swir22")
# Reflectance at which ESA's 8-bit colour image of Level-1C saturates (number 3558; Sentinel-2 user guide, definitions).
COLOUR_SATURATION = 0.3558
# Level-1 thermal radiance of Landsat 8, band 10: W / (m2 sr um) per digital number and at 0, and the constants of its
# brightness temperature, as its metadata files give them (RADIANCE_MULT, RADIANCE_ADD, K1 and K2 of band 10).
RADIANCE_GAIN, RADIANCE_OFFSET, K1, K2 = 3.342e-4, 0.1, 774.8853, 1321.0789
SUN_ELEVATION = 50.0
"""Degrees, assumed where surface reflectance is turned into Level-1 numbers of Landsat."""


def sentinel2_channels(values: dict[str, Tensor]) -> Tensor:
    """The published channels (B, 9, H, W) of Sentinel-2 from surface reflectance (B, H, W) by band name.

    Published: colour image / 255, other bands 16-bit number / 8160, clipped to 0..1, all of Level-1C. Level-2A has the
    scale of 10000 per unit reflectance too, so only the atmosphere differs; ESA's colour image is rebuilt.
    """
    colour = [values[name] / COLOUR_SATURATION for name in SENTINEL2_BANDS[:3]]
    others = [values[name] * 10000 / 8160 for name in SENTINEL2_BANDS[3:]]
    return torch.stack(colour + others, dim=1).clamp(0, 1)


def landsat_channels(values: dict[str, Tensor]) -> Tensor:
    """The published channels B1 to B11 (B, 11, H, W) of Landsat from surface reflectance and kelvin (B, H, W).

    Published: (N - 4000) / 16320 of the Level-1 number N, clipped to 0..1. Level-2 has no such numbers, so
    N = (reflectance sin(sun elevation) + 0.1) / 2e-5, the inverse of USGS's Level-1 rescaling. Bands that Level-2
    lacks are stood for: panchromatic by the mean of green and red, cirrus by a clear sky (0), both thermal bands by
    the radiance of the surface temperature, or 0 after scaling where there is none.
    """
    sine = math.sin(math.radians(SUN_ELEVATION))
    pan, cirrus = (values["green"] + values["red"]) / 2, torch.zeros_like(values["red"])
    optical = [*(values[name] for name in LANDSAT_BANDS), pan, cirrus]
    numbers = [(reflectance * sine + 0.1) / 2e-5 for reflectance in optical]
    thermal = torch.zeros_like(cirrus)
    if "lwir11" in values:
        radiance = K1 / torch.expm1(K2 / values["lwir11"].clamp_min(150.0))
        thermal = (radiance - RADIANCE_OFFSET) / RADIANCE_GAIN
    return ((torch.stack([*numbers, thermal, thermal], dim=1) - 4000) / 16320).clamp(0, 1)


SwinSize = tuple[int, list[int], list[int], float, int]
# Width of the first stage, blocks and heads of every stage, chance that the last block is skipped in training (it rises
# linearly from 0 at the first one), classes. `t` and `b` as swin_v2_t and swin_v2_b of torchvision; `ci` for tests.
SIZES: dict[str, SwinSize] = {
    "t": (96, [2, 2, 6, 2], [3, 6, 12, 24], 0.2, 1000),
    "b": (128, [2, 2, 18, 2], [4, 8, 16, 32], 0.5, 1000),
    "ci": (8, [2, 1, 1, 1], [1, 2, 4, 8], 0.0, 4),
}


def torchvision_modules() -> tuple[Any, Any]:
    """The modules `models.swin_transformer` and `ops` of torchvision.

    Raises:
        UserError: torchvision is not there.
    """
    try:
        import_module("torchvision")
    except ModuleNotFoundError:
        raise UserError("satlas needs torchvision: pip install 'anyband[models]'") from None
    except RuntimeError:
        # Its operators are compiled for another build of torch, a CUDA one beside a CPU one. None is used here, but its
        # import asks for the names of two.
        for name in ("nms", "qnms"):
            torch.library.define(f"torchvision::{name}", "(Tensor boxes, Tensor scores, float threshold) -> Tensor")
    return import_module("torchvision.models.swin_transformer"), import_module("torchvision.ops")


class SatlasNet(nn.Module):
    """Swin-v2, feature pyramid and up-sampling to one feature vector per input pixel, with the published names."""

    def __init__(self, channels: int, size: SwinSize) -> None:
        """Random weights for `channels` bands.

        Raises:
            UserError: torchvision is not there.
        """
        super().__init__()
        swin, ops = torchvision_modules()
        width, depths, heads, drop_path, classes = size
        backbone = swin.SwinTransformer(
            patch_size=[PATCH, PATCH],
            embed_dim=width,
            depths=depths,
            num_heads=heads,
            window_size=[WINDOW, WINDOW],
            stochastic_depth_prob=drop_path,
            num_classes=classes,
            block=swin.SwinTransformerBlockV2,
            downsample_layer=swin.PatchMergingV2,
        )
        backbone.features[0][0] = nn.Conv2d(channels, width, PATCH, PATCH)
        widths = [width * 2**stage for stage in range(len(depths))]
        self.backbone = nn.ModuleDict({"backbone": backbone})
        pyramid = nn.ModuleDict({"fpn": ops.FeaturePyramidNetwork(widths, PYRAMID)})
        self.intermediates = nn.ModuleList([pyramid, nn.ModuleDict({"layers": upsampling()})])

    def stages(self, image: Tensor) -> dict[str, Tensor]:
        """Features (B, width * 2**i, H / 2**(2 + i), W / 2**(2 + i)) of the four stages i, finest first."""
        found, x = {}, image
        for index, layer in enumerate(self.backbone["backbone"].features):  # type: ignore[arg-type]
            x = layer(x)
            if index % 2:
                found[str(index)] = x.permute(0, 3, 1, 2)
        return found

    def forward(self, image: Tensor) -> Tensor:
        """Features (B, 128, H, W) of an image (B, C, H, W); edges are padded with zeros to whole patches."""
        height, width = image.shape[2:]
        padded = nn.functional.pad(image, (0, -width % PATCH, 0, -height % PATCH))
        pyramid, upsample = self.intermediates
        finest = next(iter(pyramid["fpn"](self.stages(padded)).values()))  # type: ignore[index]
        features: Tensor = upsample["layers"](finest)  # type: ignore[index]
        return features[:, :, :height, :width]


def upsampling() -> nn.Sequential:
    """Two doublings that undo the patches of 4 pixels."""
    return nn.Sequential(doubling(PYRAMID), doubling(PYRAMID))


def doubling(width: int) -> nn.Sequential:
    """Twice the pixels along each axis, of `width` channels."""
    convolution = nn.Conv2d(width, width, 3, padding=1)
    return nn.Sequential(convolution, nn.ReLU(), nn.ConvTranspose2d(width, width, 4, 2, 1), nn.ReLU())


def load_checkpoint(net: nn.Module, file: str) -> str:
    """Load published weights into `net`, every key of it, and say what was loaded; nothing when no file is named.

    The published files differ in three harmless ways, which are undone: models of several images have one more
    `backbone.` in front, old ones lack a `.0` in the pyramid's names, and all end with heads of their own tasks.
    Files without any up-sampling stage leave it at random weights.

    Raises:
        UserError: no such file, not a file of weights, or a key missing, unexpected or of another shape.
    """
    if not file:
        return ""
    path, wanted, upsample = Path(file), net.state_dict(), "up-sampling included"
    state = published_names(read_weights(path))
    if not any(name.startswith("intermediates.1.") for name in state):
        state |= {name: value for name, value in wanted.items() if name.startswith("intermediates.1.")}
        upsample = "up-sampling random"
    for name, value in wanted.items():
        if name not in state:
            raise UserError(f"{path} lacks {name}, which this size and these bands have")
        if state[name].shape != value.shape:
            raise UserError(f"{path}: {name} has shape {tuple(state[name].shape)}, expected {tuple(value.shape)}")
    for name in state:
        if name not in wanted:
            raise UserError(f"{path} has {name}, which this size does not")
    net.load_state_dict(state)
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return f"weights of {path.name} (sha256 {digest[:12]}), {upsample}"


def read_weights(path: Path) -> dict[str, Tensor]:
    """A state dict from a .pth file, without running any code in it."""
    if not path.is_file():
        raise UserError(
            f"{path} does not exist: methods.satlas-full-size.options must name a file of published weights"
        )
    try:
        state = torch.load(path, "cpu", weights_only=True)
    except Exception as error:  # half a dozen types for a damaged file
        raise UserError(f"{path} is not a file of weights: {str(error).splitlines()[0]}") from None
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise UserError(f"{path} holds no state dict: names with one tensor each")
    return state


def published_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The state dict under the names of `SatlasNet`, without heads."""
    renamed = {}
    for name, value in state.items():
        if name.startswith("heads."):
            continue
        if name.startswith("backbone.backbone.backbone."):
            name = name.removeprefix("backbone.")
        parts = name.split(".")
        if "fpn" in parts and len(parts) == 6:  # intermediates.0.fpn.inner_blocks.2.weight
            parts.insert(5, "0")
        renamed[".".join(parts)] = value
    return renamed
