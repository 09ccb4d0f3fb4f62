"""What is compared with what."""

from __future__ import annotations

from dataclasses import dataclass

from farzi.evaluation import ARMS, SENSITIVITY_OPTIMIZERS, SENSITIVITY_RATES
from farzi.sections.checks import check_positive
from farzi.sections.learner import Architecture
from farzi.training import NamedOptimizer


@dataclass(frozen=True)
class EvaluateConfig:
    """A comparison of training data.

    Attributes:
        arms: "full"; "distilled"; real sequences, as many and as long as the distilled ones:
            "random", "recent", "popular", "longest", "k-centre", "facility-location"; and each of
            these with "-soft", for labels from the learner trained on all data.
        architectures: that are trained on each arm; that of [learner] if not given. The first is
            the teacher.
        distilled: folders of distilled data; distilled here, by [recipe], if not given.
        few_rates: learning rates that all arms but the full data choose from.
        few_steps: the longest training on them.
        seeds: trainings at the best rate, each from its own random weights.
        sensitivity: arms that are also trained with other optimisers and rates, and with the same
            weights in other orders of their batches.
        optimizers: for that.
        optimizer_rates: for that.
    """

    arms: tuple[str, ...] = ("full", "distilled", "random", "random-soft")
    architectures: tuple[Architecture, ...] = ()
    distilled: tuple[str, ...] = ()
    few_rates: tuple[float, ...] = (2e-3, 5e-3, 1e-2, 2e-2, 5e-2)
    few_steps: int = 400
    seeds: int = 5
    sensitivity: tuple[str, ...] = ()
    optimizers: tuple[str, ...] = SENSITIVITY_OPTIMIZERS
    optimizer_rates: tuple[float, ...] = SENSITIVITY_RATES

    def __post_init__(self) -> None:
        check_positive(self, "few_steps", "seeds")
        for key in ("arms", "sensitivity"):
            unknown = [arm for arm in getattr(self, key) if arm not in ARMS]
            if unknown:
                raise ValueError(f"{key} has {unknown[0]!r}; there are {', '.join(ARMS)}")
        if "full" not in self.arms:
            raise ValueError('arms has no "full", with which all others are compared; add it')
        missing = set(self.sensitivity) - set(self.arms)
        if missing:
            raise ValueError(f"sensitivity has {min(missing)!r}, which arms has not; add it there")
        for key in ("few_rates", "optimizer_rates"):
            rates = getattr(self, key)
            if not rates or min(rates) <= 0:
                raise ValueError(f"{key} are {list(rates)}; give at least one, all above zero")
        for name in self.optimizers:
            NamedOptimizer(name)
