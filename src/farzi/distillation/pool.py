"""The pool of starting points: checkpoints of a few training runs on the real data."""

from __future__ import annotations

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, PRNGKeyArray

from farzi.data import Windows
from farzi.distillation.recipe import Recipe
from farzi.models import Learner, Tokens
from farzi.training import MakeLearner, Runs, Training


@dataclass(frozen=True, eq=False)
class Pool:
    """Where inner loops start from: fresh random weights, or weights partly trained on real data.

    The paper's Omega. Random weights are drawn anew for every start instead of being a few fixed
    points, because whoever trains on the distilled data starts from weights never seen before.

    Attributes:
        make_learner: builds a learner with random initial weights.
        checkpoints: partly trained learners, stacked; None for a pool of random weights only.
        share: how many of the starts, between 0 and 1, are drawn from the checkpoints.
        trajectories: how many runs the checkpoints are of; those of one time stand together.
    """

    make_learner: MakeLearner
    checkpoints: Learner | None = None
    share: float = 0.0
    trajectories: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ValueError(f"the pool's share is {self.share}; use a number from 0 to 1.")
        if self.share > 0 and self.checkpoints is None:
            raise ValueError(
                "the pool has a share of checkpoints but no checkpoints; give some or a share of 0."
            )

    def draw(self, count: int, key: PRNGKeyArray) -> Learner:
        """`count` starting points, stacked on the first axis of every array."""
        fresh_key, choice_key, which_key = jax.random.split(key, 3)
        fresh = eqx.filter_vmap(self.make_learner)(jax.random.split(fresh_key, count))
        if self.checkpoints is None:
            return fresh
        kept, fixed = eqx.partition(self.checkpoints, eqx.is_array)
        index = jax.random.randint(choice_key, (count,), 0, len(jax.tree.leaves(kept)[0]))
        trained = jax.random.bernoulli(which_key, self.share, (count,))

        def choose(fresh: Array, kept: Array) -> Array:
            return jnp.where(trained.reshape(-1, *[1] * (fresh.ndim - 1)), kept[index], fresh)

        return eqx.combine(jax.tree.map(choose, eqx.filter(fresh, eqx.is_array), kept), fixed)

    def stretches(self, count: int, length: int, key: PRNGKeyArray) -> tuple[Learner, Learner]:
        """`count` checkpoints, stacked, and those of the same runs `length` checkpoints later.

        Raises:
            ValueError: if no run has that many.
        """
        kept, fixed = eqx.partition(self.checkpoints, eqx.is_array)
        every = len(jax.tree.leaves(kept)[0]) if self.checkpoints is not None else 0
        starts = every - length * self.trajectories
        if starts < 1:
            raise ValueError(
                f"no run of the pool has {length + 1} checkpoints; give a pool of longer runs."
            )
        index = jax.random.randint(key, (count,), 0, starts)

        def at(index: Array) -> Learner:
            return eqx.combine(jax.tree.map(lambda leaf: leaf[index], kept), fixed)

        return at(index), at(index + length * self.trajectories)


def expert_pool(
    make_learner: MakeLearner,
    tokens: Tokens | Windows,
    training: Training,
    *,
    rate: float,
    trajectories: int,
    share: float,
    seed: int = 0,
    with_start: bool = False,
) -> Pool:
    """A pool with the checkpoints of a few training runs on the real data.

    Args:
        make_learner: builds the learners.
        tokens: the real data.
        training: how they are trained; every `evaluate_every` steps make one checkpoint.
        rate: learning rate.
        trajectories: how many runs.
        share: how many of the starts are drawn from the checkpoints, between 0 and 1.
        seed: of the first run; the others follow.
        with_start: whether the random initial weights are checkpoints too.
    """
    seeds = range(seed, seed + trajectories)
    runs = Runs.start(make_learner, training, rates=[rate] * trajectories, seeds=seeds)
    checkpoints = [runs.learners] if with_start else []
    while runs.step < training.max_steps:
        runs, _ = runs.advance(tokens, training.evaluate_every)
        checkpoints.append(runs.learners)
    joined = jax.tree.map(
        lambda *leaves: jnp.concatenate(leaves) if eqx.is_array(leaves[0]) else leaves[0],
        *checkpoints,
    )
    return Pool(make_learner, joined, share, trajectories)


def stand_in(make_learner: MakeLearner, recipe: Recipe) -> Pool:
    """A pool of the size that a recipe asks for, whose experts have learned nothing."""
    if not recipe.needs_experts:
        return Pool(make_learner)
    count = recipe.experts * (recipe.expert_steps // recipe.expert_every + 1)
    checkpoints = eqx.filter_vmap(make_learner)(jax.random.split(jax.random.key(0), count))
    return Pool(make_learner, checkpoints, recipe.expert_share, recipe.experts)
