"""Division of the chips into training, validation and test, every class in each, with a buffer between them.

What goes to one split as a whole is a block (regime "blocks"), all blocks of a region ("regions"), or a single chip
("random", which leaks and is there to show by how much).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from anyband.config import Split
from anyband.ground import Array
from anyband.runtime import UserError
from anyband.splits.index import Survey
from anyband.splits.spatial import block_names, region_names

SPLITS = ("train", "val", "test")
BUFFER = "buffer"
_TRAIN, _VAL, _TEST, _BUFFER = range(4)

TRIALS = 1_000
"""Seeded assignments that are compared. The best of them is taken, by class shares alone: no model is asked."""


@dataclass(frozen=True)
class _Problem:
    """Chips by block and by unit (numbers of both), scored pixels (N, K), and pairs of units' chips in the buffer.

    Attributes:
        weight: (U,) how much of the quota of `val` and of `test` a unit fills.
        fixed: (U,) split of a unit that is not drawn, -1 for the others.
    """

    block: Array
    unit: Array
    weight: Array
    val: int
    test: int
    counts: Array
    close: Array
    settings: Split
    fixed: Array

    def trials(self) -> Iterator[tuple[int, Array]]:
        """Seeded assignments that leave something for training: weight beyond the quotas, and (U,) splits of units."""
        random = np.random.default_rng(self.settings.seed)
        if (self.fixed >= 0).any():
            free = np.flatnonzero(self.fixed < 0)
            held_out = 0 if (self.fixed == _VAL).any() else self.val
            for _ in range(TRIALS if len(free) > held_out else 0):
                unit_split = np.where(self.fixed < 0, _TRAIN, self.fixed)
                unit_split[random.permutation(free)[:held_out]] = _VAL
                yield 0, unit_split
            return
        for _ in range(TRIALS):
            order = random.permutation(len(self.weight))
            filled = np.cumsum(self.weight[order])
            test = int(np.searchsorted(filled, self.test)) + 1
            if test >= len(order):
                continue
            held_out = test + int(np.searchsorted(filled[test:] - filled[test - 1], self.val)) + 1
            if held_out >= len(order):
                continue
            unit_split = np.full(len(order), _TRAIN)
            unit_split[order[:test]] = _TEST
            unit_split[order[test:held_out]] = _VAL
            yield int(filled[held_out - 1]) - self.test - self.val, unit_split

    def chip_splits(self, unit_split: Array) -> Array:
        """(N,) split of every chip: its unit's, or the buffer.

        A val or test chip near training goes, then a val chip near a test chip that stayed: every pair of splits is
        apart, and training, which loses nothing, decides.
        """
        chip_split: Array = unit_split[self.unit]
        for leaving, staying in (((_VAL, _TEST), _TRAIN), ((_VAL,), _TEST)):
            for first, second in ((0, 1), (1, 0)):
                ours, theirs = self.close[:, first], self.close[:, second]
                hit = np.isin(chip_split[ours], leaving) & (chip_split[theirs] == staying)
                chip_split[ours[hit]] = _BUFFER
        return chip_split

    def class_pixels(self, chip_split: Array) -> Array:
        """(3, K) scored pixels of every class in train, val and test."""
        return np.stack([self.counts[chip_split == split].sum(axis=0) for split in (_TRAIN, _VAL, _TEST)])

    def whole_blocks(self, unit_split: Array, chip_split: Array) -> bool:
        """Whether every split kept as many blocks with chips as it was given."""
        given = unit_split[self.unit]
        return all(
            len(np.unique(self.block[chip_split == split])) == len(np.unique(self.block[given == split]))
            for split in (_TRAIN, _VAL, _TEST)
        )


def split_chips(survey: Survey, classes: Mapping[int, str], settings: Split) -> tuple[Array, Array]:
    """Assign every chip to a block, and every block, region or chip to a split.

    The same for the same chips in any order.

    Returns:
        (N,) names of blocks and (N,) splits: "train", "val", "test" or "buffer".

    Raises:
        UserError: too few blocks, or a class that no assignment puts into every split, with what to do.
    """
    block = survey.block
    if block is None:
        block = block_names(survey.site, survey.positions, settings.block_m)
    problem = _pose(survey, block, settings)
    _refuse_absent_classes(problem, classes)
    chip_split = _search(problem, classes)
    return block, np.array([*SPLITS, BUFFER])[chip_split]


def split_table(survey: Survey, block: Array, split: Array) -> str:
    """The table of splits as CSV: site, chip, block, split, and the chip's centre x, y (m) in `epsg`."""
    where = survey.positions
    columns = (survey.site, survey.chip, block, split, where.x, where.y, where.epsg)
    rows = [f"{a},{b},{c},{d},{x:.12g},{y:.12g},{e}" for a, b, c, d, x, y, e in zip(*columns, strict=True)]
    return "\n".join(["site,chip,block,split,x,y,epsg", *rows]) + "\n"


