"""Turn a report of `pip install --dry-run` into a lock file: every package with its version, one a line.

Without local build tags, and without the CUDA packages that torch pins itself where its wheel needs them.
"""

import json
import sys
from pathlib import Path

PINNED_BY_TORCH = ("cuda-", "nvidia-", "triton")


def main() -> None:
    """Read the report that is named first; write the lock to standard output."""
    found = [entry["metadata"] for entry in json.loads(Path(sys.argv[1]).read_text())["install"]]
    pins = {entry["name"]: entry["version"].partition("+")[0] for entry in found if entry["name"] != "anyband"}
    version = ".".join(map(str, sys.version_info[:2]))
    sys.stdout.write(f"# The default environment for Python {version}. Made by `make lock` from pyproject.toml.\n")
    for name in sorted(pins, key=str.lower):
        if not name.startswith(PINNED_BY_TORCH):
            sys.stdout.write(f"{name}=={pins[name]}\n")


if __name__ == "__main__":
    main()
