"""The learners, one architecture a file."""

from farzi.models.learner import Learner, Tokens, embed, hidden_states, is_soft, logits
from farzi.models.sasrec import SASRec

__all__ = ["Learner", "SASRec", "Tokens", "embed", "hidden_states", "is_soft", "logits"]
