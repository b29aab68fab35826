"""`python -m anyband.config` rewrites config.yaml and its schema from the models."""

import sys
from pathlib import Path

from anyband.config.document import documented_yaml, schema_json
from anyband.runtime import write_text


def main() -> None:
    """Rewrite the generated files under the repository's root."""
    root = Path(__file__).parents[3]
    targets = {root / "config.yaml": documented_yaml(), root / "workflow/schemas/config.schema.json": schema_json()}
    for path, text in targets.items():
        sys.stderr.write(f"{'written' if write_text(path, text) else 'unchanged'}: {path.relative_to(root)}\n")


if __name__ == "__main__":
    main()
