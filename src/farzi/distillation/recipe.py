"""All settings of a distillation."""

from __future__ import annotations

import math
import typing
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, Literal

import optax

from farzi.hypergradients import Adjoint, Auto, StoreStates
from farzi.storage import Numbers
from farzi.training import LearnerRecipe

Objective = Literal["meta-matching", "trajectory-matching", "gradient-matching"]


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
        parametrisation: of the distributions. `"factored"`, as in the paper; `"tucker"`, whose
            latents are factored too (`farzi.distilled.Tucker`); or `"dense"`, a number for each
            token and place, whose start alone is of the rank.
        rank: numbers in a latent (d).
        sequence_rank: of Tucker's factors of sequences.
        time_rank: of Tucker's factors of places.
        numbers: type in which latents and decoder are stored; int8 with a scale for each of the
            `rank` components.
        judge: what a learner has to have learned at the end of an inner loop. `"teacher"`: what
            learners trained on all data expect next in real sequences
            (`farzi.distillation.teachers`). `"tokens"`, as in the paper: the tokens that follow.
        objective: `"meta-matching"`, the paper's: learners are judged where the inner loop ends.
            `"trajectory-matching"` (MTT) asks for the weights of experts, learners on their way
            through all data, and `"gradient-matching"` (DC) for the gradients of real data along
            the inner loop. Only meta-matching has a judge.
        experts: training runs on all data that leave checkpoints, for trajectory matching and for
            `expert_share`.
        expert_steps: length of each.
        expert_every: steps from one checkpoint to the next.
        expert_rate: their Adam rate.
        expert_stretch: checkpoints from the start of an inner loop to the weights that it has to
            come to, for trajectory matching.
        expert_share: how many of the starts of the other objectives are checkpoints of experts and
            not random weights; 0 to 1.
        start: from `"real"` sequences seen through a trained learner, or from `"noise"`.
        confidence: mean probability of the real token in a start from real sequences whose labels
            are the next tokens; 0.7 if not given.
        inner_steps: T, the steps a learner takes on the distilled data.
        inner_optimizer: its optimiser, `"adam"` or `"sgd"` with a momentum of 0.9.
        inner_rate: its rate.
        inner_eps: of Adam: added to the root of the second moment; also inside the root, squared.
            A larger value than the usual makes the end point a smoother function of the data.
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
    parametrisation: Literal["factored", "tucker", "dense"] = "factored"
    rank: int = 16
    sequence_rank: int | None = None
    time_rank: int | None = None
    numbers: Numbers = "int8"
    judge: Literal["teacher", "tokens"] = "teacher"
    objective: Objective = "meta-matching"
    experts: int = 4
    expert_steps: int = 150
    expert_every: int = 15
    expert_rate: float = 0.01
    expert_stretch: int = 4
    expert_share: float = 0.0
    start: Literal["real", "noise"] = "real"
    confidence: float | None = None
    inner_steps: int = 60
    inner_optimizer: Literal["adam", "sgd"] = "adam"
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
            least = 0 if setting.name in ("warmup", "expert_share") else math.ulp(0.0)
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
            ("inner_optimizer", ("adam", "sgd")),
            ("parametrisation", ("factored", "tucker", "dense")),
            ("objective", typing.get_args(Objective)),
        ):
            if getattr(self, name) not in known:
                others = " or ".join(f'"{one}"' for one in known)
                raise ValueError(f"{name} is {getattr(self, name)!r}; use {others}.")
        for name in ("sequence_rank", "time_rank"):
            tucker = self.parametrisation == "tucker"
            if tucker and getattr(self, name) is None:
                raise ValueError(f"{name} is not set, which Tucker's factors need; set it.")
            if not tucker and getattr(self, name) is not None:
                raise ValueError(
                    f'{name} is set, but is for parametrisation = "tucker" only; leave it out.'
                )
        if self.expert_share > 1:
            raise ValueError(f"expert_share is {self.expert_share}; use a number from 0 to 1.")
        if self.objective == "trajectory-matching":
            if self.expert_share:
                raise ValueError(
                    "expert_share is set, but trajectory matching starts from experts always; "
                    "leave it out."
                )
            if self.expert_steps // self.expert_every < self.expert_stretch:
                raise ValueError(
                    f"expert_stretch is {self.expert_stretch}, but expert_steps // expert_every "
                    "leaves fewer checkpoints; lower it, or raise expert_steps."
                )
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
        return LearnerRecipe(
            self.inner_steps, self.inner_rate, self.inner_eps, self.batch, self.inner_optimizer
        )

    @property
    def parameters(self) -> dict[str, Any]:
        """What `farzi.distilled.reparametrised` is told."""
        names = ("parametrisation", "sequence_rank", "time_rank")
        return {name: getattr(self, name) for name in names}

    @property
    def needs_experts(self) -> bool:
        """Whether the pool holds checkpoints of trainings on all data."""
        return self.objective == "trajectory-matching" or self.expert_share > 0

    @property
    def judged(self) -> bool:
        """Whether teachers judge."""
        return self.judge == "teacher" and self.objective == "meta-matching"

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
    return available if recipe.judged else int(recipe.start == "real")
