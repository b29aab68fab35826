"""BibTeX of what a run used: data, statistics, and the sources of its methods."""

from collections.abc import Iterable, Mapping

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
MODELS = {
    "satlas": "bastani2023",
    "dofa-style": "xiong2024",
    "panopticon-style": "waldmann2025",
    "channelvit-style": "bao2024",
    "senpa-style": "prexl2024",
    "ramen-style": "houdre2025",
    "atomizer-style": "turckheim2025",
    "random-forest": "breiman2001",
    "hls-unified": "claverie2018hls",
}
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
    "breiman2001": ("article", {
        "author": "Breiman, L.", "title": "Random forests", "journal": "Machine Learning", "volume": "45",
        "pages": "5--32", "year": "2001", "doi": "10.1023/A:1010933404324",
    }),
    "bastani2023": ("inproceedings", {
        "author": "Bastani, F. and Wolters, P. and Gupta, R. and Ferdinando, J. and Kembhavi, A.",
        "title": "{SatlasPretrain}: a large-scale dataset for remote sensing image understanding",
        "booktitle": "ICCV", "year": "2023", "eprint": "2211.15660", "archiveprefix": "arXiv",
    }),
    "xiong2024": ("misc", {
        "author": "Xiong, Z. and others",
        "title": "Neural plasticity-inspired multimodal foundation model for {Earth} observation ({DOFA})",
        "year": "2024", "eprint": "2403.15356", "archiveprefix": "arXiv",
    }),
    "waldmann2025": ("misc", {
        "author": "Waldmann, L. and others",
        "title": "{Panopticon}: advancing any-sensor foundation models for {Earth} observation",
        "year": "2025", "eprint": "2503.10845", "archiveprefix": "arXiv",
    }),
    "bao2024": ("inproceedings", {
        "author": "Bao, Y. and Sivanandan, S. and Karaletsos, T.",
        "title": "Channel vision transformers: an image is worth 1 x 16 x 16 words",
        "booktitle": "ICLR", "year": "2024", "eprint": "2309.16108", "archiveprefix": "arXiv",
    }),
    "prexl2024": ("misc", {
        "author": "Prexl, J. and Schmitt, M.",
        "title": "{SenPa-MAE}: sensor parameter aware masked autoencoder for multi-satellite self-supervised "
        "pretraining",
        "year": "2024", "eprint": "2408.11000", "archiveprefix": "arXiv",
    }),
    "houdre2025": ("misc", {
        "author": "Houdr{\\'e}, N. and others",
        "title": "{RAMEN}: resolution-adjustable multimodal encoder for {Earth} observation",
        "year": "2025", "eprint": "2512.05025", "archiveprefix": "arXiv",
    }),
    "turckheim2025": ("misc", {
        "author": "Riffaud de Turckheim, H. and Lobry, S. and Interdonato, R. and Marcos, D.",
        "title": "{Atomizer}: generalizing to new modalities by breaking satellite images down to a set of scalars",
        "year": "2025", "eprint": "2506.13542", "archiveprefix": "arXiv",
    }),
}  # fmt: skip


def bibtex(models: Iterable[str], version: str, commit: str | None) -> str:
    """Entries for the data, the statistics and the models of a run, and for this software.

    Args:
        models: names in the registry of models.
        version: of anyband.
        commit: of the source tree, or None.
    """
    keys = [*ALWAYS, *LABELS, *(MODELS[model] for model in models if model in MODELS)]
    note = {"note": f"version {version}" + (f", commit {commit[:12]}" if commit else "")}
    title = "{anyband}: a fair comparison of ways to use several multispectral sensors"
    own: Entry = ("software", {"author": "{The anyband developers}", "title": title, **note})
    entries = {"anyband": own} | {key: ENTRIES[key] for key in dict.fromkeys(keys)}
    return "\n".join(_entry(key, *entry) for key, entry in entries.items())


def _entry(key: str, kind: str, fields: Mapping[str, str]) -> str:
    lines = "".join(f"  {name} = {{{value}}},\n" for name, value in fields.items())
    return f"@{kind}{{{key},\n{lines}}}\n"
