"""The fixed numbers of the protocol, and the roles of methods."""

from collections.abc import Sequence
from typing import Literal

from anyband.conditions import primary_conditions
from anyband.config import ComparisonSettings
from anyband.methods import cards, labels

Role = Literal["proposed", "variant", "baseline", "specialist", "floor"]

PRIMARY = "primary"  # name of the primary endpoint where a table has a column for the condition
LEVEL = 0.95
ALPHA = 0.05
# Difference that a two-sided 5 % test finds with 80 % power, in standard errors: z(0.975) + z(0.8).
RESOLUTION_FACTOR = 2.8
CLAIM_SEEDS = 5
CLAIM_BLOCKS = 12
# Fewest pairs for which an exact two-sided sign-flip test can stay below 0.05 after Holm over eight comparisons.
SIGN_FLIP_SEEDS = 9
MAJORITY = "majority"
FLOORS = (*(model for model, own in cards().items() if own.role == "floor"), MAJORITY)
LABELS = labels() | {MAJORITY: "Majority class"}


def label(method: str) -> str:
    """Name of a method for people; the key itself when nobody gave it one."""
    return LABELS.get(method, method)


def role(method: str, settings: ComparisonSettings, complete: bool) -> Role:
    """Role of a method; `complete` says whether it takes every condition of the primary endpoint.

    A variant of the proposed method is no baseline: that the two differ is no merit of the proposed one.
    """
    if method == settings.experiment.proposed:
        return "proposed"
    if method in settings.variants:
        return "variant"
    if method in FLOORS:
        return "floor"
    return "baseline" if complete else "specialist"


def endpoint(settings: ComparisonSettings, own: Sequence[str] = ()) -> tuple[str, ...]:
    """Conditions of the primary endpoint that the experiment tests.

    Args:
        settings: of the experiment.
        own: the endpoint of one method, as its evaluation wrote it; its conditions stand in the order of those of all
            other methods, which it is if empty. Those whose counterpart the experiment tests are returned.
    """
    tested = settings.experiment.conditions
    primary = primary_conditions(tested)
    return tuple(twin for condition, twin in zip(primary, own or primary, strict=True) if condition in tested)
