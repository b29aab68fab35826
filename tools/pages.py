"""Pages of the site that are made from the code and from a finished run, as a hook of mkdocs (see mkdocs.yml).

`make site` reads the run in `results`, or in the folder that the variable SITE_RESULTS names, if it is finished.
"""

import ast
import json
import os
import shutil
import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
RESULTS = ROOT / os.environ.get("SITE_RESULTS", "results")

API = {
    "chips": ("Chips and products", ["anyband", "anyband.products", "anyband.landcover", "anyband.ground"]),
    "sensors": ("Sensors and bands", ["anyband.sensors.band", "anyband.sensors.platforms"]),
    "observation": ("What a method sees", ["anyband.observation", "anyband.conditions"]),
    "methods": (
        "Methods",
        [
            "anyband.methods",
            "anyband.models.core.method",
            "anyband.models.core.network",
            "anyband.models.core.band_stack",
            "anyband.models.core.regrid",
            "anyband.models.core.normalisation",
            "anyband.models.core.storage",
        ],
    ),
    "scenes": ("Scenes and catalogues", ["anyband.providers", "anyband.catalog.items.acquisition"]),
    "statistics": ("Statistics", ["anyband.statistics.score_tables", "anyband.statistics.jackknife"]),
    "report": ("The report", ["anyband.report.content", "anyband.report.cells", "anyband.report.render"]),
    "apply": ("Maps and harmonised pixels", ["anyband.apply.predict", "anyband.apply.harmonise"]),
}
"""Pages of the API: title and modules of each."""

RANKED_LAST = "---\nsearch: {boost: 0.2}\n---\n\n"
"""Front matter of a page that a search lists after those which people wrote."""

MESSAGES = """# All messages

All one-line errors that stand in the code, by the part that raises them. `...` stands for a name, a number or a path.
What a message means and what to do is in the [FAQ](../faq.md). Search this page for words that stay the same.
"""
CITATIONS = """# Citations

Cite anyband by `CITATION.cff`. Every report writes the entries of its own methods, data and statistics to
`report_data/references.bib`, and a text on the methods for a paper to `report_data/methods.txt`. This page
has them all. The ideas behind the usual fusions are discussed, with sources, in the [review](../review.md).

"""
GALLERY = """# Gallery: where each method wins and loses

Nothing on this page is chosen by hand. **The rule:** for every class and every set of sensors, all methods that accept
these sensors are ordered by intersection over union (IoU) on the test blocks. The first one wins, the last one loses.
Nobody wins a class that no method has learned. Floors (majority class, single pixels) are left out. If a difference is
smaller than the interval of the report, it is no difference: look there before you draw a conclusion.

"""
NO_RUN = """This build of the site had no finished run beside it. Run `make all`, then `make site`: the page then has
the tables and figures of that run, and the report itself.

The numbers of the last committed run are in [default-run.csv](default-run.csv), those of the robustness study in
[robustness-run.csv](robustness-run.csv), of sensors never seen in [unseen-run.csv](unseen-run.csv).
"""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages, the report of a finished run, and the picture that README shows."""
    sys.path.insert(0, str(SOURCE))  # here, as mkdocs puts the path back after it has read this file
    from anyband.config.document import configuration_page

    pages = {
        "reference/configuration.md": configuration_page(),
        "reference/commands.md": commands(),
        "reference/messages.md": messages(),
        "reference/citations.md": citations(),
        "gallery.md": gallery(),
    }
    pages |= {f"reference/api/{name}.md": api(title, modules) for name, (title, modules) in API.items()}
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_post_build(config: MkDocsConfig) -> None:
    """Put the report of the finished run beside the pages."""
    if finished():
        folder = Path(config.site_dir) / "report"
        shutil.copytree(RESULTS / "report_data", folder / "report_data", dirs_exist_ok=True)
        shutil.copy(RESULTS / "report.html", folder / "report.html")


def finished() -> bool:
    """Whether there is a run with a report to show."""
    return (RESULTS / "report.html").is_file() and (RESULTS / "report_data/provenance.json").is_file()


def table(head: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown."""
    from anyband.config.document import markdown_table

    return markdown_table(head, rows)


