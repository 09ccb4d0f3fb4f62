"""Sequences, their vocabularies and splits. Nothing here needs JAX."""

from farzi.data.flights import flights
from farzi.data.sequences import Sequences
from farzi.data.split import HeldOut, Split, leave_last_out
from farzi.data.vocabulary import Vocabulary
from farzi.data.windows import PADDING, batch_order, last_events, windows

__all__ = [
    "PADDING",
    "HeldOut",
    "Sequences",
    "Split",
    "Vocabulary",
    "batch_order",
    "flights",
    "last_events",
    "leave_last_out",
    "windows",
]
