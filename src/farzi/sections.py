"""The sections of a configuration: what may be set, and what it is then."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from jaxtyping import PRNGKeyArray

from farzi.data import Split, flights, leave_last_out
from farzi.distillation import Recipe
from farzi.hypergradients.budget import parse_bytes
from farzi.models import LSTM, FMLPRec, GRU4Rec, Learner, SASRec, Transformer
from farzi.preparing.folder import load_prepared

_READ_BY = {
    "heads": ("sasrec", "transformer"),
    "hidden": ("gru4rec",),
    "rotary": ("transformer",),
}
"""Settings that not every architecture has."""


@dataclass(frozen=True)
class DataConfig:
    """What is distilled: a data set, or the size of one that is still to be prepared.

    Attributes:
        name: of a packaged data set.
        folder: that `farzi prepare` wrote.
        vocabulary: how many tokens there will be.
        validation_questions: how many questions a validation will ask.
    """

    name: Literal["flights"] | None = None
    folder: str | None = None
    vocabulary: int | None = None
    validation_questions: int | None = None

    def __post_init__(self) -> None:
        if [self.name, self.folder, self.vocabulary].count(None) != 2:
            raise ValueError(
                'give one of name = "flights", folder = "prepared" and vocabulary = (a number)'
            )
        if self.vocabulary is None and self.validation_questions is not None:
            raise ValueError("the data have their own validation_questions; leave the key out")
        _check_positive(self, "vocabulary", "validation_questions")

    @cached_property
    def split(self) -> Split | None:
        """The data set, split; None for one that is still to be prepared."""
        if self.folder is not None:
            return load_prepared(self.folder).split
        return None if self.name is None else leave_last_out(flights())

    @property
    def tokens(self) -> int:
        """Size of the vocabulary."""
        if self.split is not None:
            return len(self.split.train.vocabulary)
        assert self.vocabulary is not None
        return self.vocabulary

    @property
    def questions(self) -> int | None:
        """Number of validation questions, if known."""
        return self.validation_questions if self.split is None else len(self.split.validation)


@dataclass(frozen=True)
class LearnerConfig:
    """The learner that the data are made for; it reads as much as the recipe's `context`.

    Attributes:
        architecture: its kind.
        width: size of an embedding and of every hidden state.
        layers: number of blocks, or of recurrent layers.
        heads: attention heads a block; 1 if not given.
        hidden: size of the recurrent state of gru4rec; the width if not given.
        rotary: whether positions of the transformer are rotary.
        dropout: share of entries dropped in training.
    """

    architecture: Literal["sasrec", "gru4rec", "fmlp", "transformer", "lstm"] = "sasrec"
    width: int = 64
    layers: int = 2
    heads: int | None = None
    hidden: int | None = None
    rotary: bool | None = None
    dropout: float = 0.0

    def __post_init__(self) -> None:
        _check_positive(self, "width", "layers", "heads", "hidden")
        for key, readers in _READ_BY.items():
            if getattr(self, key) is not None and self.architecture not in readers:
                raise ValueError(
                    f"{key} is set, but {self.architecture} has none; leave it out, or use "
                    f"{' or '.join(readers)}"
                )
        if self.width % (self.heads or 1):
            raise ValueError(f"heads is {self.heads}, which does not divide the width {self.width}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}; use a share from 0 to below 1")


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
        data, learner, recipe, memory: one a section.
    """

    data: DataConfig
    learner: LearnerConfig = field(default_factory=LearnerConfig)
    recipe: Recipe = field(default_factory=Recipe)
    memory: MemoryConfig = field(default_factory=MemoryConfig)

    def __post_init__(self) -> None:
        if self.recipe.length > self.recipe.context:
            raise ValueError(
                f"[recipe] length is {self.recipe.length}, but the learner reads no more than "
                f"context, {self.recipe.context}; raise context or lower length"
            )

    def make_learner(self, key: PRNGKeyArray) -> Learner:
        """The learner with random initial weights."""
        learner = self.learner
        sizes: dict[str, Any] = {
            "vocabulary": self.data.tokens,
            "width": learner.width,
            "layers": learner.layers,
            "dropout": learner.dropout,
            "key": key,
        }
        context, heads = self.recipe.context, learner.heads or 1
        match learner.architecture:
            case "sasrec":
                return SASRec(heads=heads, length=context, **sizes)
            case "gru4rec":
                return GRU4Rec(hidden=learner.hidden, **sizes)
            case "fmlp":
                return FMLPRec(length=context, **sizes)
            case "transformer":
                rotary = bool(learner.rotary)
                return Transformer(heads=heads, length=context, rotary=rotary, **sizes)
            case "lstm":
                return LSTM(**sizes)


def _check_positive(section: Any, *keys: str) -> None:
    for key in keys:
        value = getattr(section, key)
        if value is not None and value < 1:
            raise ValueError(f"{key} is {value}; use a whole number from 1 up")