# The command line, from typer.


def commands() -> str:
    """Every command with its arguments and options."""
    import typer

    from anyband import cli
    from anyband.config.document import default_words

    group = typer.main.get_command(cli.app)
    text = ["# Command line\n\nMade from the program itself; `anyband COMMAND --help` shows the same.\n"]
    for name, command in sorted(group.commands.items()):
        rows = []
        for option in command.params:
            if option.name == "help":
                continue
            is_option = option.param_type_name == "option"
            shown = ", ".join(f"`{word}`" for word in option.opts) if is_option else f"`{option.name.upper()}`"
            default = (
                "needed" if option.required else default_words(option.default) if option.default is not None else ""
            )
            rows.append([shown, default, getattr(option, "help", None) or ""])
        used = " ".join(o.name.upper() for o in command.params if o.param_type_name == "argument")
        text.append(f"\n## anyband {name}\n\n{command.help}\n\n```\nanyband {name} {used} [OPTIONS]\n```\n")
        text.append(table(["argument or option", "default", "meaning"], rows))
    text.append(
        "\n## Steps of the workflow\n\nEvery rule runs one step, `python -m anyband.steps.NAME`. "
        "A step can be run by hand: its options are shown by `--help`.\n"
    )
    steps = sorted(path for path in (SOURCE / "anyband/steps").glob("*.py") if path.stem != "__init__")
    rows = [[f"`python -m anyband.steps.{path.stem}`", _summary(path)] for path in steps]
    return "\n".join(text) + "\n" + table(["step", "what it does"], rows)


def _summary(path: Path) -> str:
    return (ast.get_docstring(ast.parse(path.read_bytes())) or "").splitlines()[0]


# The API, from docstrings.


def api(title: str, modules: list[str]) -> str:
    """A page of mkdocstrings for some modules."""
    return f"{RANKED_LAST}# {title}\n\n" + "\n\n".join(f"::: {module}" for module in modules) + "\n"


# Messages, from the places that raise them.


def messages() -> str:
    """Every one-line error in the code, by the part that raises it."""
    parts: dict[str, dict[str, set[str]]] = {}
    for path in sorted((SOURCE / "anyband").rglob("*.py")):
        module = ".".join(path.relative_to(SOURCE).with_suffix("").parts)
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and node.exc.args:
                name = getattr(node.exc.func, "id", "")
                said = _text(node.exc.args[0]) if name in ("UserError", "ValueError") else ""
                if len(said.replace("...", "").split()) > 2:
                    parts.setdefault(module.split(".")[1], {}).setdefault(said, set()).add(module)
    text = RANKED_LAST + MESSAGES
    for part, rows in sorted(parts.items()):
        listed = [[f"`{said}`", ", ".join(f"`{module}`" for module in sorted(where))] for said, where in rows.items()]
        text += f"\n## {part}\n\n" + table(["message", "module"], sorted(listed))
    return text


def _text(node: ast.expr) -> str:
    """What a message says, with ... where it depends on the run."""
    if isinstance(node, ast.Constant):
        return " ".join(str(node.value).split())
    if isinstance(node, ast.JoinedStr):
        return "".join(str(v.value) if isinstance(v, ast.Constant) else "..." for v in node.values).replace("`", "'")
    if isinstance(node, ast.BinOp):
        return _text(node.left) + _text(node.right)
    return "..."


# Citations, from what methods say of themselves.


