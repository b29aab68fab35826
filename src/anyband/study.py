"""A study: a folder of its own, in which the workflow runs from the installed package."""

import shutil
from pathlib import Path

from anyband.config.document import documented_yaml
from anyband.runtime import UserError, write_text

WORKFLOW = Path(__file__).parent / "workflow"
SNAKEFILE = str(WORKFLOW / "Snakefile")
"""The rules, for `include:` and for `module`."""

COPIED = ("presets", "profiles", "sites")

OWN_SNAKEFILE = """\
# A study with anyband: settings are in config.yaml, the rules are those of the installed package.
from anyband.study import SNAKEFILE


include: SNAKEFILE


# An include does not bring its default target along.
workflow.default_target = "all"
"""


def make_study(folder: Path) -> None:
    """Write a configuration with all defaults, a Snakefile, and copies of the presets, profiles and tables of sites.

    Args:
        folder: a new or an empty one.

    Raises:
        UserError: the folder has something in it, or is a file.
    """
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise UserError(f"{folder} is not empty: name a new folder")
    for name in COPIED:
        shutil.copytree(WORKFLOW / name, folder / "workflow" / name)
    write_text(folder / "config.yaml", documented_yaml())
    write_text(folder / "Snakefile", OWN_SNAKEFILE)
