"""BibTeX of what a run used: data, statistics, and the sources of its methods, which their classes cite."""

import re
import textwrap
from collections.abc import Iterable
from pathlib import Path

from anyband.methods import card

REFERENCES = Path(__file__).parent / "template" / "references.bib"
"""Sources of the data and of the statistics, which every run uses."""


def bibtex(models: Iterable[str], version: str, commit: str | None) -> str:
    """Entries for the data, the statistics and the models of a run, and for this software.

    Args:
        models: names in the registry of models.
        version: of anyband.
        commit: of the source tree, or None.
    """
    software = f"""\
        @software{{anyband,
          author = {{{{The anyband developers}}}},
          title = {{{{anyband}}: a fair comparison of ways to use several multispectral sensors}},
          note = {{version {version}{f", commit {commit[:12]}" if commit else ""}}},
        }}
        """
    references = REFERENCES.read_text()
    known = set(re.findall(r"^@\w+\{([^,]+),", references, re.MULTILINE))
    cited = [textwrap.dedent(own).lstrip() for model in models if (own := card(model).cite) and own not in known]
    return "\n".join(dict.fromkeys([textwrap.dedent(software), references, *cited]))
