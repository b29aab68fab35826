"""Prose, links and versions of what people read first, and the site."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import pytest

from anyband import __version__
from docs.followed import blocks
from unit.report.browser import CHROMIUM, visit

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *(page for page in ROOT.glob("docs/**/*.md") if page.name != "protocol.md")]
SEARCHES = {
    "add a sensor": "extending.html",
    "add a catalogue": "extending.html",
    "add a method": "extending.html",
    "change the loss": "tutorials/new-method.html",
    "change the chip size": "extending.html",
    "add a metric to the report": "extending.html",
    "add a table": "extending.html",
    "change the palette": "extending.html",
    "fault storm test": "extending.html",
    "predict a local GeoTIFF": "predict.html",
}


def prose(page):
    """Lines that a person wrote as text: no tables, code, addresses or generated blocks."""
    text = re.sub(
        r"^```.*?^```$|^ {4,}\S.*?$|<!-- realism: begin.*?realism: end -->", "", page.read_text(), flags=re.M | re.S
    )
    return [line for line in text.splitlines() if not line.startswith(("|", "#", "<"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_lines_of_prose_have_at_most_120_columns(page):
    assert not [line for line in prose(page) if len(line) > 120 and " " in line.strip()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_files_that_a_page_names_exist(page):
    """But for those that a tutorial writes."""
    named = re.findall(r"`((?:src|tests|workflow|tools|benchmarks|envs|docs)/[\w./-]+\w)`", page.read_text())
    written = {title.split(", ")[0] for _, title, _ in blocks(page)} | {"workflow/profiles/mine/profile.yaml"}
    assert not [name for name in named if not (ROOT / name).exists() and name not in written]


def test_readme_is_short_and_leads_to_files_that_exist():
    text = (ROOT / "README.md").read_text()
    assert len(text.split()) < 900
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md"):
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
            assert (ROOT / target).is_file(), f"{page.name} leads to {target}"


def test_the_version_of_the_code_has_its_changes():
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, built with a proxy that leads nowhere."""
    pytest.importorskip("mkdocs")
    folder = tmp_path_factory.mktemp("site")
    nowhere = dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9")
    command = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--config-file",
        str(ROOT / "mkdocs.yml"),
        "--site-dir",
        str(folder),
    ]
    done = subprocess.run(
        command, env=os.environ | nowhere | {"NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True
    )
    assert done.returncode == 0 and "WARNING" not in done.stderr, done.stderr[-3000:]
    return folder


@pytest.mark.slow
def test_pages_load_nothing_from_elsewhere(site):
    loaded = r"""<(?:script|img|link|iframe)\b[^>]*?(?:src|href)=["']?(https?:[^"'> ]+)"""
    for page in site.rglob("*.html"):
        if page.parent.name != "report":
            assert not re.findall(loaded, page.read_text()), page


SHOWN = """new Promise((done) => {
    const found = () => [...document.querySelectorAll(".md-search-result__item > a")].map((link) => link.href);
    const looked = setInterval(() => found().length && (clearInterval(looked), done(found().slice(0, 3))), 100);
    setTimeout(() => done(found()), 20000);
})"""


@dataclass
class Asked:
    """A page of the site, opened with words in its search field."""

    page: Path
    words: str

    def resolve(self):
        return self

    def as_uri(self):
        return f"{self.page.as_uri()}?{urlencode({'q': self.words})}"


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
@pytest.mark.parametrize("words", SEARCHES)
def test_one_search_answers_each_usual_request(words, site):
    """The page is among the first three that the search shows, opened from the disk and without a network."""
    seen = visit(Asked(site / "index.html", words), 1280, {"found": SHOWN})
    pages = [Path(address.split("#")[0].split("?")[0].removeprefix("file://")) for address in seen.values["found"]]
    assert site / SEARCHES[words] in pages
    assert all(address.startswith(("file:", "about:", "data:")) for address in seen.requests)
    assert not seen.errors


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
@pytest.mark.parametrize("page", ["index.html", "reference/configuration.html", "gallery.html", "predict.html"])
def test_a_page_is_no_wider_than_a_phone(page, site):
    seen = visit(site / page, 390, {"wide": "document.documentElement.scrollWidth"})
    assert seen.values["wide"] <= 390
