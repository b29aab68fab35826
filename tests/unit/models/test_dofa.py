import torch

from anyband.models.rivals.dofa import Dofa, DofaOptions, KernelGenerator
from anyband.observation import Observation, QueryGrid

QUERY = QueryGrid(10.0, 24, 24)
S2_NM = torch.tensor([[492.0, 560.0, 665.0, 833.0]])


def generator() -> KernelGenerator:
    torch.manual_seed(0)
    made = KernelGenerator(12, 24, 4)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return made.double().eval()


def test_kernels_depend_on_wavelength_smoothly():
    """A tenth of a nanometre moves a kernel little, and in proportion; 50 nm move it a lot."""
    make = generator().float()

    def change(nm: float) -> float:
        moved = S2_NM + torch.tensor([0.0, 0.0, nm, 0.0])
        return (make(moved)[0] - make(S2_NM)[0])[0, 2].norm().item()

    assert 1.5 < change(0.02) / change(0.01) < 2.5
    assert change(0.01) < 0.05 * change(50.0)


def test_a_kernel_belongs_to_its_wavelength_not_to_its_place():
    make, order = generator().float(), [2, 0, 3, 1]
    kernel, bias = make(S2_NM)
    shuffled, same_bias = make(S2_NM[:, order])
    assert torch.allclose(shuffled, kernel[:, order], atol=1e-5)
    assert torch.allclose(same_bias, bias, atol=1e-5)


def test_kernels_know_which_other_bands_are_there():
    make = generator().float()
    assert not torch.allclose(make(S2_NM)[0][:, :3], make(S2_NM[:, :3])[0], atol=1e-4)


def test_features_are_the_mean_of_weighted_bands(statistics, small, observe):
    """The same bands twice are no stronger signal: with kernels that ignore the set, the cells stay as they are."""
    torch.manual_seed(0)
    # A fresh layer hands its tokens on, and a band that is there twice has no place in the map of its product.
    model = Dofa(DofaOptions(**small, features=12, whiten=False), statistics, 4).eval()
    group = observe(("landsat",)).groups[0]
    twice = group.select_bands(tuple(range(7)) * 2)
    once, _ = model.encode(Observation((group,)), QUERY)
    doubled, _ = model.encode(Observation((twice,)), QUERY)
    assert torch.allclose(once, doubled, atol=1e-4)
