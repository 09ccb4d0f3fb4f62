"""The outer loop: improves the distilled data until training on them is as good as it gets."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from farzi.coresets import random_rows
from farzi.data import HeldOut, Sequences, Windows, batch_order, windows
from farzi.distillation.outer_step import Inputs, outer_optimizer, prepare, variable
from farzi.distillation.pool import Pool, expert_pool
from farzi.distillation.recipe import Recipe
from farzi.distillation.teachers import expected
from farzi.distilled import (
    Distilled,
    Factored,
    OwnLabels,
    check_rank,
    from_noise,
    from_real,
    from_teacher,
    reparametrised,
)
from farzi.files import write_atomically
from farzi.hypergradients import Adjoint
from farzi.metrics import Questions
from farzi.models import Learner, hard_tokens
from farzi.storage import METRICS, DistilledData
from farzi.training import MakeLearner, Training, Validation, train

# What a random stream is for stands before its seed, so that no two purposes share a stream.
_REAL, _ORDER, _START = 201, 202, 203
_VALIDATION_SEED = 10**9
"""The first seed of the learners that choose the best state; evaluations use seeds below it."""


@dataclass(frozen=True)
class OuterStep:
    """What one outer step tells.

    Attributes:
        step: counted from 1.
        loss: real loss at the end of the inner loops, in nats a token.
        gradient_norm: norm of the hypergradient by latents and decoder.
        adjoint_norm: the largest norm of the adjoint along the inner loops, before clipping.
        first_adjoint_norm: its norm at the first inner step, where the reverse pass ends.
        last_adjoint_norm: its norm at the last, where the reverse pass begins. A norm that has
            grown much from there to the first step is the sign of a chaotic inner loop. `Truncated`
            takes back a part of the steps, and these are the first and the last of that.
        clipped: share of the inner steps at which the adjoint was clipped.
        score: validation score of learners trained on the data after this step; None where
            there was no validation.
    """

    step: int
    loss: float
    gradient_norm: float
    adjoint_norm: float
    first_adjoint_norm: float
    last_adjoint_norm: float
    clipped: float
    score: float | None


@dataclass(frozen=True, eq=False)
class Distillation:
    """The outcome of a distillation.

    Attributes:
        data: the distilled data as they were at their best validation.
        best_step: the outer step at which that was; 0 if the start was never beaten.
        start_score: validation score of the start.
        history: every outer step.
        seconds: wall time.
        peak_bytes: memory of one outer step, as the compiler states it.
        adjoint: how the inner loops were differentiated: what `Auto` chose, or the recipe's.
    """

    data: DistilledData
    best_step: int
    start_score: float
    history: tuple[OuterStep, ...]
    seconds: float
    peak_bytes: int
    adjoint: Adjoint

    def save(self, folder: Path | str) -> None:
        """Write the data, and what making them took to `metrics.json`."""
        folder = Path(folder)
        self.data.save(folder)
        metrics = {
            "seconds": self.seconds,
            "outer_steps": len(self.history),
            "best_step": self.best_step,
            "peak_bytes": self.peak_bytes,
            "adjoint": repr(self.adjoint),
            "start_score": self.start_score,
            "validations": [
                {"step": step.step, "score": step.score}
                for step in self.history
                if step.score is not None
            ],
        }
        write_atomically(folder / METRICS, json.dumps(metrics, indent=1).encode() + b"\n")


_EXPERT_SEED = 15 * 10**8
"""The first seed of the experts, which are no learner of an evaluation either."""


def distill(
    sequences: Sequences,
    validation: HeldOut | Validation,
    make_learner: MakeLearner,
    recipe: Recipe | None = None,
    *,
    teacher: Learner | Sequence[Learner] | None = None,
    pool: Pool | None = None,
    seed: int = 0,
    on_step: Callable[[OuterStep], None] | None = None,
) -> Distillation:
    """Condense sequences into a few synthetic ones that train learners as well.

    Args:
        sequences: the training data.
        validation: questions or text that choose the best state; never those of the test.
        make_learner: builds the learner that the data are made for, with random initial weights.
        recipe: the settings; the defaults if not given.
        teacher: a learner trained on all data, or several. They judge by what they expect, all
            of them together, and the first is what the distillation starts from. One is trained
            here if it is needed and none given.
        pool: starting points of the inner loops; those that the recipe asks for if not given.
        seed: same seed, same machine, same outcome.
        on_step: called after every outer step.

    Raises:
        ValueError: if the recipe does not fit the data, or nothing the budget of `Auto`.
        FloatingPointError: if a loss or gradient is not finite.
    """
    recipe = recipe or Recipe()
    began = time.monotonic()
    _check_learner(make_learner, sequences, recipe)
    real = windows(sequences, recipe.context)
    if not len(real):
        raise ValueError(
            "no sequence has two events, so nothing can be predicted; give longer sequences."
        )
    if isinstance(validation, HeldOut):
        validation = Questions.of(validation, recipe.context)
    masked = sequences.loss_mask is not None
    if pool is None:
        pool = _pool(make_learner, real, recipe, seed)
    teachers = [teacher] if isinstance(teacher, Learner) else list(teacher or [])
    if not teachers and (recipe.start == "real" or recipe.judged):
        trained = train(make_learner, real, validation, Training(), rates=[3e-3], seeds=[seed])
        teachers = [trained.run(0)]
    program = prepare(recipe, pool, len(sequences.vocabulary), masked=masked, teachers=teachers)
    label = eqx.filter_jit(expected)
    start = _factored(sequences, teachers, recipe, seed)
    data: Distilled = reparametrised(start, **recipe.parameters)
    memory = outer_optimizer(recipe).init(variable(data))
    step_key = jax.random.key(seed)

    def score(data: Distilled) -> float:
        return validate(data, validation, make_learner, recipe)

    start_score = score(data)
    best, best_step, best_score = data, 0, start_score
    history: list[OuterStep] = []
    for step in range(1, recipe.outer_steps + 1):
        generator = np.random.default_rng([_REAL, seed, step])
        order = np.stack(
            [
                batch_order(
                    recipe.sequences,
                    recipe.batch,
                    recipe.inner_steps,
                    seed=[_ORDER, seed, step, start],
                )
                for start in range(recipe.starts)
            ]
        )
        rows = generator.integers(len(real), size=(recipe.starts, recipe.real_batch))
        tokens = hard_tokens(real, rows)
        if recipe.judged:
            tokens = label(teachers, tokens)
        inputs = Inputs(
            data,
            memory,
            jax.random.fold_in(step_key, step),
            jnp.asarray(order),
            tokens,
        )
        data, memory, measured = program(inputs)
        told = {name: float(value) for name, value in jax.device_get(measured)._asdict().items()}
        _check_finite(step, told["loss"], told["gradient_norm"], recipe)
        due = step % recipe.validate_every == 0 or step == recipe.outer_steps
        reached = score(data) if due else None
        if reached is not None and reached > best_score:
            best, best_step, best_score = data, step, reached
        history.append(OuterStep(step=step, score=reached, **told))
        if on_step is not None:
            on_step(history[-1])
    return Distillation(
        DistilledData(best, sequences.vocabulary, recipe.learner, recipe.numbers),
        best_step,
        start_score,
        tuple(history),
        time.monotonic() - began,
        program.bytes,
        program.adjoint,
    )


def validate(
    data: Distilled, validation: Validation, make_learner: MakeLearner, recipe: Recipe
) -> float:
    """Mean validation score of learners at the best of three points of the inner loop's length.

    Their starts are not those of any evaluation, which would not be fresh if data were chosen on
    them.
    """
    runs = recipe.validation_runs
    trained = train(
        make_learner,
        data.tokens(),
        validation,
        recipe.learner.training(),
        rates=[recipe.inner_rate] * runs,
        seeds=range(_VALIDATION_SEED, _VALIDATION_SEED + runs),
    )
    return float(np.mean(trained.best_scores))


def _check_learner(make_learner: MakeLearner, sequences: Sequences, recipe: Recipe) -> None:
    """Raise at once what would otherwise be raised after minutes, or never."""
    table = eqx.filter_eval_shape(make_learner, jax.random.key(0)).embedding
    if table.shape[0] != len(sequences.vocabulary):
        raise ValueError(
            f"the learner has embeddings for {table.shape[0]} tokens but the vocabulary has "
            f"{len(sequences.vocabulary)}; build the learner with len(sequences.vocabulary)."
        )
    if recipe.start == "real":
        check_rank(recipe.rank, *table.shape)


def _pool(make_learner: MakeLearner, real: Windows, recipe: Recipe, seed: int) -> Pool:
    """The starting points that the recipe asks for."""
    if not recipe.needs_experts:
        return Pool(make_learner)
    return expert_pool(
        make_learner,
        real,
        Training(max_steps=recipe.expert_steps, evaluate_every=recipe.expert_every),
        rate=recipe.expert_rate,
        trajectories=recipe.experts,
        share=recipe.expert_share,
        seed=_EXPERT_SEED + seed * recipe.experts,
        with_start=recipe.objective == "trajectory-matching",
    )


def _factored(
    sequences: Sequences, teachers: Sequence[Learner], recipe: Recipe, seed: int
) -> Factored | OwnLabels:
    """The start, before it is brought to the recipe's parametrisation."""
    if recipe.start == "noise":
        return from_noise(
            recipe.sequences,
            recipe.length + 1,
            len(sequences.vocabulary),
            rank=recipe.rank,
            key=jax.random.key(seed),
        )
    real = windows(sequences, recipe.length)
    rows = random_rows(real, recipe.sequences, np.random.default_rng([_START, seed]))
    mask, teacher = real.loss_mask(rows), teachers[0]
    if recipe.labels == "own":
        return from_teacher(real[rows], teacher, rank=recipe.rank, loss_mask=mask)
    confidence = 0.7 if recipe.confidence is None else recipe.confidence
    return from_real(
        real[rows], teacher.embedding, rank=recipe.rank, confidence=confidence, loss_mask=mask
    )


def _check_finite(step: int, loss: float, norm: float, recipe: Recipe) -> None:
    if not np.isfinite([loss, norm]).all():
        raise FloatingPointError(
            f"outer step {step} gave a loss of {loss} and a hypergradient of norm {norm}; lower "
            f"inner_rate ({recipe.inner_rate}) or outer_rate ({recipe.outer_rate}), or set "
            f"adjoint_clip (now {recipe.adjoint_clip})."
        )