def citations() -> str:
    """What to cite for every method, and the entries in BibTeX."""
    from anyband.methods import cards

    rows, entries = [], {}
    for model, card in cards().items():
        cite = (card.cite or "").strip()
        key = cite.split("{", 1)[1].split(",", 1)[0] if cite.startswith("@") else cite
        if cite.startswith("@"):
            lines = [line.strip() for line in cite.splitlines()]
            entries[key] = "\n".join(line if line[:1] in "@}" else f"  {line}" for line in lines)
        rows.append([f"`{model}`", card.label, card.role, f"`{key}`" if key else "this software, and see the review"])
    shared = (SOURCE / "anyband/report/template/references.bib").read_text(encoding="utf-8").strip()
    own = "\n\n".join(entries.values())
    return (
        CITATIONS
        + table(["method", "label", "role", "entry"], rows)
        + f"\n## Entries of methods\n\n```bibtex\n{own}\n```\n\n## Data and statistics\n\n```bibtex\n{shared}\n```\n"
    )


# The gallery, by rule from a finished run.

SETS = {"S2": "Sentinel-2 alone", "L9": "Landsat alone", "S2+L9": "both sensors"}
LEARNED = 0.01  # a class that no method scores above has no winner
FIGURES = {
    "main-forest": "Every method against the proposed one",
    "main-conditions-figure": "Scores by the sensors at hand",
    "main-confusions": "Which classes are taken for which",
    "main-block-map": "Where the proposed method is ahead and where it is behind",
    "main-transfer-figure": "From one sensor to another",
    "main-cost-figure": "Score against cost",
    "pairs-main": "Pairs of scenes of the archive",
}


def gallery() -> str:
    """Where each method wins and loses."""
    text = GALLERY
    if not finished():
        return text + NO_RUN
    import pandas as pd

    data = RESULTS / "report_data"
    origin = json.loads((data / "provenance.json").read_text())
    design = json.loads((data / "comparison/main/design.json").read_text())
    roles = pd.read_csv(data / "comparison/main/general.csv").set_index("method")["role"]
    scores = pd.read_csv(data / "comparison/main/per_class.csv").dropna(subset="iou")
    scores = scores[~scores["method"].map(roles).isin(["floor"]) & scores["condition"].isin(SETS)]
    seeds, blocks = len(design["seeds"]), len(design["blocks"])
    text += (
        f"This run: {seeds} seeds, {blocks} test blocks, commit `{str(origin['git_commit'])[:12]}`. "
        + ("It is too small for conclusions. " if seeds < 5 or blocks < 12 else "")
        + '<a href="report/report.html">Its whole report</a> and '
        '<a href="report/report_data/methods.txt">the text on its methods</a> are part of this site.\n'
    )
    tally = {name: {"wins": [], "loses": []} for name in scores["label"].unique()}
    for condition, title in SETS.items():
        rows = []
        for _, one in scores[scores["condition"] == condition].groupby("class"):
            ordered = one.sort_values("iou", ascending=False)
            if ordered["iou"].max() < LEARNED:
                rows.append([ordered["class_name"].iloc[0], "nobody", "-", "-", "all", "-"])
                continue
            first, last = ordered.iloc[0], ordered.iloc[-1]
            ahead = 100 * (first["iou"] - ordered.iloc[1]["iou"]) if len(ordered) > 1 else 0.0
            rows.append(
                [first["class_name"], first["label"], f"{100 * first['iou']:.1f}", f"+{ahead:.1f}"]
                + [last["label"], f"{100 * last['iou']:.1f}"]
            )
            for kind, row in (("wins", first), ("loses", last)):
                tally[row["label"]][kind].append(f"{row['class_name']} ({condition})")
        text += f"\n## With {title}\n\n" + table(["class", "wins", "IoU", "ahead of the next", "loses", "IoU"], rows)
    text += "\n## By method\n\n" + table(
        ["method", "wins", "loses"],
        [[name, *(", ".join(tally[name][kind]) or "-" for kind in ("wins", "loses"))] for name in tally],
    )
    for key, title in FIGURES.items():
        if (data / f"figures/{key}.svg").is_file():
            text += f'\n## {title}\n\n<img class="figure" alt="{title}" src="report/report_data/figures/{key}.svg">\n'
    return text
