"""How learners are trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import optax
from jaxtyping import Array, Float

from farzi.hypergradients import adam
from farzi.training.optimizers import NamedOptimizer

MakeOptimizer = Callable[[Float[Array, ""]], optax.GradientTransformation]
"""From a learning rate to an optax optimiser."""


@dataclass(frozen=True)
class Training:
    """How learners are trained and when they stop.

    Attributes:
        batch_size: sequences a step; all of them where there are fewer.
        max_steps: the longest a run may take.
        evaluate_every: steps from one validation to the next.
        patience: validations without a better score after which a run stops.
        optimizer: from a learning rate to an optax optimiser.
        dropout: whether learners that have dropout use it.
    """

    batch_size: int = 128
    max_steps: int = 2000
    evaluate_every: int = 100
    patience: int = 4
    optimizer: MakeOptimizer = field(default_factory=NamedOptimizer)
    dropout: bool = True

    def __post_init__(self) -> None:
        for name in ("batch_size", "max_steps", "evaluate_every", "patience"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; use at least 1.")


@dataclass(frozen=True)
class LearnerRecipe:
    """How a learner is trained on a handful of sequences, as they were made for.

    Attributes:
        steps: how long; with many more a learner learns the sequences by heart.
        rate: learning rate.
        eps: of Adam: added to the root of Adam's second moment, and squared inside the root.
        batch_size: sequences a step.
        name: of the optimiser: `"adam"`, or `"sgd"` with a momentum of 0.9, which has no `eps`.
    """

    steps: int
    rate: float
    eps: float
    batch_size: int
    name: Literal["adam", "sgd"] = "adam"

    def optimizer(self, rate: float | Float[Array, ""]) -> optax.GradientTransformation:
        """The optimiser at any rate, with this `eps`."""
        if self.name == "sgd":
            return optax.sgd(rate, momentum=0.9)
        return adam(rate, eps=self.eps, eps_root=self.eps**2)

    def training(self, max_steps: int | None = None) -> Training:
        """The training, validated three times in `steps`; `max_steps` if longer or shorter.

        Without dropout, as the sequences were made for learners without.
        """
        return Training(
            batch_size=self.batch_size,
            max_steps=max_steps or self.steps,
            evaluate_every=max(self.steps // 3, 1),
            optimizer=self.optimizer,
            dropout=False,
        )
