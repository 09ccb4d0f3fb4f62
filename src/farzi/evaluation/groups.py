"""Trainings side by side, as many as fit into memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from farzi.data import Windows
from farzi.models import Tokens
from farzi.models.chunks import FEWEST, LARGEST
from farzi.planning.machine import available_memory
from farzi.training import MakeLearner, Trained, Training


def in_groups(
    train_group: Callable[[int, Sequence[float], Sequence[int]], Trained],
    at_once: int,
    rates: Sequence[float],
    seeds: Sequence[int],
) -> Trained:
    """Train all, at most `at_once` of them side by side.

    Args:
        train_group: from the number of the group, its rates and its seeds to what became of it.
        at_once: trainings in a group.
        rates: of every training.
        seeds: likewise.
    """
    parts = [
        train_group(number, rates[first : first + at_once], seeds[first : first + at_once])
        for number, first in enumerate(range(0, len(seeds), at_once))
    ]
    return parts[0] if len(parts) == 1 else _joined(parts)


def fitting(
    make_learner: MakeLearner, tokens: Tokens | Windows, training: Training, runs: int
) -> int:
    """How many of the trainings fit side by side into half of the memory that is left.

    Args:
        make_learner: builds the learner.
        tokens: what it trains on.
        training: batch size.
        runs: how many there are.
    """
    memory = available_memory()
    if memory is None:
        return runs
    needed = estimated_bytes(make_learner, tokens, training)
    return int(np.clip(memory.bytes / 2 // needed, 1, runs))


def estimated_bytes(
    make_learner: MakeLearner, tokens: Tokens | Windows, training: Training
) -> float:
    """Roughly what one training needs; the compiler would know, after ten seconds.

    Parameters are there six times: with their gradients, Adam's two moments, the state before the
    step and the best one. At each place a layer of weights makes numbers, some of which are kept
    for the reverse pass, and attention one for each other place; scores are made in chunks.
    """
    learner = eqx.filter_eval_shape(make_learner, jax.random.key(0))
    vocabulary, width = learner.embedding.shape
    shapes = [leaf for leaf in jax.tree.leaves(learner) if isinstance(leaf, jax.ShapeDtypeStruct)]
    parameters = sum(leaf.size for leaf in shapes)
    time = tokens.length if isinstance(tokens, Windows) else _time(tokens)
    places = min(training.batch_size, len(tokens)) * time
    hidden = 6 * (parameters - vocabulary * width) / width + 10 * width + 6 * time
    scores = 3 * min(places * vocabulary, max(LARGEST, FEWEST * vocabulary))
    return 4 * (6 * parameters + places * hidden + scores)


def _time(tokens: Tokens) -> int:
    return next(leaf.shape[1] for leaf in jax.tree.leaves(tokens) if leaf.ndim > 1) - 1


def _joined(parts: list[Trained]) -> Trained:
    """One after the other; groups that stopped earlier have NaN for later validations."""
    longest = max((part.steps for part in parts), key=len)

    def padded(table: np.ndarray) -> np.ndarray:
        missing = len(longest) - len(table)
        return np.pad(table, ((0, missing), (0, 0)), constant_values=np.nan)

    arrays, fixed = zip(
        *(eqx.partition(part.learners, eqx.is_array) for part in parts), strict=True
    )
    learners = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *arrays)
    return Trained(
        eqx.combine(learners, fixed[0]),
        best_steps=np.concatenate([part.best_steps for part in parts]),
        best_scores=np.concatenate([part.best_scores for part in parts]),
        steps=longest,
        scores=np.concatenate([padded(part.scores) for part in parts], axis=1),
        losses=np.concatenate([padded(part.losses) for part in parts], axis=1),
        seconds=sum(part.seconds for part in parts),
    )
