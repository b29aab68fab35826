"""Confusion matrices with known truth: two methods, random method x block and method x seed effects."""

import numpy as np

CLASSES = 5


def simulate(rng, repetitions=300, blocks=12, seeds=5, block_sd=0.3, seed_sd=0.15, advantage=0.0, pixels=8_000):
    """Counts `(seed, block, repetition, method, class, class)`; `advantage` is added to the first method's logits.

    Class mix and difficulty vary by block; every pixel of a class is right with a probability whose logit is the sum
    of the class's, the block's, the method x block and the method x seed effects.
    """
    mix = rng.dirichlet(np.ones(CLASSES), size=(repetitions, blocks))  # (R, B, K)
    totals = np.round(pixels * mix).astype(int) + 1
    logit = np.linspace(0.3, 2.0, CLASSES)[None, None, None, None, :]
    logit = logit + rng.normal(0, 0.5, (1, blocks, repetitions, 1, 1))
    logit = logit + rng.normal(0, block_sd, (1, blocks, repetitions, 2, 1))
    logit = logit + rng.normal(0, seed_sd, (seeds, 1, repetitions, 2, 1))
    logit = logit + np.array([advantage, 0.0])[:, None]
    right = 1 / (1 + np.exp(-logit))  # (S, B, R, 2, K)
    chance = np.broadcast_to(((1 - right) / (CLASSES - 1))[..., None], (*right.shape, CLASSES)).copy()
    chance[..., range(CLASSES), range(CLASSES)] = right
    return rng.multinomial(np.swapaxes(totals, 0, 1)[None, :, :, None, :], chance)
