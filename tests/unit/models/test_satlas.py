import sys
from pathlib import Path

import pytest
import torch

from anyband.evaluation.evaluate_run import parameters
from anyband.models.core.storage import Recipe, build, load, save
from anyband.models.rivals import satlas
from anyband.models.rivals.satlas import SIZES, SatlasNet, landsat_channels, sentinel2_channels
from anyband.observation import Observation, QueryGrid
from anyband.runtime import UserError

QUERY = QueryGrid(10.0, 24, 24)
CI = {"size": "ci"}


@pytest.fixture
def make(statistics):
    def build_one(**options):
        torch.manual_seed(0)
        return build("satlas-full-size", CI | options, statistics, 4).eval()

    return build_one


@pytest.fixture
def checkpoints(tmp_path) -> dict[str, str]:
    """Files as published: names of the training code, with a head; multi-image and old names for Landsat."""
    torch.manual_seed(1)
    sentinel2 = SatlasNet(9, SIZES["ci"]).state_dict() | {"heads.0.layers.0.weight": torch.zeros(2)}
    landsat = {
        ("backbone." + n if n.startswith("backbone.") else n.replace("blocks.0.0", "blocks.0")): v
        for n, v in SatlasNet(11, SIZES["ci"]).state_dict().items()
        if not n.startswith("intermediates.1.")
    }
    torch.save(sentinel2, tmp_path / "s2.pth")
    torch.save(landsat, tmp_path / "landsat.pth")
    return {"checkpoint": str(tmp_path / "s2.pth"), "checkpoint_landsat": str(tmp_path / "landsat.pth")}


@pytest.mark.parametrize(("size", "channels"), [("t", 9), ("b", 11)])
def test_names_and_shapes_are_the_published_ones(size, channels):
    # Written by torchvision 0.28 (swin_v2, FeaturePyramidNetwork) under the prefixes of allenai/satlas model.py.
    lines = (Path(__file__).parent / f"satlas_swin_{size}.txt").read_text().splitlines()
    published = {name: tuple(int(n) for n in shape.split("x")) for name, shape in (line.split() for line in lines)}
    with torch.device("meta"):
        own = SatlasNet(channels, SIZES[size]).state_dict()
    assert {name: tuple(value.shape) for name, value in own.items()} == published


def test_the_forward_pass_is_the_published_one():
    # Recorded from swin_v2_t of torchvision 0.28 with every parameter set by `pattern` and the image below: mean and
    # root mean square of each stage; the last from the pyramid and the up-sampling on top.
    recorded = [
        *((0.1322432, 0.6186198), (0.0257053, 0.6347405), (0.0045000, 1.6768323), (0.0090038, 0.6121647)),
        (12.2789638, 25.4766536),
    ]
    net = SatlasNet(3, SIZES["t"]).eval()
    with torch.no_grad():
        for part in (net.backbone, net.intermediates):
            for parameter in part.parameters():
                parameter.copy_(pattern(parameter.shape))
        image = pattern((1, 3, 72, 128)) * 5
        found = [*net.stages(image).values(), net(image)]
    for stage, (mean, square) in zip(found, recorded, strict=True):
        assert float(stage.double().mean()) == pytest.approx(mean, rel=1e-5, abs=1e-5)
        assert float(stage.double().square().mean().sqrt()) == pytest.approx(square, rel=1e-4)


def pattern(shape) -> torch.Tensor:
    """Reproducible numbers of about 0.1 without any random generator."""
    count = torch.arange(torch.Size(shape).numel(), dtype=torch.float64)
    return (0.15 * torch.sin(count * 0.618 + 0.3 * count.sqrt())).float().reshape(shape)


