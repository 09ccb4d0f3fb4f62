"""Which events a model may learn from, and which it is judged on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from farzi.data.sequences import Sequences


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Next-event questions: given `contexts[i]`, which event is `targets[i]`?

    Attributes:
        contexts: what the model may read.
        targets: ids of the events to predict, int32 `[questions]`.
    """

    contexts: Sequences
    targets: np.ndarray

    def __post_init__(self) -> None:
        if len(self.contexts) != len(self.targets) or np.any(self.contexts.lengths == 0):
            raise ValueError(
                "a question needs one target and at least one event before it; leave out those "
                "without."
            )

    def __len__(self) -> int:
        return len(self.targets)


@dataclass(frozen=True, eq=False)
class Split:
    """Training sequences and the questions for validation and test.

    Attributes:
        train: all that may be learned from.
        validation, test: the questions.
        too_short: sequences with too few events to be asked about; they stay in `train`.
    """

    train: Sequences
    validation: HeldOut
    test: HeldOut
    too_short: int


def leave_last_out(sequences: Sequences) -> Split:
    """The last event of each sequence is its test, the one before its validation.

    The test question may read the validation event, as is usual (Kang and McAuley 2018,
    arXiv 1808.09781). Sequences of fewer than three events are not asked about.

    Raises:
        ValueError: if no sequence has three events.
    """
    long = np.flatnonzero(sequences.lengths >= 3)
    if not long.size:
        raise ValueError(
            f"none of the {len(sequences)} sequences has three events, so none can be split; "
            "use longer sequences."
        )
    asked = sequences.select(long)
    ends = asked.offsets[1:]
    train = Sequences.from_lists(
        (ids[:-2] if len(ids) >= 3 else ids for ids in sequences), sequences.vocabulary
    )
    return Split(
        train=train,
        validation=HeldOut(asked.trim(2), asked.values[ends - 2]),
        test=HeldOut(asked.trim(1), asked.values[ends - 1]),
        too_short=len(sequences) - len(long),
    )
