"""A small log with a rule that can be learned: every token is followed by the next one."""

import equinox as eqx
import jax
import numpy as np

from farzi.data import Sequences, Vocabulary
from farzi.distillation import Recipe
from farzi.models import SASRec

TOKENS = 12
RECIPE = Recipe(
    sequences=4,
    length=4,
    context=8,
    labels="next",
    rank=4,
    judge="tokens",
    start="noise",
    inner_steps=8,
    inner_rate=0.03,
    inner_batch=None,
    outer_steps=12,
    outer_rate=0.05,
    warmup=2,
    starts=2,
    real_batch=16,
    validate_every=6,
    validation_runs=2,
)
"""Of a distillation that takes seconds and still lowers the loss."""


def log(sequences=60, events=12, seed=0):
    starts = np.random.default_rng(seed).integers(TOKENS, size=sequences)
    return Sequences.from_lists(
        [(start + np.arange(events)) % TOKENS for start in starts],
        Vocabulary(tuple("abcdefghijkl")),
    )


def sasrec(key):
    return SASRec(TOKENS, width=8, layers=1, length=8, key=key)


class Bigrams(eqx.Module):
    """The smallest learner, quick to compile: the next token depends on this one only."""

    embedding: jax.Array
    matrix: jax.Array

    def __call__(self, embedded, *, key=None):
        return embedded @ self.matrix


def bigrams(key):
    table, matrix = jax.random.split(key)
    return Bigrams(jax.random.normal(table, (TOKENS, 6)), jax.random.normal(matrix, (6, 6)))
