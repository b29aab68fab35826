"""The architecture of SatlasPretrain at the size of the other methods, trained from scratch like them.

Bastani et al., "SatlasPretrain: a large-scale dataset for remote sensing image understanding", ICCV 2023
(arXiv 2211.15660); `satlas.py` has the network as published, with its sources.

Taken over: Swin-v2 (Liu et al. 2022, arXiv 2111.09883) on patches of pixels of 10 m, windows of 8, a feature pyramid
(Lin et al. 2017, arXiv 1612.03144), doubling back to one feature vector per pixel, a linear head; the bands of
Sentinel-2 in the published order of the nine-channel model, those of Landsat in that of the bands B1 to B7 and B10; of
several images of one place, each map of the backbone is max-pooled before the pyramid.
Different, to fit the size of the other methods, a two-hundredth, and what all of them share: three stages instead of
four, and patches of 2 pixels instead of 4, of which 16 channels would keep too little; both sensors share all but the
patch embedding, or each would have half of the size; bands are standardised and whitened instead of scaled as
published, which is what published weights want; layers start as those of other methods; Landsat's panchromatic, cirrus
and second thermal band, which Level-2 lacks, are left out instead of stood for.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from anyband.models.core.band_stack import BandStack, on_stack_grid, stack_grid
from anyband.models.core.method import Method, Options
from anyband.models.core.network import linear
from anyband.models.core.normalisation import Statistics
from anyband.models.rivals.satlas import LANDSAT_BANDS, SENTINEL2_BANDS, WINDOW, doubling, torchvision_modules
from anyband.observation import Observation, QueryGrid

PATCH = 2
ORDER = {"sentinel2": SENTINEL2_BANDS, "landsat": (*LANDSAT_BANDS, "lwir11")}


@dataclass(frozen=True)
class SmallSatlasOptions(Options):
    """Sizes; those of the shared trunk and decoder have no effect.

    Attributes:
        width: channels of the first stage; each further one has twice as many.
        pyramid: channels of the feature pyramid and of what follows.
    """

    width: int = 16
    pyramid: int = 25


class SmallSatlas(Method):
    """Swin-v2 with a feature pyramid; with both sensors at hand the maps of its stages are max-pooled."""

    label = "Satlas, small"
    role = "baseline"
    family = "foundation model, from scratch"
    colours = ("#1858fd", "#907f71")
    marker = "*"
    cite = "bastani2023"
    needs = "torchvision"
    options_type = SmallSatlasOptions
    options: SmallSatlasOptions

    def __init__(self, options: SmallSatlasOptions, statistics: Statistics, classes: int) -> None:
        """Random weights.

        Raises:
            UserError: torchvision is not there.
        """
        super().__init__(options, statistics, classes)
        swin, ops = torchvision_modules()
        width, known = options.width, [p for p in self.products if p in self.training_products]
        stacks = {p: BandStack((p,), statistics, whiten=options.whiten, only=ORDER) for p in known}
        self.stacks = nn.ModuleDict(stacks)
        self.patches = nn.ModuleDict({p: nn.Conv2d(stacks[p].channels, width, PATCH, PATCH) for p in known})
        backbone = swin.SwinTransformer(
            patch_size=[PATCH, PATCH],
            embed_dim=width,
            depths=[1, 1, 1],
            num_heads=[1, 2, 4],
            window_size=[WINDOW, WINDOW],
            stochastic_depth_prob=0.0,
            block=swin.SwinTransformerBlockV2,
            downsample_layer=swin.PatchMergingV2,
        )
        self.norm, self.stages = backbone.features[0][2], backbone.features[1:]
        self.pyramid = ops.FeaturePyramidNetwork([width * 2**stage for stage in range(3)], options.pyramid)
        self.upsample = doubling(options.pyramid)
        self.apply(start)
        self.head = linear(options.pyramid, classes, gain=0.1)

    def forward(self, observation: Observation, query: QueryGrid) -> Tensor:
        """Logits (B, classes, H, W) on the query grid."""
        grid = stack_grid(query)
        maps = [self.backbone(p, *self.stacks[p](observation, query)) for p in self.patches if observation.of(p)]
        pooled = [torch.stack(stage).amax(dim=0) for stage in zip(*maps, strict=True)]
        pyramid = self.pyramid({str(i): stage.masked_fill(stage.isinf(), 0.0) for i, stage in enumerate(pooled)})
        features = self.upsample(pyramid["0"])[:, :, : grid.height, : grid.width].permute(0, 2, 3, 1)
        read, _ = on_stack_grid(features).read(query, linear=True)
        logits: Tensor = self.head(read)
        return logits.permute(0, 3, 1, 2)

    def backbone(self, product: str, image: Tensor, weight: Tensor) -> list[Tensor]:
        """Features (B, width * 2**i, H / 2**(1 + i), W / 2**(1 + i)) of stages i, minus infinity where unseen.

        Args:
            product: whose patch embedding is used.
            image: stack (B, H, W, C).
            weight: 1 where it was seen, else 0, (B, H, W, 1).
        """
        sides = (0, -image.shape[2] % PATCH, 0, -image.shape[1] % PATCH)
        image, seen = (nn.functional.pad(part.permute(0, 3, 1, 2), sides) for part in (image, weight))
        seen = nn.functional.max_pool2d(seen, PATCH)
        x, found = self.norm(self.patches[product](image).permute(0, 2, 3, 1)), []
        for number, layer in enumerate(self.stages):
            x = layer(x)
            if number % 2:
                seen = nn.functional.max_pool2d(seen, 2, ceil_mode=True)
            else:
                found.append(x.permute(0, 3, 1, 2).masked_fill(seen == 0, -torch.inf))
        return found


def start(layer: nn.Module) -> None:
    """Give a layer the start at the scale of one that the layers of all methods have (`core.network`).

    Layers without a bias keep theirs: a norm follows, or they tell positions, evenly at first.
    """
    if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d) and layer.bias is not None:
        nn.init.kaiming_normal_(layer.weight)
        nn.init.zeros_(layer.bias)
        if isinstance(layer, nn.ConvTranspose2d):
            layer.weight.data.mul_(2)  # of its 16 weights, 4 meet in a pixel
