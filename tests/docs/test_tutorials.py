"""Every tutorial of the site, followed word for word, ends as it says."""

from pathlib import Path

import pytest

from docs.followed import blocks, copy_repository, follow

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted((DOCS / "tutorials").glob("*.md"))


def test_the_followed_pages_are_those_of_the_site(root):
    navigation = (root / "mkdocs.yml").read_text()
    assert all(f"tutorials/{page.name}" in navigation for page in PAGES)
    assert all(any(language == "sh" for language, _, _ in blocks(page)) for page in PAGES)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_tutorial(page, study):
    follow(page, study)


def test_a_file_is_written_lines_are_added_and_output_is_compared(root, tmp_path):
    page, folder = tmp_path / "page.md", tmp_path / "study"
    folder.mkdir()
    fence = "```"
    page.write_text(
        f'{fence}yaml title="a/b.yaml"\none: 1\nthree: 3\n{fence}\n\n{fence}yaml title="a/b.yaml, after: one"\n'
        f"two: 2\n{fence}\n\n{fence}sh\ncat a/b.yaml\n{fence}\n\n{fence}text\none: 1\ntwo...3\n{fence}\n"
    )
    follow(page, folder)
    page.write_text(page.read_text().replace("two...3", "four"))
    with pytest.raises(AssertionError, match="page.md promises"):
        follow(page, folder)


def test_a_copy_has_what_a_run_needs(root, tmp_path):
    folder = copy_repository(root, tmp_path / "copy")
    assert (folder / "workflow/rules/common.smk").is_file() and (folder / "src/anyband/cli.py").is_file()
