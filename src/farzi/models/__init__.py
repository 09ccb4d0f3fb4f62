"""The learners, one architecture a file."""

from farzi.models.learner import (
    Learner,
    Masked,
    Tokens,
    embed,
    hard_tokens,
    hidden_states,
    is_soft,
    logits,
)
from farzi.models.sasrec import SASRec

__all__ = [
    "Learner",
    "Masked",
    "SASRec",
    "Tokens",
    "embed",
    "hard_tokens",
    "hidden_states",
    "is_soft",
    "logits",
]
