"""The shared decoder: cell context and fine features meet on the query grid and become class logits."""

from torch import Tensor, nn

from anyband.models.core.feature_maps import upsample_cells
from anyband.models.core.layers import convolution, linear
from anyband.observation import QueryGrid


class Decoder(nn.Module):
    """Up-sampled cells plus fine features, residual convolutions on the query grid, one linear head.

    No normalisation here: the fine features carry absolute radiometry past the trunk's layer norms.
    """

    def __init__(self, dim: int, fine: int, depth: int, classes: int, cell_m: float) -> None:
        """`dim` channels of the trunk and `fine` channels of the front end give `classes` logits."""
        super().__init__()
        self.cell_m = cell_m
        self.context = linear(dim, fine)
        self.convolutions = nn.ModuleList(convolution(fine, gain=0.2) for _ in range(depth))
        self.head = linear(fine, classes, gain=0.1)

    def forward(self, cells: Tensor, fine: Tensor, query: QueryGrid) -> Tensor:
        """Logits (B, classes, H, W) from cells (B, Hc, Wc, D) and fine features (B, H, W, F)."""
        x = fine + upsample_cells(self.context(cells), self.cell_m, query)
        x = x.permute(0, 3, 1, 2)  # a channels-last view, which the convolutions keep
        for layer in self.convolutions:
            x = x + layer(nn.functional.relu(x))
        logits: Tensor = self.head(nn.functional.relu(x).permute(0, 2, 3, 1))
        return logits.permute(0, 3, 1, 2)
