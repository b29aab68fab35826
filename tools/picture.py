"""A picture of the top of a report, for a README.

    python -m tools.picture results/report.html docs/report.png

Needs a Chromium on the machine and no network. The picture is reduced to a palette that keeps rare colours, so that it
stays small in a repository and methods keep theirs.
"""

import argparse
import shutil
import subprocess
import tempfile
from pathlib import Path

from anyband.runtime import UserError, atomic_path, step_main

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
WIDTH, HEIGHT = 1280, 1640
COLOURS = 256


def take(page: Path, picture: Path) -> None:
    """Write the first screen of a page as PNG.

    Raises:
        UserError: no page, no browser, or the browser failed.
    """
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if not page.is_file():
        raise UserError(f"{page} does not exist: run the workflow first")
    if browser is None:
        raise UserError(f"no browser for the picture: install one of {', '.join(BROWSERS)}")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        raw = Path(folder) / "page.png"
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        command = [browser, *flags, f"--user-data-dir={folder}/profile", f"--window-size={WIDTH},{HEIGHT}",
                   f"--screenshot={raw}", page.resolve().as_uri()]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        if not raw.is_file():
            raise UserError(f"{browser} made no picture of {page}: {done.stderr.strip().splitlines()[-1:]}")
        _reduce(raw, picture)


def _reduce(raw: Path, picture: Path) -> None:
    from PIL import Image

    picture.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(raw) as image, atomic_path(picture) as temporary:
        image.convert("RGB").quantize(COLOURS, Image.Quantize.MAXCOVERAGE).save(temporary, format="PNG", optimize=True)


def main() -> None:
    """Take the picture that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", type=Path, help="the report")
    parser.add_argument("picture", type=Path, help="PNG to write")
    arguments = parser.parse_args()
    take(arguments.page, arguments.picture)


if __name__ == "__main__":
    step_main(main)
