"""Snakemake's own report of a finished run: made offline, with the files that the rules register."""

import json
import re

from tiny_workflow import snakemake

NOWHERE = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9", "no_proxy": ""}
"""Every request to the network fails at once."""


def test_snakemake_report_holds_page_figures_and_tables_and_needs_no_network(tiny_run, tmp_path):
    out = tmp_path / "workflow.html"
    done = snakemake(tiny_run.arguments("--report", str(out)), tiny_run.folder, **NOWHERE)
    assert done.returncode == 0, done.stderr[-2000:]
    html = out.read_text()
    assert not re.search(r"""<(?:script|link|img)[^>]*\s(?:src|href)=["']?https?://""", html)
    data = tiny_run.folder / "results/report_data"
    registered = ["report.html", *(f"report_data/{path.relative_to(data)}" for path in (
        *data.glob("figures/*.svg"), *data.glob("tables/*.csv")))]  # fmt: skip
    assert len(registered) > 10
    for name in registered:
        assert name.split("/")[-1].rsplit(".", 1)[0] in html, name
    menu = json.loads(re.search(r"var categories = ({.*});?$", html, re.M)[1])
    files = [f"results/runs/main/anyband/seed-0/{name}" for name in ("cost.json", "history.csv")]
    assert sorted(menu["Methods"]["anyband"]) == files and set(menu["Methods"]) == {"s2-only", "anyband"}
    assert re.search(r'"name": "main-forest",\s*"kind": "figures"', html)
    for caption in ("who wins, by how much, how sure", "with PDF and LaTeX beside it", "how its files were made"):
        assert caption in html
