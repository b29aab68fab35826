"""Published weights of SatlasPretrain: reading a file, undoing harmless differences of names, loading every key."""

import hashlib
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from anyband.runtime import UserError


def load_checkpoint(net: nn.Module, path: Path) -> str:
    """Load published weights into `net`, every key of it, and say what was loaded.

    The published files differ in three harmless ways, which are undone: models of several images have one more
    `backbone.` in front, old ones lack a `.0` in the pyramid's names, and all end with heads of their own tasks.
    Files without any up-sampling stage leave it at random weights.

    Raises:
        UserError: no such file, not a file of weights, or a key missing, unexpected or of another shape.
    """
    state = published_names(read_weights(path))
    upsample = "up-sampling included"
    wanted = net.state_dict()
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
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return f"weights of {path.name} (sha256 {digest[:12]}), {upsample}"


def read_weights(path: Path) -> dict[str, Tensor]:
    """A state dict from .pth or .safetensors, without running any code in the file."""
    if not path.is_file():
        raise UserError(f"{path} does not exist: methods.satlas.options must name a file of published weights")
    try:
        state = load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True)
    except Exception as error:  # the two readers raise half a dozen types for a damaged file
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
