"""Several trainings side by side in one program."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, PRNGKeyArray, PyTree

from farzi.data import Windows, batch_order
from farzi.losses import next_token_loss
from farzi.models import Learner, Tokens, hard_tokens
from farzi.training.settings import Training

MakeLearner = Callable[[PRNGKeyArray], Learner]
"""Builds a learner with random initial weights from a key."""

# What a random stream is for stands before its seed, so that no two purposes share a stream.
_BATCHES, _DROPOUT = 101, 102

LARGEST = 2**24
"""Real tokens that are on the device at a time (64 MB), of all runs together."""


@dataclass(frozen=True, eq=False)
class Runs:
    """Several trainings on their way, side by side in one program.

    Attributes:
        learners, memories: learners and their optimisers' memories, stacked.
        rates: learning rates, float `[runs]`.
        seeds: seed of each run; with the step it decides on batches and dropout.
        step: how far they are.
        training: batch size, optimiser, dropout.
    """

    learners: Learner
    memories: PyTree
    rates: Float[Array, " runs"]
    seeds: tuple[int, ...]
    step: int
    training: Training

    @classmethod
    def start(
        cls,
        make_learner: MakeLearner,
        training: Training,
        *,
        rates: Sequence[float],
        seeds: Sequence[int],
        orders: Sequence[int] | None = None,
    ) -> Runs:
        """Runs before their first step, each with the random weights of its seed.

        Args:
            make_learner: builds a learner.
            training: batch size, optimiser, dropout.
            rates: learning rate of each run.
            seeds: seed of its weights.
            orders: seed of its batches and dropout, if that is another.
        """
        keys = jnp.stack([jax.random.key(seed) for seed in seeds])
        learners = eqx.filter_vmap(make_learner)(keys)
        rate_array = jnp.asarray(rates, float)

        def init(learner: Learner, rate: Float[Array, ""]) -> PyTree:
            return training.optimizer(rate).init(eqx.filter(learner, eqx.is_inexact_array))

        memories = eqx.filter_vmap(init, in_axes=(eqx.if_array(0), 0))(learners, rate_array)
        return cls(
            learners, memories, rate_array, tuple(seeds if orders is None else orders), 0, training
        )

    def advance(self, tokens: Tokens | Windows, steps: int) -> tuple[Runs, np.ndarray]:
        """The same runs `steps` later, and their mean losses on the way, `[runs]`."""
        at_once = steps
        if isinstance(tokens, Windows):
            a_step = (
                len(self.seeds) * min(self.training.batch_size, len(tokens)) * (tokens.length + 1)
            )
            at_once = max(LARGEST // max(a_step, 1), 1)
        runs, losses = self, np.zeros(len(self.seeds))
        for first in range(0, steps, at_once):
            portion = min(at_once, steps - first)
            runs, mean = runs._advance(tokens, portion)
            losses += mean * (portion / steps)
        return runs, losses

    def _advance(self, tokens: Tokens | Windows, steps: int) -> tuple[Runs, np.ndarray]:
        size = self.training.batch_size
        order = np.stack(
            [
                batch_order(len(tokens), size, steps, seed=[_BATCHES, seed], first=self.step)
                for seed in self.seeds
            ]
        )
        if isinstance(tokens, Windows):
            tokens = hard_tokens(tokens, order.reshape(-1))
            order = np.arange(order.size, dtype=np.int32).reshape(order.shape)
        keys = jnp.stack(
            [
                jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), _DROPOUT), self.step)
                for seed in self.seeds
            ]
        )
        learners, memories, losses = _train_chunk(
            self.learners,
            self.memories,
            self.rates,
            tokens,
            jnp.asarray(order),
            keys,
            self.training,
        )
        later = replace(self, learners=learners, memories=memories, step=self.step + steps)
        return later, np.asarray(losses)


@eqx.filter_jit
def _train_chunk(
    learners: Learner,
    memories: PyTree,
    rates: Float[Array, " runs"],
    tokens: Tokens,
    order: Int[Array, "runs steps batch"],
    keys: Key[Array, " runs"],
    training: Training,
) -> tuple[Learner, PyTree, Float[Array, " runs"]]:
    def one_run(params, memory, rate, order, key):
        def step(carry, inputs):
            params, memory = carry
            rows, key = inputs

            def loss(params):
                dropout = key if training.dropout else None
                return next_token_loss(eqx.combine(params, fixed), tokens[rows], key=dropout)

            value, gradient = jax.value_and_grad(loss)(params)
            updates, memory = training.optimizer(rate).update(gradient, memory, params)
            return (eqx.apply_updates(params, updates), memory), value

        step_keys = jax.random.split(key, len(order))
        (params, memory), losses = jax.lax.scan(step, (params, memory), (order, step_keys))
        return params, memory, jnp.mean(losses)

    params, fixed = eqx.partition(learners, eqx.is_inexact_array)
    params, memories, losses = jax.vmap(one_run)(params, memories, rates, order, keys)
    return eqx.combine(params, fixed), memories, losses
