"""Sequences, their vocabularies and splits. Nothing here needs JAX."""

from farzi.data.flights import flight_times, flights
from farzi.data.sequences import Sequences
from farzi.data.split import (
    Cuts,
    HeldOut,
    Split,
    at_times,
    by_position,
    by_sequence,
    drawn_sequences,
    last_out,
    leakage,
    leave_last_out,
)
from farzi.data.vocabulary import Vocabulary
from farzi.data.windows import PADDING, Windows, batch_order, last_events, windows

__all__ = [
    "PADDING",
    "Cuts",
    "HeldOut",
    "Sequences",
    "Split",
    "Vocabulary",
    "Windows",
    "at_times",
    "batch_order",
    "by_position",
    "by_sequence",
    "drawn_sequences",
    "flight_times",
    "flights",
    "last_events",
    "last_out",
    "leakage",
    "leave_last_out",
    "windows",
]
