"""Claims about sensors: that a second one helps, and that a method maps one that it never trained on.

Like those of the declared family, each is a sentence from a template that is printed only when every condition holds;
here nothing is printed otherwise. In the null twin of the archive, where the second sensor adds nothing, none may
appear.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from anyband.products import BY_SHORT_NAME
from anyband.statistics.claims import Claim, signed
from anyband.statistics.protocol import ALPHA


def sensor_claims(fusion: pd.DataFrame, gaps: pd.DataFrame, seeds: int) -> list[Claim]:
    """Claims whose conditions all hold.

    Args:
        fusion: table of `fusion.fusion`.
        gaps: table of `gap_closed.gap_closed`.
        seeds: number of training seeds.
    """
    found = [_fusion_claim(row, seeds) for row in fusion.to_dict("records")]
    found += [_zero_shot_claim(row, seeds) for row in gaps.to_dict("records")]
    return [claim for claim in found if all(claim.checks.values())]


def _checks(row: Mapping[Any, Any], name: str, floor: str, seeds: int) -> dict[str, bool]:
    """The conditions of "better", for a positive difference in column `name` with its resolution in `floor`."""
    return {
        f"Holm-adjusted p below {ALPHA:g}": bool(row["p_adjusted"] < ALPHA),
        "95 % interval above 0": bool(row[f"{name}_lower"] > 0),
        "difference above the resolution floor": bool(row[name] > row[floor]),
        "within-block differences point the same way": bool(row["block_direction"] > 0),
        f"most seeds point the same way ({row['seeds_agree']} of {seeds})": bool(row["seeds_agree"] > seeds / 2),
    }


def _fusion_claim(row: Mapping[Any, Any], seeds: int) -> Claim:
    alone = f"{row['rival_label']} on {BY_SHORT_NAME[row['condition']].name} alone"
    text = (
        f"Secondary: with both sensors {row['label']} is {_points(row, 'difference')} above the best result with one "
        f"sensor ({alone}; {_p(row)})."
    )
    return Claim("second sensor helps", row["method"], row["rival"], text,
                 _checks(row, "difference", "resolution", seeds))  # fmt: skip


def _zero_shot_claim(row: Mapping[Any, Any], seeds: int) -> Claim:
    source, target = BY_SHORT_NAME[row["source"]].name, BY_SHORT_NAME[row["target"]].name
    share = [f"{100 * row[key]:.0f}".replace("-", "−") for key in ("closed", "closed_lower", "closed_upper")]
    text = (
        f"Secondary: without training on {target} data, {row['label']} maps it at held-out places "
        f"{_points(row, 'gain')} better than the {source} specialist on its nearest bands ({_p(row)}), "
        f"{share[0]} % [{share[1]}, {share[2]}] of the way to the {target} specialist."
    )
    checks = _checks(row, "gain", "gain_resolution", seeds)
    checks |= {
        "the gap to the specialist exceeds the resolution floor": bool(row["gap_resolved"]),
        "share of the gap that is closed above 0": bool(row["closed_lower"] > 0),
    }
    return Claim("unseen sensor", row["method"], row["source_method"], text, checks)


def _points(row: Mapping[Any, Any], name: str) -> str:
    value, lower, upper = (signed(100 * row[key]) for key in (name, f"{name}_lower", f"{name}_upper"))
    return f"{value} points mIoU [{lower}, {upper}]"


def _p(row: Mapping[Any, Any]) -> str:
    p = row["p_adjusted"]
    return "Holm-adjusted p < 0.001" if p < 0.001 else f"Holm-adjusted p = {p:.3f}"
