"""What learners learn from, and what they are asked afterwards."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import equinox as eqx
import numpy as np

from farzi.data import Sequences, Split
from farzi.metrics import Questions, Text, rank_targets, ranking_metrics
from farzi.metrics.language import row_sums, summary
from farzi.models import Learner
from farzi.training import Validation

_rank_targets = eqx.filter_jit(rank_targets)

LOWER_IS_BETTER = ("loss", "perplexity", "bits_per_byte")
"""Metrics of which less is better."""


@dataclass(frozen=True, eq=False)
class Task:
    """Training sequences, and the questions of validation and test.

    Attributes:
        train: all that may be learned from.
        validation, test: next-event questions, or text.
        content: a hash of the data, or another name that no other data have.
        times: of the training values, microseconds, `[values]`; None if they are not known.
        histories: events before each test question, `[questions]`; None for text.
        test_bytes: how long the text of the test is in UTF-8, if that is known.
    """

    train: Sequences
    validation: Validation
    test: Validation
    content: str = ""
    times: np.ndarray | None = None
    histories: np.ndarray | None = None
    test_bytes: int | None = None

    @classmethod
    def of(
        cls,
        split: Split,
        context: int,
        *,
        leave_out_seen: bool = False,
        content: str = "",
        times: np.ndarray | None = None,
    ) -> Task:
        """Next-event questions.

        Args:
            split: of the data.
            context: events that a learner reads.
            leave_out_seen: see `Questions.of`.
            content: a hash of the data; computed if not given.
            times: see above.
        """
        validation, test = (
            Questions.of(part, context, leave_out_seen=leave_out_seen)
            for part in (split.validation, split.test)
        )
        lengths = split.test.contexts.lengths
        content = content or _hash(split)
        content += f", {context} of a context, leave out seen: {leave_out_seen}"
        return cls(split.train, validation, test, content, times, lengths)

    @property
    def main_metric(self) -> str:
        """The metric that a table shows."""
        return "perplexity" if isinstance(self.test, Text) else "hr@10"

    def test_values(self, learner: Learner) -> dict[str, np.ndarray]:
        """What a learner is worth, one value a question or a row of text.

        Returns:
            `rank`, the expected rank of each target; or `losses`, `hits` and `tokens` of each row.
        """
        if isinstance(self.test, Text):
            return row_sums(learner, self.test)
        return {"rank": np.asarray(_rank_targets(learner, self.test), np.float64)}

    def metrics(self, values: dict[str, np.ndarray]) -> dict[str, float]:
        """The test metrics that follow from these values.

        Raises:
            ValueError: if one of them is not finite.
        """
        if isinstance(self.test, Text):
            metrics = summary(values, bytes=self.test_bytes)
            return {name: value for name, value in metrics.items() if name != "tokens"}
        return ranking_metrics(values["rank"])

    @property
    def words(self) -> str:
        """What is asked, in words."""
        if isinstance(self.test, Text):
            return "next token of held-out text"
        left_out = " not in the history" if self.test.seen is not None else ""
        return f"next event among all{left_out}"


def question_scores(values: dict[str, np.ndarray]) -> np.ndarray:
    """One score a question, the more the better: NDCG@10, or log-likelihood a token of a row.

    Args:
        values: of a task, with a first axis of seeds.

    Returns:
        Means over the seeds, `[questions]`.
    """
    if "rank" in values:
        rank = values["rank"]
        return np.mean((rank <= 10) / np.log2(1 + rank), axis=0)
    return -np.mean(values["losses"] / np.maximum(values["tokens"], 1), axis=0)


def _hash(split: Split) -> str:
    digest = hashlib.sha256()
    for part in (split.train, split.validation.contexts, split.test.contexts):
        digest.update(part.flat().tobytes())
        digest.update(part.lengths.tobytes())
    for questions in (split.validation, split.test):
        digest.update(questions.targets.tobytes())
    return digest.hexdigest()[:16]
