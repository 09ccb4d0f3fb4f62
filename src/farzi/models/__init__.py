"""The learners, one architecture a file."""

from farzi.models.fmlp import FMLPRec
from farzi.models.gru4rec import GRU4Rec
from farzi.models.learner import (
    Labelled,
    Learner,
    Masked,
    Tokens,
    embed,
    hard_tokens,
    hidden_states,
    is_soft,
    logits,
)
from farzi.models.lstm import LSTM
from farzi.models.sasrec import SASRec
from farzi.models.transformer import Transformer

__all__ = [
    "LSTM",
    "FMLPRec",
    "GRU4Rec",
    "Labelled",
    "Learner",
    "Masked",
    "SASRec",
    "Tokens",
    "Transformer",
    "embed",
    "hard_tokens",
    "hidden_states",
    "is_soft",
    "logits",
]