def test_without_torchvision_it_is_one_line(make, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("torchvision")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(UserError, match=r"satlas needs torchvision: pip install 'anyband\[models\]'"):
        make()


@pytest.mark.parametrize("query", [QueryGrid(10.0, 22, 18), QueryGrid(20.0, 12, 12)])
def test_any_query_grid_is_answered(query, make, observe):
    assert make()(observe(), query).shape == (2, 4, query.height, query.width)


def test_sentinel2_scaling_and_order_are_as_published():
    names = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12")
    values = {name: torch.full((1, 1, 1), 0.01 * i) for i, name in enumerate(names, start=1)}
    scaled = sentinel2_channels(values).flatten()
    assert scaled[:3].tolist() == pytest.approx([0.04 / 0.3558, 0.03 / 0.3558, 0.02 / 0.3558])
    assert scaled[3:].tolist() == pytest.approx([i * 100 / 8160 for i in (5, 6, 7, 8, 11, 12)])
    bright = {name: torch.full((1, 1, 1), 0.9) for name in names}
    assert (sentinel2_channels(bright) == 1).all()


def test_landsat_scaling_and_order_are_as_published(monkeypatch):
    monkeypatch.setattr(satlas, "SUN_ELEVATION", 30.0)
    names = ("coastal", "blue", "green", "red", "nir08", "swir16", "swir22")
    values = {name: torch.full((1, 1, 1), 0.1 * i) for i, name in enumerate(names, start=1)}
    scaled = landsat_channels(values).flatten().tolist()

    def level1(reflectance):
        return min(((reflectance * 0.5 + 0.1) / 2e-5 - 4000) / 16320, 1.0)

    assert scaled[:7] == pytest.approx([level1(0.1 * i) for i in range(1, 8)])
    assert scaled[7:9] == pytest.approx([level1(0.35), 1000 / 16320])  # panchromatic, cirrus
    assert scaled[9:] == [0, 0]
    # Landsat 8 band 10 at 270 K: 774.8853 / (exp(1321.0789 / 270) - 1) = 5.8557, (5.8557 - 0.1) / 3.342e-4 = 17222.
    warm = landsat_channels(values | {"lwir11": torch.full((1, 1, 1), 270.0)}).flatten().tolist()
    assert warm[9:] == pytest.approx([13222 / 16320] * 2, abs=1e-3)


@pytest.mark.parametrize(
    ("product", "kept", "missing"), [("landsat", (0, 1, 2), "red"), ("sentinel2", (0, 1, 2, 3), "B05")]
)
def test_a_missing_band_is_named(product, kept, missing, make, observe):
    poor = Observation((observe((product,)).of(product)[0].select_bands(kept),))
    with pytest.raises(UserError, match=f"{product} lacks band {missing}"):
        make()(poor, QUERY)


def test_published_files_load_and_are_told(make, checkpoints, observe):
    assert make().prepare() == "sentinel2: random weights; landsat: random weights"
    model = make(**checkpoints)
    note = model.prepare()
    assert "sentinel2: weights of s2.pth (sha256 " in note
    assert note.endswith("up-sampling random")
    state = torch.load(checkpoints["checkpoint"], weights_only=True)
    for name, value in model.nets["sentinel2"].state_dict().items():
        assert torch.equal(value, state[name])
    loaded = model.nets["landsat"].backbone["backbone"].features[0][0].weight
    assert torch.equal(
        loaded, torch.load(checkpoints["checkpoint_landsat"])["backbone.backbone.backbone.features.0.0.weight"]
    )


def drop_key(state):
    del state["backbone.backbone.features.1.0.attn.qkv.weight"]


def add_key(state):
    state["backbone.backbone.features.9.weight"] = torch.zeros(1)


def change_shape(state):
    state["backbone.backbone.features.0.0.weight"] = torch.zeros(8, 3, 4, 4)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (drop_key, r"s2.pth lacks backbone.backbone.features.1.0.attn.qkv.weight"),
        (add_key, r"s2.pth has backbone.backbone.features.9.weight"),
        (change_shape, r"features.0.0.weight has shape \(8, 3, 4, 4\), expected \(8, 9, 4, 4\)"),
    ],
)
def test_a_file_of_another_model_is_refused_with_the_first_key(spoil, message, make, checkpoints):
    state = torch.load(checkpoints["checkpoint"], weights_only=True)
    spoil(state)
    torch.save(state, checkpoints["checkpoint"])
    with pytest.raises(UserError, match=message) as caught:
        make(**checkpoints).prepare()
    assert "\n" not in str(caught.value)


def test_a_missing_or_damaged_file_is_one_line(make, tmp_path):
    with pytest.raises(UserError, match="none.pth does not exist"):
        make(checkpoint=str(tmp_path / "none.pth")).prepare()
    (tmp_path / "bad.pth").write_bytes(b"not weights")
    with pytest.raises(UserError, match="is not a file of weights") as caught:
        make(checkpoint=str(tmp_path / "bad.pth")).prepare()
    assert "\n" not in str(caught.value)


def test_an_unknown_size_is_named(make):
    with pytest.raises(UserError, match="'large' does not exist; known: t, b, ci"):
        make(size="large")


def test_a_trained_model_needs_its_checkpoint_no_longer(tmp_path, statistics, checkpoints, make, observe):
    options = CI | checkpoints
    recipe = Recipe(
        "mine", "satlas-full-size", options, (1, 2, 3, 4), statistics.as_dict(), {}, 0, note="weights of s2.pth"
    )
    method = recipe.build().eval()
    save(tmp_path, recipe, method)
    Path(checkpoints["checkpoint"]).unlink()
    again, restored = load(tmp_path)
    assert again.note == "weights of s2.pth"
    assert torch.equal(method(observe(), QUERY), restored(observe(), QUERY))


def test_the_default_is_two_networks_of_the_tiny_size(statistics):
    with torch.device("meta"):
        count = parameters(build("satlas-full-size", {}, statistics, 8))
        each = sum(sum(p.numel() for p in SatlasNet(c, SIZES["t"]).parameters()) for c in (9, 11))
    assert count == each + 128 * 8 + 8