def _pose(survey: Survey, block: Array, settings: Split) -> _Problem:
    """The units of the regime with their weights: blocks for "blocks" and "regions", equal shares for "random"."""
    blocks, number = np.unique(block, return_inverse=True)
    needed = settings.test_blocks + settings.val_blocks + 1
    if settings.regime not in ("given", "folds") and len(blocks) < needed:
        raise UserError(
            f"{len(blocks)} blocks hold chips, but split asks for {settings.test_blocks} test and "
            f"{settings.val_blocks} val blocks and one for training: add sites, or lower test_blocks, val_blocks"
        )
    if settings.regime == "random":
        # Chips in the shares that the blocks of a split have of all blocks, counted in blocks times chips.
        chips, unit = np.unique(survey.chip, return_inverse=True)
        weight, scale = np.full(len(chips), len(blocks)), len(chips)
        close = np.empty((0, 2), np.int64)
    else:
        group = region_names(block, survey.positions) if settings.regime == "regions" else block
        names, unit = np.unique(group, return_inverse=True)
        weight = np.array([len(np.unique(number[unit == index])) for index in range(len(names))])
        scale = 1
        nothing = np.empty((0, 2), np.int64)
        close = survey.positions.pairs_within(settings.buffer_m, unit) if survey.located else nothing
    val, test = settings.val_blocks * scale, settings.test_blocks * scale
    fixed = np.full(len(weight), -1)
    if settings.regime == "given":
        fixed = _given(survey, unit, blocks)
    elif settings.regime == "folds":
        pixels = np.bincount(unit, survey.counts.sum(axis=1))
        fixed[_folds(pixels, settings.folds) == settings.fold] = _TEST
    return _Problem(number, unit, weight, val, test, survey.counts, close, settings, fixed)


def _given(survey: Survey, unit: Array, names: Array) -> Array:
    """(U,) split of the blocks whose chips name one, -1 for the others.

    Raises:
        UserError: a block with chips of several splits, an unknown split, or no test block.
    """
    assert survey.given is not None
    wanted, fixed = survey.given, np.full(len(names), -1)
    for number, name in enumerate(names):
        found = set(wanted[unit == number].tolist())
        if len(found) > 1 or not found <= {"", *SPLITS}:
            said = ", ".join(sorted(word or "nothing" for word in found))
            raise UserError(f"column split says {said} in block {name}: a block has one of train, val, test")
        (word,) = found
        fixed[number] = SPLITS.index(word) if word else -1
    if not (fixed == _TEST).any():
        raise UserError("split.regime is given, but no row of the table has test in its column split")
    return fixed


def _folds(pixels: Array, folds: int) -> Array:
    """(U,) part of each unit: the largest first, each to the part that has fewest pixels so far."""
    part, filled = np.empty(len(pixels), np.int64), np.zeros(folds)
    for unit in np.argsort(-pixels, kind="stable"):
        part[unit] = filled.argmin()
        filled[part[unit]] += pixels[unit]
    return part


def _search(problem: _Problem, classes: Mapping[int, str]) -> Array:
    """The trial nearest to the numbers of blocks asked for, then most alike in class shares, with every class."""
    overall = problem.counts.sum(axis=0) / problem.counts.sum()
    best, best_score = None, (np.inf, np.inf)
    absent = np.zeros((len(SPLITS), problem.counts.shape[1]), np.int64)
    tried = intact = 0
    for excess, unit_split in problem.trials():
        tried += 1
        chip_split = problem.chip_splits(unit_split)
        if not problem.whole_blocks(unit_split, chip_split):
            continue
        intact += 1
        pixels = problem.class_pixels(chip_split)
        absent += pixels == 0
        if (pixels == 0).any():
            continue
        score = excess, np.abs(pixels / pixels.sum(axis=1, keepdims=True) - overall).sum(axis=1).max()
        if score < best_score:
            best, best_score = chip_split, score
    if best is None:
        raise _impossible(problem, classes, absent, tried, intact)
    return best


def _refuse_absent_classes(problem: _Problem, classes: Mapping[int, str]) -> None:
    for code, pixels in zip(sorted(classes), problem.counts.sum(axis=0), strict=True):
        if pixels == 0:
            raise UserError(
                f"class {code} ({classes[code]}) has no scored pixel in the dataset: "
                "add sites that have it, or take it out of `classes`"
            )


def _impossible(problem: _Problem, classes: Mapping[int, str], absent: Array, tried: int, intact: int) -> UserError:
    """What stood in the way: too few units, the buffer, or the class that was missing most often."""
    settings = problem.settings
    if not tried:
        return UserError(
            f"the {len(problem.weight)} {settings.regime} are too few for {settings.test_blocks} test and "
            f"{settings.val_blocks} val blocks and some for training: add sites elsewhere, "
            "or lower test_blocks, val_blocks"
        )
    if not intact:
        return UserError(
            f"the buffer of {settings.buffer_m} m empties whole blocks in every assignment tried: "
            "lower buffer_m, enlarge block_m, or add sites further apart"
        )
    split, position = np.unravel_index(int(absent.argmax()), absent.shape)
    code = sorted(classes)[int(position)]
    holding = len(np.unique(problem.block[problem.counts[:, int(position)] > 0]))
    return UserError(
        f"class {code} ({classes[code]}) is absent from the {SPLITS[int(split)]} blocks in every assignment tried: "
        f"{holding} of {problem.block.max() + 1} blocks have it; add sites that have it, or take it out of `classes`"
    )
