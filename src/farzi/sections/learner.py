"""The learner that data are made for, or trained on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from jaxtyping import PRNGKeyArray

from farzi.models import LSTM, FMLPRec, GRU4Rec, Learner, SASRec, Transformer
from farzi.sections.checks import check_positive

Architecture = Literal["sasrec", "gru4rec", "fmlp", "transformer", "lstm"]

_READ_BY = {
    "heads": ("sasrec", "transformer"),
    "hidden": ("gru4rec",),
    "rotary": ("transformer",),
}
"""Settings that not every architecture has."""
_NAMES = {
    "sasrec": "SASRec",
    "gru4rec": "GRU4Rec",
    "fmlp": "FMLP-Rec",
    "transformer": "Transformer",
    "lstm": "LSTM",
}


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

    architecture: Architecture = "sasrec"
    width: int = 64
    layers: int = 2
    heads: int | None = None
    hidden: int | None = None
    rotary: bool | None = None
    dropout: float = 0.0

    def __post_init__(self) -> None:
        check_positive(self, "width", "layers", "heads", "hidden")
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

    def make(self, vocabulary: int, context: int, *, key: PRNGKeyArray) -> Learner:
        """The learner with random initial weights.

        Args:
            vocabulary: number of tokens.
            context: events that it reads at most.
            key: for the weights.
        """
        sizes: dict[str, Any] = {
            "vocabulary": vocabulary,
            "width": self.width,
            "layers": self.layers,
            "dropout": self.dropout,
            "key": key,
        }
        heads = self.heads or 1
        match self.architecture:
            case "sasrec":
                return SASRec(heads=heads, length=context, **sizes)
            case "gru4rec":
                return GRU4Rec(hidden=self.hidden, **sizes)
            case "fmlp":
                return FMLPRec(length=context, **sizes)
            case "transformer":
                rotary = bool(self.rotary)
                return Transformer(heads=heads, length=context, rotary=rotary, **sizes)
            case "lstm":
                return LSTM(**sizes)

    def of(self, architecture: Architecture) -> LearnerConfig:
        """Another architecture of these sizes, as far as it has them."""
        kept = {
            key: getattr(self, key) if architecture in readers else None
            for key, readers in _READ_BY.items()
        }
        return replace(self, architecture=architecture, **kept)

    @property
    def words(self) -> str:
        """Architecture and sizes in words."""
        layers = "1 layer" if self.layers == 1 else f"{self.layers} layers"
        return f"{_NAMES[self.architecture]} ({layers}, width {self.width})"
