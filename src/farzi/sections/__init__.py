"""The sections of a configuration: what may be set, and what it is then."""

from __future__ import annotations

from dataclasses import dataclass, field

from jaxtyping import PRNGKeyArray

from farzi.distillation import Recipe
from farzi.hypergradients.budget import parse_bytes
from farzi.models import Learner
from farzi.sections.data import DataConfig
from farzi.sections.evaluate import EvaluateConfig
from farzi.sections.learner import LearnerConfig
from farzi.sections.train import TrainConfig

__all__ = [
    "Config",
    "DataConfig",
    "EvaluateConfig",
    "LearnerConfig",
    "MemoryConfig",
    "TrainConfig",
]


@dataclass(frozen=True)
class MemoryConfig:
    """How much memory a run may take.

    Attributes:
        budget: such as "4 GB"; what the device has left if not given.
    """

    budget: str | None = None

    def __post_init__(self) -> None:
        if self.budget is not None:
            parse_bytes(self.budget)


@dataclass(frozen=True)
class Config:
    """A run.

    Attributes:
        data, learner, train, recipe, evaluate, memory: one a section.
    """

    data: DataConfig
    learner: LearnerConfig = field(default_factory=LearnerConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    recipe: Recipe = field(default_factory=Recipe)
    evaluate: EvaluateConfig = field(default_factory=EvaluateConfig)
    memory: MemoryConfig = field(default_factory=MemoryConfig)

    def __post_init__(self) -> None:
        if self.recipe.length > self.recipe.context:
            raise ValueError(
                f"[recipe] length is {self.recipe.length}, but the learner reads no more than "
                f"context, {self.recipe.context}; raise context or lower length"
            )

    def make_learner(self, key: PRNGKeyArray) -> Learner:
        """The learner with random initial weights."""
        return self.learner.make(self.data.tokens, self.recipe.context, key=key)
