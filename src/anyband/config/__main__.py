"""`python -m anyband.config` rewrites all files that repeat the models of the configuration, or the version."""

import re
import sys
from pathlib import Path

from anyband import __version__
from anyband.config.document import configuration_page, documented_yaml, schema_json
from anyband.runtime import write_text

VERSIONS = {
    "CITATION.cff": r"(?<=^version: ).+$",
    "workflow/profiles/kubernetes/profile.yaml": r"(?<=^container-image: ghcr.io/anyband/anyband:).+$",
}
"""Files that name the version, and where; all else reads it from the package."""


def generated(root: Path) -> dict[str, str]:
    """Contents of the generated files by their names under the repository's root."""
    files = {
        "config.yaml": documented_yaml(),
        "config/README.md": configuration_page(),
        "workflow/schemas/config.schema.json": schema_json(),
    }
    versions = {
        name: re.sub(pattern, __version__, (root / name).read_text(encoding="utf-8"), flags=re.M)
        for name, pattern in VERSIONS.items()
    }
    return files | versions


def main() -> None:
    """Rewrite the generated files under the repository's root."""
    root = Path(__file__).parents[3]
    for name, text in generated(root).items():
        sys.stderr.write(f"{'written' if write_text(root / name, text) else 'unchanged'}: {name}\n")


if __name__ == "__main__":
    main()
