"""Trains learners until their validation gets no better, and returns them at their best."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from farzi.data import Windows
from farzi.metrics import Questions, Text
from farzi.models import Learner, Tokens
from farzi.training.checkpoint import Checkpoint
from farzi.training.runs import MakeLearner, Runs
from farzi.training.settings import Training

Validation = Questions | Text
"""What decides how long a training is good for: `score` says how good, the more the better."""


@dataclass(frozen=True, eq=False)
class Trained:
    """Learners as they were at their best validation.

    Attributes:
        learners: all runs, stacked on a new first axis of every array.
        best_steps: when each was at its best, `[runs]`.
        best_scores: its validation score then, `[runs]`.
        steps: when validations took place, `[validations]`.
        scores: all validations, `[validations, runs]`.
        losses: mean training loss since the validation before, `[validations, runs]`.
        seconds: wall time, also before an interruption, compiling included.
    """

    learners: Learner
    best_steps: np.ndarray
    best_scores: np.ndarray
    steps: np.ndarray
    scores: np.ndarray
    losses: np.ndarray
    seconds: float

    def run(self, index: int) -> Learner:
        """The learner of one run."""
        return jax.tree.map(lambda leaf: leaf[index] if eqx.is_array(leaf) else leaf, self.learners)


def train(
    make_learner: MakeLearner,
    tokens: Tokens | Windows,
    validation: Validation,
    training: Training,
    *,
    rates: Sequence[float],
    seeds: Sequence[int],
    orders: Sequence[int] | None = None,
    on_validation: Callable[[int, np.ndarray, np.ndarray], None] | None = None,
    checkpoint: Checkpoint | None = None,
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
        orders: seed of the batches and of dropout of each run, if it is another than that of its
            weights.
        on_validation: called after each validation with the step, the mean training losses since
            the one before, and the validation scores.
        checkpoint: where the state is kept from one validation to the next, so that a training
            that was interrupted goes on where it was.

    Raises:
        ValueError: if there is not one seed for each rate.
        FloatingPointError: if no run came to a finite score.
    """
    orders = seeds if orders is None else orders
    if not len(rates) == len(seeds) == len(orders):
        raise ValueError(
            f"there are {len(rates)} rates, {len(seeds)} seeds and {len(orders)} orders; give one "
            "of each for each run."
        )
    began = time.monotonic()
    state = _State.start(
        Runs.start(make_learner, training, rates=rates, seeds=seeds, orders=orders)
    )
    if checkpoint is not None:
        state = state.after(checkpoint)
    while not state.done(training):
        runs = state.runs
        steps = min(training.evaluate_every, training.max_steps - runs.step)
        runs, losses = runs.advance(tokens, steps)
        scores = np.asarray(validation_scores(runs.learners, validation))
        seconds, began = state.seconds + time.monotonic() - began, time.monotonic()
        state = state.judged(runs, losses, np.nan_to_num(scores, nan=-np.inf), seconds)
        if checkpoint is not None:
            state.keep(checkpoint)
        if on_validation is not None:
            on_validation(runs.step, losses, state.history[-1][1])
    if not np.isfinite(state.best_scores).any():
        raise FloatingPointError(
            f"training gave no finite score at the learning rates {sorted(set(rates))}; "
            "try smaller ones."
        )
    steps, scores, losses = (np.array(column) for column in zip(*state.history, strict=True))
    return Trained(
        state.best, state.best_steps, state.best_scores, steps, scores, losses, state.seconds
    )


@dataclass(frozen=True, eq=False)
class _State:
    """Where a training stands after a validation.

    Attributes:
        runs: as they are.
        best: the learners as they were at their best.
        best_scores, best_steps: then, `[runs]`.
        history: step, scores and losses of each validation.
        seconds: wall time until then.
    """

    runs: Runs
    best: Learner
    best_scores: np.ndarray
    best_steps: np.ndarray
    history: tuple[tuple[int, np.ndarray, np.ndarray], ...]
    seconds: float

    @classmethod
    def start(cls, runs: Runs) -> _State:
        count = len(runs.seeds)
        return cls(runs, runs.learners, np.full(count, -np.inf), np.zeros(count, int), (), 0.0)

    def judged(self, runs: Runs, losses: np.ndarray, scores: np.ndarray, seconds: float) -> _State:
        better = scores > self.best_scores
        return _State(
            runs,
            _choose(jnp.asarray(better), runs.learners, self.best),
            np.where(better, scores, self.best_scores),
            np.where(better, runs.step, self.best_steps),
            (*self.history, (runs.step, scores, losses)),
            seconds,
        )

    def done(self, training: Training) -> bool:
        waited = self.runs.step - self.best_steps
        patient = training.patience * training.evaluate_every
        return self.runs.step >= training.max_steps or bool(
            self.history and np.all(waited >= patient)
        )

    def keep(self, checkpoint: Checkpoint) -> None:
        arrays = {
            "best_scores": self.best_scores,
            "best_steps": self.best_steps,
            "seconds": np.array(self.seconds),
        }
        for name, column in zip(_HISTORY, zip(*self.history, strict=True), strict=True):
            arrays[name] = np.array(column)
        checkpoint.save(self._trees(), arrays)

    def after(self, checkpoint: Checkpoint) -> _State:
        """The state that was kept; this one if there is none."""
        kept = checkpoint.load(self._trees())
        if kept is None:
            return self
        (learners, memories, best), arrays = kept
        missing = {"best_scores", "best_steps", "seconds", *_HISTORY} - set(arrays)
        if missing:
            raise ValueError(
                f"{checkpoint.path} is damaged (it has no {min(missing)}); delete it, and the "
                "training begins again."
            )
        history = tuple(zip(*(arrays[name] for name in _HISTORY), strict=True))
        step = int(arrays["steps"][-1])
        return _State(
            replace(self.runs, learners=learners, memories=memories, step=step),
            best,
            arrays["best_scores"],
            arrays["best_steps"],
            tuple((int(step), scores, losses) for step, scores, losses in history),
            float(arrays["seconds"]),
        )

    def _trees(self) -> tuple[PyTree, ...]:
        return self.runs.learners, self.runs.memories, self.best


_HISTORY = ("steps", "scores", "losses")


@eqx.filter_jit
def validation_scores(learners: Learner, validation: Validation) -> Float[Array, " runs"]:
    """The score of each of the stacked learners; NaN where one of its numbers is."""
    return eqx.filter_vmap(validation.score, in_axes=(eqx.if_array(0),))(learners)


@eqx.filter_jit
def _choose(better: Array, new: Learner, old: Learner) -> Learner:
    """For each run, `new` where it is better."""

    def choose(new: Array, old: Array) -> Array:
        return jnp.where(better.reshape(-1, *[1] * (new.ndim - 1)), new, old)

    new_arrays, fixed = eqx.partition(new, eqx.is_array)
    old_arrays = eqx.filter(old, eqx.is_array)
    return eqx.combine(jax.tree.map(choose, new_arrays, old_arrays), fixed)
