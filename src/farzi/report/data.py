"""What a report is made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class ReportData:
    """All that a report shows.

    Attributes:
        results: arms, distillation, versions, device and seed, as in `results.json`.
        tokens: the vocabulary.
        synthetic: the distilled sequences, distributions over tokens, `[sequences, time, vocab]`.
        real_transitions: how often each token (row) is followed by each (column) in the training
            data, `[vocab, vocab]`.
        real_lengths: events of each sequence of the training data, `[sequences]`.
        real_counts: how often each token occurs in them, `[vocab]`.
        outer_losses: loss on real data, nats a token, after training on the distilled data,
            `[outer_steps]`.
        validations: of the distillation: `step` and mean `ndcg@10`.
        curves: an arm's validations: its `steps` and mean `ndcg@10`.
        inputs: ids of the tokens that learners read, `[sequences, time]`, where only the labels are
            synthetic; None where learners read `synthetic` itself.

    Raises:
        ValueError: if shapes do not fit each other or rows of `synthetic` are no distributions.
    """

    results: dict[str, Any]
    tokens: tuple[str, ...]
    synthetic: np.ndarray
    real_transitions: np.ndarray
    real_lengths: np.ndarray
    real_counts: np.ndarray
    outer_losses: np.ndarray
    validations: list[dict[str, Any]]
    curves: dict[str, dict[str, Any]]
    inputs: np.ndarray | None = None

    def __post_init__(self) -> None:
        vocabulary = len(self.tokens)
        if self.synthetic.ndim != 3 or self.synthetic.shape[2] != vocabulary:
            raise ValueError(
                f"synthetic has the shape {self.synthetic.shape} for {vocabulary} tokens; "
                "give distributions [sequences, time, vocab]."
            )
        if 0 in self.synthetic.shape:
            raise ValueError(
                f"synthetic is empty, its shape is {self.synthetic.shape}; distil at least one "
                "sequence of one event."
            )
        if self.real_transitions.shape != (vocabulary, vocabulary):
            raise ValueError(
                f"real_transitions has the shape {self.real_transitions.shape} for {vocabulary} "
                "tokens; give counts [vocab, vocab]."
            )
        if self.real_counts.shape != (vocabulary,):
            raise ValueError(
                f"real_counts has the shape {self.real_counts.shape} for {vocabulary} tokens; give "
                "counts [vocab]."
            )
        if self.real_lengths.ndim != 1 or self.real_lengths.sum() != self.real_counts.sum():
            raise ValueError(
                f"real_lengths, of the shape {self.real_lengths.shape}, add up to "
                f"{self.real_lengths.sum()} events and real_counts to {self.real_counts.sum()}; "
                "take both from the same sequences."
            )
        # Written so that NaN fails too.
        if not np.all(np.abs(self.synthetic.sum(axis=2, dtype=np.float64) - 1) < 1e-2):
            raise ValueError(
                "a row of synthetic does not sum to 1; give probabilities, not logits or counts."
            )
