import yaml

from anyband import config
from anyband.models.registry import MODELS


def test_the_preset_adds_one_comparison_with_the_settings_of_the_main_one(root):
    default, preset = (yaml.safe_load((root / p).read_text()) for p in ("config.yaml", "workflow/presets/rivals.yaml"))
    settings = config.load(config.merge(default, preset))
    rivals, main = settings.experiments["rivals"], settings.experiments["main"]
    assert rivals.dataset == "main"
    assert rivals.training == main.training
    assert rivals.seeds == main.seeds
    assert rivals.conditions == main.conditions
    styles = {name for name in MODELS if name.endswith("-style")}
    assert set(rivals.methods) == styles | {"anyband", "input-fusion"}
    assert all(settings.methods[name].model == name and not settings.methods[name].options for name in styles)
