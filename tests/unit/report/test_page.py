"""The page in a real browser, and what it must not contain."""

import re

import pytest

from unit.report.browser import CHROMIUM, visit

WIDTH = {
    "page": "document.documentElement.scrollWidth",
    "tall": "document.documentElement.scrollHeight",
    "cut": "[...document.querySelectorAll('figure.graphic svg, img, p, h1, h2')]"
    ".filter(e => e.offsetParent !== null && e.getBoundingClientRect().right > innerWidth + 1).length",
}
CONTRAST = """
(() => {
  const level = (c) => c.map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const rgb = (text) => text.match(/[\\d.]+/g).slice(0, 3).map(Number);
  const paper = level(rgb(getComputedStyle(document.body).backgroundColor));
  const worst = [...document.querySelectorAll('p, td, th, small, figcaption, a')].map(e => {
    const ink = level(rgb(getComputedStyle(e).color));
    return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
  });
  return Math.min(...worst);
})()
"""
SORT = """
(() => {
  const table = document.querySelector('#main-cost table');
  const button = table.tHead.rows[0].cells[1].querySelector('button');
  button.click(); button.click();
  return [...table.tBodies[0].rows].map(row => row.cells[0].innerText.trim());
})()
"""
HIDDEN = "[...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth + 1)"
HIDDEN += ".map(e => e.parentElement.id).join()"

browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


def test_page_is_one_small_file_without_foreign_urls(unseen):
    html = unseen[0].read_text()
    assert len(html.encode()) < 8_000_000
    assert not re.search(r"""(?:src|href|action|data|poster)\s*=\s*["'](?!#|data:)""", html)
    assert not re.search(r"url\((?!#)|@import|fetch\(|XMLHttpRequest|import\(", html)


def test_every_picture_has_words_for_it(unseen):
    html = unseen[0].read_text()
    assert all('alt="' in tag for tag in re.findall(r"<img[^>]*>", html))
    graphics = re.findall(r"<svg[^>]*>", html)
    assert all("aria-label=" in tag or 'aria-hidden="true"' in tag for tag in graphics)
    identifiers = re.findall(r' id="([^"]+)"', html)
    assert len(identifiers) == len(set(identifiers))


def test_headings_never_skip_a_level(unseen):
    levels = [int(level) for level in re.findall(r"<h(\d)", unseen[0].read_text())]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(levels, levels[1:], strict=False))


@browser
@pytest.mark.parametrize(("width", "dark", "media"), [(390, True, ""), (1280, False, ""), (688, True, "print")])
def test_page_opens_without_requests_errors_or_overflow(unseen, width, dark, media):
    page, scripts = unseen[0], WIDTH | {"contrast": CONTRAST}
    seen = visit(
        page, width, scripts | ({"hidden": HIDDEN, "order": SORT} if width == 1280 else {}), dark=dark, media=media
    )
    assert seen.errors == []
    assert [url for url in seen.requests if not url.startswith("data:")] == [page.resolve().as_uri()]
    assert seen.values["page"] <= width
    assert seen.values["cut"] == 0
    assert seen.values["contrast"] >= 4.5
    assert seen.values["tall"] > 3000
    if width == 1280:
        assert seen.values["hidden"] == "", "tables that do not show all their columns on a desktop"
        assert seen.values["order"][-1] == "anyband without Landsat", "1.09 M parameters come after 943 k"


@browser
def test_every_table_of_the_default_comparison_shows_all_its_columns_on_a_desktop(report):
    assert visit(report[0], 1280, {"hidden": HIDDEN}).values["hidden"] == ""


@browser
def test_page_is_readable_without_javascript(unseen):
    assert visit(unseen[0], 390, {}, script_off=True).errors == []
