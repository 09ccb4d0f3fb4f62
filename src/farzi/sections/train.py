"""How learners are trained on real sequences."""

from __future__ import annotations

from dataclasses import dataclass

from farzi.sections.checks import check_positive
from farzi.training import NamedOptimizer, Training


@dataclass(frozen=True)
class TrainConfig:
    """Training on real sequences, all of them: each rate once, then some seeds at the best.

    Attributes:
        optimizer: of optax, with its settings, such as "adamw(weight_decay=0.1)".
        rates: learning rates to choose from, on validation.
        seeds: trainings at the best rate, each from its own random weights.
        batch: sequences a step.
        max_steps: the longest a training may take.
        validate_every: steps.
        patience: validations without a better score after which a training stops.
        clip: norm down to which gradients are scaled; they are left alone if not given.
        warmup: steps in which the rate rises.
        decay: steps over which the rate falls to a hundredth; it stays if not given.
    """

    optimizer: str = "adam"
    rates: tuple[float, ...] = (1e-3, 3e-3)
    seeds: int = 3
    batch: int = 128
    max_steps: int = 5000
    validate_every: int = 250
    patience: int = 4
    clip: float | None = None
    warmup: int = 0
    decay: int | None = None

    def __post_init__(self) -> None:
        check_positive(self, "seeds", "batch", "max_steps", "validate_every", "patience", "decay")
        if not self.rates or min(self.rates) <= 0:
            raise ValueError(f"rates are {list(self.rates)}; give at least one, all above zero")
        if self.clip is not None and self.clip <= 0:
            raise ValueError(f"clip is {self.clip}; use a number above zero")
        if self.warmup < 0:
            raise ValueError(f"warmup is {self.warmup}; use a whole number from 0 up")
        self.training()  # Rather now than later.

    def training(self) -> Training:
        """The settings as `farzi.train` takes them."""
        return Training(
            batch_size=self.batch,
            max_steps=self.max_steps,
            evaluate_every=self.validate_every,
            patience=self.patience,
            optimizer=NamedOptimizer(self.optimizer, self.clip, self.warmup, self.decay),
        )
