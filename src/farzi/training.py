"""Trains learners on any data, hard or soft; several runs at once in one program."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, Key, PRNGKeyArray, PyTree

from farzi.data import Windows, batch_order
from farzi.hypergradients import adam
from farzi.losses import next_token_loss
from farzi.metrics import Questions, rank_targets
from farzi.models import Learner, Tokens, hard_tokens

MakeLearner = Callable[[PRNGKeyArray], Learner]
"""Builds a learner with random initial weights from a key."""


# What a random stream is for stands before its seed, so that no two purposes share a stream.
_BATCHES, _DROPOUT = 101, 102

LARGEST = 2**24
"""Real tokens that are on the device at a time (64 MB), of all runs together."""


@dataclass(frozen=True)
class Training:
    """How learners are trained and when they stop.

    Attributes:
        batch_size: sequences a step; all of them where there are fewer.
        max_steps: the longest a run may take.
        evaluate_every: steps from one validation to the next.
        patience: validations without a better NDCG@10 after which a run stops.
        optimizer: from a learning rate to an optax optimiser.
    """

    batch_size: int = 128
    max_steps: int = 2000
    evaluate_every: int = 100
    patience: int = 4
    optimizer: Callable[[Float[Array, ""]], optax.GradientTransformation] = optax.adam

    def __post_init__(self) -> None:
        for name in ("batch_size", "max_steps", "evaluate_every", "patience"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; use at least 1.")


@dataclass(frozen=True)
class LearnerRecipe:
    """How a learner is trained on a handful of sequences, as they were made for.

    Attributes:
        steps: how long; with many more a learner learns the sequences by heart.
        rate: Adam's learning rate.
        eps: added to the root of Adam's second moment, and squared inside the root.
        batch_size: sequences a step.
    """

    steps: int
    rate: float
    eps: float
    batch_size: int

    def optimizer(self, rate: float | Float[Array, ""]) -> optax.GradientTransformation:
        """Adam at any rate, with this `eps`."""
        return adam(rate, eps=self.eps, eps_root=self.eps**2)

    def training(self, max_steps: int | None = None) -> Training:
        """The training, validated three times in `steps`; `max_steps` if longer or shorter."""
        return Training(
            batch_size=self.batch_size,
            max_steps=max_steps or self.steps,
            evaluate_every=max(self.steps // 3, 1),
            optimizer=self.optimizer,
        )


@dataclass(frozen=True, eq=False)
class Trained:
    """Learners as they were at their best validation.

    Attributes:
        learners: all runs, stacked on a new first axis of every array.
        best_steps: when each was at its best, `[runs]`.
        best_scores: its validation NDCG@10 then, `[runs]`.
        steps: when validations took place, `[validations]`.
        scores: all validations, `[validations, runs]`.
        losses: mean training loss since the validation before, `[validations, runs]`.
    """

    learners: Learner
    best_steps: np.ndarray
    best_scores: np.ndarray
    steps: np.ndarray
    scores: np.ndarray
    losses: np.ndarray

    def run(self, index: int) -> Learner:
        """The learner of one run."""
        return jax.tree.map(lambda leaf: leaf[index] if eqx.is_array(leaf) else leaf, self.learners)


def train(
    make_learner: MakeLearner,
    tokens: Tokens | Windows,
    validation: Questions,
    training: Training,
    *,
    rates: Sequence[float],
    seeds: Sequence[int],
    on_validation: Callable[[int, np.ndarray, np.ndarray], None] | None = None,
) -> Trained:
    """Train one learner for each pair of `rates` and `seeds`, all in one program.

    Each run starts from weights and reads batches of its own seed, is validated regularly, and is
    returned as it was at its best validation; all stop once none has improved for a while.

    Args:
        make_learner: builds a learner.
        tokens: ids `[rows, time + 1]` or distributions `[rows, time + 1, vocab]`; or windows, of
            which only the rows that come next are ever in memory.
        validation: decides when to stop; the test questions have no business here.
        training: batch size, length, optimiser.
        rates: learning rate of each run.
        seeds: seed of each run, as many as `rates`.
        on_validation: called after each validation with the step, the mean training losses since
            the one before, and the validation scores.

    Raises:
        ValueError: if there is not one seed for each rate.
        FloatingPointError: if no run came to a finite score.
    """
    if len(rates) != len(seeds):
        raise ValueError(
            f"there are {len(rates)} rates and {len(seeds)} seeds; give one of each for each run."
        )
    runs = Runs.start(make_learner, training.optimizer, rates=rates, seeds=seeds)
    best, best_scores = runs.learners, np.full(len(seeds), -np.inf)
    best_steps = np.zeros(len(seeds), int)
    history: list[tuple[int, np.ndarray, np.ndarray]] = []
    while runs.step < training.max_steps:
        steps = min(training.evaluate_every, training.max_steps - runs.step)
        runs, losses = runs.advance(tokens, training.batch_size, steps)
        done, learners = runs.step, runs.learners
        scores = np.nan_to_num(np.asarray(validation_scores(learners, validation)), nan=-np.inf)
        history.append((done, scores, losses))
        better = scores > best_scores
        best = _choose(jnp.asarray(better), learners, best)
        best_scores = np.where(better, scores, best_scores)
        best_steps = np.where(better, done, best_steps)
        if on_validation is not None:
            on_validation(done, losses, scores)
        if np.all(done - best_steps >= training.patience * training.evaluate_every):
            break
    if not np.isfinite(best_scores).any():
        raise FloatingPointError(
            f"training gave no finite score at the learning rates {sorted(set(rates))}; "
            "try smaller ones."
        )
    steps, scores, losses = (np.array(column) for column in zip(*history, strict=True))
    return Trained(best, best_steps, best_scores, steps, scores, losses)


@eqx.filter_jit
def validation_scores(learners: Learner, questions: Questions) -> Float[Array, " runs"]:
    """NDCG@10 of each of the stacked learners; NaN where a score is."""

    def score(learner: Learner) -> Float[Array, ""]:
        rank = rank_targets(learner, questions)
        gain = jnp.where(rank <= 10, 1 / jnp.log2(1 + rank), 0.0)
        return jnp.where(jnp.any(jnp.isnan(rank)), jnp.nan, jnp.mean(gain))

    return eqx.filter_vmap(score, in_axes=(eqx.if_array(0),))(learners)


@dataclass(frozen=True, eq=False)
class Runs:
    """Several trainings on their way, side by side in one program.

    Attributes:
        learners, memories: learners and their optimisers' memories, stacked.
        rates: learning rates, float `[runs]`.
        seeds: seed of each run; with the step it decides on batches and dropout.
        step: how far they are.
        optimizer: from a learning rate to an optax optimiser.
    """

    learners: Learner
    memories: PyTree
    rates: Float[Array, " runs"]
    seeds: tuple[int, ...]
    step: int
    optimizer: Callable[[Float[Array, ""]], optax.GradientTransformation]

    @classmethod
    def start(
        cls,
        make_learner: MakeLearner,
        optimizer: Callable[[Float[Array, ""]], optax.GradientTransformation],
        *,
        rates: Sequence[float],
        seeds: Sequence[int],
    ) -> Runs:
        """Runs before their first step, each with the random weights of its seed."""
        keys = jnp.stack([jax.random.key(seed) for seed in seeds])
        learners = eqx.filter_vmap(make_learner)(keys)
        rate_array = jnp.asarray(rates, float)

        def init(learner: Learner, rate: Float[Array, ""]) -> PyTree:
            return optimizer(rate).init(eqx.filter(learner, eqx.is_inexact_array))

        memories = eqx.filter_vmap(init, in_axes=(eqx.if_array(0), 0))(learners, rate_array)
        return cls(learners, memories, rate_array, tuple(seeds), 0, optimizer)

    def advance(
        self, tokens: Tokens | Windows, batch_size: int, steps: int
    ) -> tuple[Runs, np.ndarray]:
        """The same runs `steps` later, and their mean losses on the way, `[runs]`."""
        at_once = steps
        if isinstance(tokens, Windows):
            a_step = len(self.seeds) * min(batch_size, len(tokens)) * (tokens.length + 1)
            at_once = max(LARGEST // max(a_step, 1), 1)
        runs, losses = self, np.zeros(len(self.seeds))
        for first in range(0, steps, at_once):
            portion = min(at_once, steps - first)
            runs, mean = runs._advance(tokens, batch_size, portion)
            losses += mean * (portion / steps)
        return runs, losses

    def _advance(
        self, tokens: Tokens | Windows, batch_size: int, steps: int
    ) -> tuple[Runs, np.ndarray]:
        order = np.stack(
            [
                batch_order(len(tokens), batch_size, steps, seed=[_BATCHES, seed], first=self.step)
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
            self.optimizer,
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
    optimizer: Callable[..., Any],
) -> tuple[Learner, PyTree, Float[Array, " runs"]]:
    def one_run(params, memory, rate, order, key):
        def step(carry, inputs):
            params, memory = carry
            rows, key = inputs

            def loss(params):
                return next_token_loss(eqx.combine(params, fixed), tokens[rows], key=key)

            value, gradient = jax.value_and_grad(loss)(params)
            updates, memory = optimizer(rate).update(gradient, memory, params)
            return (eqx.apply_updates(params, updates), memory), value

        step_keys = jax.random.split(key, len(order))
        (params, memory), losses = jax.lax.scan(step, (params, memory), (order, step_keys))
        return params, memory, jnp.mean(losses)

    params, fixed = eqx.partition(learners, eqx.is_inexact_array)
    params, memories, losses = jax.vmap(one_run)(params, memories, rates, order, keys)
    return eqx.combine(params, fixed), memories, losses


@eqx.filter_jit
def _choose(better: Array, new: Learner, old: Learner) -> Learner:
    """For each run, `new` where it is better."""

    def choose(new: Array, old: Array) -> Array:
        return jnp.where(better.reshape(-1, *[1] * (new.ndim - 1)), new, old)

    new_arrays, fixed = eqx.partition(new, eqx.is_array)
    old_arrays = eqx.filter(old, eqx.is_array)
    return eqx.combine(jax.tree.map(choose, new_arrays, old_arrays), fixed)
