"""BibTeX of what a run used: data, statistics, and the sources of its methods, which their classes cite."""

import textwrap
from collections.abc import Iterable, Mapping

from anyband.methods import card

Entry = tuple[str, Mapping[str, str]]

ALWAYS = (
    "claverie2018hls",
    "holm1979",
    "benjamini1995",
    "schuirmann1987",
    "satterthwaite1946",
    "piepho2004",
    "guo2017",
    "kull2019",
    "brier1950",
)
LABELS = ("zanaga2022",)
ENTRIES: dict[str, Entry] = {
    "claverie2018hls": ("article", {
        "author": "Claverie, M. and Ju, J. and Masek, J. G. and Dungan, J. L. and Vermote, E. F. and Roger, J.-C. and "
        "Skakun, S. V. and Justice, C.",
        "title": "The Harmonized {Landsat} and {Sentinel-2} surface reflectance data set",
        "journal": "Remote Sensing of Environment", "volume": "219", "pages": "145--161", "year": "2018",
        "doi": "10.1016/j.rse.2018.09.002",
    }),
    "zanaga2022": ("misc", {
        "author": "Zanaga, D. and others", "title": "{ESA WorldCover} 10 m 2021 v200", "year": "2022",
        "doi": "10.5281/zenodo.7254221",
    }),
    "holm1979": ("article", {
        "author": "Holm, S.", "title": "A simple sequentially rejective multiple test procedure",
        "journal": "Scandinavian Journal of Statistics", "volume": "6", "number": "2", "pages": "65--70",
        "year": "1979",
    }),
    "benjamini1995": ("article", {
        "author": "Benjamini, Y. and Hochberg, Y.",
        "title": "Controlling the false discovery rate: a practical and powerful approach to multiple testing",
        "journal": "Journal of the Royal Statistical Society B", "volume": "57", "number": "1", "pages": "289--300",
        "year": "1995",
    }),
    "schuirmann1987": ("article", {
        "author": "Schuirmann, D. J.",
        "title": "A comparison of the two one-sided tests procedure and the power approach for assessing the "
        "equivalence of average bioavailability",
        "journal": "Journal of Pharmacokinetics and Biopharmaceutics", "volume": "15", "pages": "657--680",
        "year": "1987", "doi": "10.1007/BF01068419",
    }),
    "satterthwaite1946": ("article", {
        "author": "Satterthwaite, F. E.", "title": "An approximate distribution of estimates of variance components",
        "journal": "Biometrics Bulletin", "volume": "2", "number": "6", "pages": "110--114", "year": "1946",
        "doi": "10.2307/3002019",
    }),
    "piepho2004": ("article", {
        "author": "Piepho, H.-P.",
        "title": "An algorithm for a letter-based representation of all-pairwise comparisons",
        "journal": "Journal of Computational and Graphical Statistics", "volume": "13", "number": "2",
        "pages": "456--466", "year": "2004", "doi": "10.1198/1061860043515",
    }),
    "guo2017": ("inproceedings", {
        "author": "Guo, C. and Pleiss, G. and Sun, Y. and Weinberger, K. Q.",
        "title": "On calibration of modern neural networks", "booktitle": "ICML", "year": "2017",
        "eprint": "1706.04599", "archiveprefix": "arXiv",
    }),
    "kull2019": ("inproceedings", {
        "author": "Kull, M. and Perello-Nieto, M. and Kängsepp, M. and Silva Filho, T. and Song, H. and Flach, P.",
        "title": "Beyond temperature scaling: obtaining well-calibrated multi-class probabilities with {Dirichlet} "
        "calibration", "booktitle": "NeurIPS", "year": "2019", "eprint": "1910.12656", "archiveprefix": "arXiv",
    }),
    "brier1950": ("article", {
        "author": "Brier, G. W.", "title": "Verification of forecasts expressed in terms of probability",
        "journal": "Monthly Weather Review", "volume": "78", "number": "1", "pages": "1--3", "year": "1950",
    }),
}  # fmt: skip


def bibtex(models: Iterable[str], version: str, commit: str | None) -> str:
    """Entries for the data, the statistics and the models of a run, and for this software.

    Args:
        models: names in the registry of models.
        version: of anyband.
        commit: of the source tree, or None.
    """
    cited = [own for model in models if (own := card(model).cite)]
    note = {"note": f"version {version}" + (f", commit {commit[:12]}" if commit else "")}
    title = "{anyband}: a fair comparison of ways to use several multispectral sensors"
    software: Entry = ("software", {"author": "{The anyband developers}", "title": title, **note})
    entries = {"anyband": software} | {key: ENTRIES[key] for key in (*ALWAYS, *LABELS)}
    texts = [_entry(key, *entry) for key, entry in entries.items()]
    texts += [textwrap.dedent(text).lstrip() for text in cited if text not in entries]
    return "\n".join(dict.fromkeys(texts))


def _entry(key: str, kind: str, fields: Mapping[str, str]) -> str:
    lines = "".join(f"  {name} = {{{value}}},\n" for name, value in fields.items())
    return f"@{kind}{{{key},\n{lines}}}\n"
