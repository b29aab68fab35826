"""Division of the blocks into training, validation and test, every class in each, with a buffer between them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from anyband.chips.blocks import block_names
from anyband.chips.encoding import Array
from anyband.chips.survey import Survey
from anyband.config import Split
from anyband.runtime import UserError

SPLITS = ("train", "val", "test")
BUFFER = "buffer"
_TRAIN, _VAL, _TEST, _BUFFER = range(4)

TRIALS = 1_000
"""Seeded assignments that are compared. The best of them is taken, by class shares alone: no model is asked."""


@dataclass(frozen=True)
class _Problem:
    """Chips by block number, scored pixels (N, K), and pairs of chips of different blocks inside the buffer."""

    block: Array
    blocks: int
    counts: Array
    close: Array
    settings: Split

    def chip_splits(self, block_split: Array) -> Array:
        """(N,) split of every chip: its block's, or the buffer.

        A val or test chip near training goes, then a val chip near a test chip that stayed: every pair of splits is
        apart, and training, which loses nothing, decides.
        """
        chip_split: Array = block_split[self.block]
        for leaving, staying in (((_VAL, _TEST), _TRAIN), ((_VAL,), _TEST)):
            for first, second in ((0, 1), (1, 0)):
                ours, theirs = self.close[:, first], self.close[:, second]
                hit = np.isin(chip_split[ours], leaving) & (chip_split[theirs] == staying)
                chip_split[ours[hit]] = _BUFFER
        return chip_split

    def class_pixels(self, chip_split: Array) -> Array:
        """(3, K) scored pixels of every class in train, val and test."""
        return np.stack([self.counts[chip_split == split].sum(axis=0) for split in (_TRAIN, _VAL, _TEST)])

    def whole_blocks(self, chip_split: Array) -> bool:
        """Whether every split kept as many blocks with chips as it was given."""
        wanted = (self.blocks - self.settings.val_blocks - self.settings.test_blocks, *self._held_out())
        return all(
            len(np.unique(self.block[chip_split == split])) == count
            for split, count in zip((_TRAIN, _VAL, _TEST), wanted, strict=True)
        )

    def _held_out(self) -> tuple[int, int]:
        return self.settings.val_blocks, self.settings.test_blocks


def split_chips(survey: Survey, classes: Mapping[int, str], settings: Split) -> tuple[Array, Array]:
    """Assign every chip to a block, and every block to a split.

    Returns:
        (N,) names of blocks and (N,) splits: "train", "val", "test" or "buffer".

    Raises:
        UserError: too few blocks, or a class that no assignment puts into every split, with what to do.
    """
    names = block_names(survey.site, survey.positions, settings.block_m)
    unique, block = np.unique(names, return_inverse=True)
    needed = settings.test_blocks + settings.val_blocks + 1
    if len(unique) < needed:
        raise UserError(
            f"{len(unique)} blocks hold chips, but split asks for {settings.test_blocks} test and "
            f"{settings.val_blocks} val blocks and one for training: add sites, or lower test_blocks, val_blocks"
        )
    close = survey.positions.pairs_within(settings.buffer_m)
    close = close[block[close[:, 0]] != block[close[:, 1]]]
    problem = _Problem(block, len(unique), survey.counts, close, settings)
    _refuse_absent_classes(problem, classes)
    chip_split = _search(problem, classes)
    return names, np.array([*SPLITS, BUFFER])[chip_split]


def split_table(survey: Survey, block: Array, split: Array) -> str:
    """The table of splits as CSV: site, chip, block, split, and the chip's centre x, y (m) in `epsg`."""
    where = survey.positions
    columns = (survey.site, survey.chip, block, split, where.x, where.y, where.epsg)
    rows = [f"{a},{b},{c},{d},{x:.12g},{y:.12g},{e}" for a, b, c, d, x, y, e in zip(*columns, strict=True)]
    return "\n".join(["site,chip,block,split,x,y,epsg", *rows]) + "\n"


def _search(problem: _Problem, classes: Mapping[int, str]) -> Array:
    """The trial whose splits are most alike in class shares, among those with every class in each split."""
    settings = problem.settings
    random = np.random.default_rng(settings.seed)
    overall = problem.counts.sum(axis=0) / problem.counts.sum()
    best, best_score = None, np.inf
    absent = np.zeros((len(SPLITS), problem.counts.shape[1]), np.int64)
    intact = 0
    for _ in range(TRIALS):
        order = random.permutation(problem.blocks)
        block_split = np.full(problem.blocks, _TRAIN)
        block_split[order[: settings.test_blocks]] = _TEST
        block_split[order[settings.test_blocks : settings.test_blocks + settings.val_blocks]] = _VAL
        chip_split = problem.chip_splits(block_split)
        if not problem.whole_blocks(chip_split):
            continue
        intact += 1
        pixels = problem.class_pixels(chip_split)
        absent += pixels == 0
        if (pixels == 0).any():
            continue
        score = np.abs(pixels / pixels.sum(axis=1, keepdims=True) - overall).sum(axis=1).max()
        if score < best_score:
            best, best_score = chip_split, score
    if not intact:
        raise UserError(
            f"the buffer of {settings.buffer_m} m empties whole blocks in every assignment tried: "
            "lower buffer_m, enlarge block_m, or add sites further apart"
        )
    if best is None:
        raise _impossible(problem, classes, absent)
    return best


def _refuse_absent_classes(problem: _Problem, classes: Mapping[int, str]) -> None:
    for code, pixels in zip(sorted(classes), problem.counts.sum(axis=0), strict=True):
        if pixels == 0:
            raise UserError(
                f"class {code} ({classes[code]}) has no scored pixel in the dataset: "
                "add sites that have it, or take it out of `classes`"
            )


def _impossible(problem: _Problem, classes: Mapping[int, str], absent: Array) -> UserError:
    """Names the class that was missing most often and where."""
    split, position = np.unravel_index(int(absent.argmax()), absent.shape)
    code = sorted(classes)[int(position)]
    holding = len(np.unique(problem.block[problem.counts[:, int(position)] > 0]))
    return UserError(
        f"class {code} ({classes[code]}) is absent from the {SPLITS[int(split)]} blocks in every assignment tried: "
        f"{holding} of {problem.blocks} blocks have it; add sites that have it, or take it out of `classes`"
    )
