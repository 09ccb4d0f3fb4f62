"""All settings of a distillation."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Literal

import optax

from farzi.hypergradients import Adjoint, Auto, StoreStates
from farzi.storage import Numbers
from farzi.training import LearnerRecipe


@dataclass(frozen=True)
class Recipe:
    """How many synthetic sequences, and how they are made.

    The defaults are those that `docs/decisions.md` arrived at on the packaged flights.

    Attributes:
        sequences: how many synthetic sequences (the paper's mu).
        length: predictions in each, so each holds `length + 1` soft tokens (xi).
        context: predictions in each of the real sequences that judge a learner.
        labels: what a place is asked for. `"own"`: a distilled label of its own, while learners
            read real tokens (`farzi.distilled.OwnLabels`). `"next"`, as in the paper: the soft
            token that the next place reads (`farzi.distilled.Factored`).
        rank: numbers in a latent (d).
        numbers: type in which latents and decoder are stored; int8 with a scale for each of the
            `rank` components.
        judge: what a learner has to have learned at the end of an inner loop. `"teacher"`: what
            learners trained on all data expect next in real sequences
            (`farzi.distillation.teachers`). `"tokens"`, as in the paper: the tokens that follow.
        start: from `"real"` sequences seen through a trained learner, or from `"noise"`.
        confidence: mean probability of the real token in a start from real sequences whose labels
            are the next tokens; 0.7 if not given.
        inner_steps: T, the steps a learner takes on the distilled data.
        inner_rate: its Adam rate.
        inner_eps: added to the root of the second moment; also inside the root, squared. A larger
            value than the usual makes the end point a smoother function of the data.
        inner_batch: sequences in an inner step; None for all.
        outer_steps: updates of the distilled data.
        outer_rate: their Adam rate at its highest.
        warmup: outer steps in which the rate rises to it; then it falls along half a cosine.
        final_rate: the rate at the last step, as a share of the highest.
        starts: inner loops averaged in an outer step.
        real_batch: real sequences that judge each inner loop.
        adjoint: how the inner loop is differentiated; `Auto(...)` chooses by the memory of a whole
            outer step.
        adjoint_clip: see `farzi.hypergradient`.
        validate_every: outer steps from one validation to the next.
        validation_runs: learners trained for a validation.

    Raises:
        ValueError: if a number is not positive, or the start unknown.
    """

    sequences: int = 145
    length: int = 10
    context: int = 20
    labels: Literal["own", "next"] = "own"
    rank: int = 16
    numbers: Numbers = "int8"
    judge: Literal["teacher", "tokens"] = "teacher"
    start: Literal["real", "noise"] = "real"
    confidence: float | None = None
    inner_steps: int = 60
    inner_rate: float = 0.01
    inner_eps: float = 1e-4
    inner_batch: int | None = 36
    outer_steps: int = 400
    outer_rate: float = 0.04
    warmup: int = 20
    final_rate: float = 0.05
    starts: int = 1
    real_batch: int = 256
    adjoint: Adjoint | Auto = field(default_factory=StoreStates)
    adjoint_clip: float | None = 1.0
    validate_every: int = 50
    validation_runs: int = 3

    def __post_init__(self) -> None:
        for setting in fields(self):
            value = getattr(self, setting.name)
            least = 0 if setting.name == "warmup" else math.ulp(0.0)
            if isinstance(value, int | float) and not least <= value < math.inf:
                raise ValueError(
                    f"{setting.name} is {value}; use a number "
                    f"{'from zero up' if least == 0 else 'greater than zero'}."
                )
        for name, known in (
            ("start", ("real", "noise")),
            ("labels", ("own", "next")),
            ("numbers", ("int8", "float16")),
            ("judge", ("teacher", "tokens")),
        ):
            if getattr(self, name) not in known:
                first, second = known
                raise ValueError(f'{name} is {getattr(self, name)!r}; use "{first}" or "{second}".')
        if self.labels == "own" and self.start == "noise":
            raise ValueError(
                'labels = "own" keeps real sequences as inputs, so there is no start from noise; '
                'use start = "real" or labels = "next".'
            )
        if self.labels == "own" and self.confidence is not None:
            raise ValueError(
                "confidence is set, but labels of their own start from what a trained learner "
                'expects; leave it out, or use labels = "next".'
            )

    @property
    def batch(self) -> int:
        """Sequences in an inner step."""
        return min(self.inner_batch or self.sequences, self.sequences)

    @cached_property
    def learner(self) -> LearnerRecipe:
        """How learners are trained on the distilled data, in the inner loop and afterwards."""
        return LearnerRecipe(self.inner_steps, self.inner_rate, self.inner_eps, self.batch)

    def outer_schedule(self) -> optax.Schedule:
        """The rate of the outer optimiser at each outer step."""
        return optax.warmup_cosine_decay_schedule(
            init_value=self.outer_rate / (self.warmup + 1),
            peak_value=self.outer_rate,
            warmup_steps=self.warmup,
            decay_steps=max(self.outer_steps - 1, self.warmup + 1),
            end_value=self.outer_rate * self.final_rate,
        )


def teachers_needed(recipe: Recipe, available: int) -> int:
    """How many of the learners trained on all data a distillation uses: all that judge."""
    return available if recipe.judge == "teacher" else int(recipe.start == "real")
