"""How well held-out events are ranked, among ALL tokens."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from farzi.data import HeldOut, last_events
from farzi.metrics.batches import in_batches
from farzi.models import Learner, hidden_states
from farzi.models.chunks import FEWEST, LARGEST

CHUNK = 2048
"""The most questions that are scored at a time; fewer where a vocabulary is large."""


def ranks(
    scores: Float[Array, "questions vocab"], targets: Int[Array, " questions"]
) -> Float[Array, " questions"]:
    """Expected rank of each target if ties are broken at random: `1 + greater + equal / 2`.

    So a model that gives every token the same score ranks each in the middle, and never first. NaN
    if any score is.
    """
    own = jnp.take_along_axis(scores, targets[:, None], axis=1)
    greater = jnp.sum(scores > own, axis=1)
    equal = jnp.sum(scores == own, axis=1) - 1
    expected = 1 + (2 * greater + equal) / 2
    return jnp.where(jnp.any(jnp.isnan(scores), axis=1), jnp.nan, expected)


def ranking_metrics(rank: np.ndarray) -> dict[str, float]:
    """HR@10, HR@100, NDCG@10, NDCG@100 and MRR, as fractions.

    With one target a question, HR@k is the share of ranks up to k, and NDCG@k the mean of
    `1 / log2(1 + rank)` over the questions, zero beyond k (Järvelin and Kekäläinen 2002).

    Args:
        rank: expected rank of each target, from 1, `[questions]`.

    Raises:
        ValueError: if a rank is NaN or there are none.

    >>> ranking_metrics(np.array([1.0, 3.0, 11.0, 500.0]))["hr@10"]
    0.5
    """
    rank = np.asarray(rank, np.float64)
    if not rank.size:
        raise ValueError("there are no ranks to summarise; evaluate at least one question.")
    if np.isnan(rank).any():
        raise ValueError(
            f"{np.isnan(rank).sum()} of {rank.size} questions got a score that is NaN, so they "
            "have no rank; train with a smaller learning rate."
        )
    gain = 1 / np.log2(1 + rank)
    metrics = {f"hr@{k}": float(np.mean(rank <= k)) for k in (10, 100)}
    metrics |= {f"ndcg@{k}": float(np.mean(gain * (rank <= k))) for k in (10, 100)}
    return metrics | {"mrr": float(np.mean(1 / rank))}


class Questions(eqx.Module):
    """Held-out questions as arrays: what a learner reads, and the token it is asked for.

    Attributes:
        contexts: the last events before each target, int32 `[questions, time]`, padded right.
        targets: int32 `[questions]`.
        seen: tokens that no learner may answer with, but where they are the target: all those of
            the whole history, int32 `[questions, events]`, padded right. None if all are allowed.
    """

    contexts: Int[Array, "questions time"]
    targets: Int[Array, " questions"]
    seen: Int[Array, "questions events"] | None = None

    @classmethod
    def of(cls, held_out: HeldOut, length: int, *, leave_out_seen: bool = False) -> Questions:
        """The last `length` events of each context, and its target.

        Args:
            held_out: the questions.
            length: events that a learner reads.
            leave_out_seen: rank only tokens that do not occur in the context, however long that is,
                as is usual for items that nobody takes twice. A target that does occur is ranked
                among them.
        """
        contexts = last_events(held_out.contexts, length)
        seen = None
        if leave_out_seen:
            most = int(held_out.contexts.lengths.max(initial=1))
            seen = jnp.asarray(last_events(held_out.contexts, most))
        return cls(jnp.asarray(contexts), jnp.asarray(held_out.targets), seen)

    measure = "NDCG@10"

    def __len__(self) -> int:
        return len(self.targets)

    def score(self, learner: Learner) -> Float[Array, ""]:
        """NDCG@10; NaN where a score is."""
        rank = rank_targets(learner, self)
        gain = jnp.where(rank <= 10, 1 / jnp.log2(1 + rank), 0.0)
        return jnp.where(jnp.any(jnp.isnan(rank)), jnp.nan, jnp.mean(gain))

    @staticmethod
    def told(score: float) -> str:
        """A score in words."""
        return f"NDCG@10 {score:.3f}"


def rank_targets(learner: Learner, questions: Questions) -> Float[Array, " questions"]:
    """Expected rank of each target under the learner, for a chunk of the questions at a time."""

    def chunk(asked: Questions) -> Array:
        hidden = hidden_states(learner, asked.contexts)
        last = jnp.sum(asked.contexts >= 0, axis=1) - 1
        picked = jnp.take_along_axis(hidden, last[:, None, None], axis=1)[:, 0]
        scores = picked @ learner.embedding.T
        if asked.seen is not None:
            scores = _without_seen(scores, asked.seen, asked.targets)
        return ranks(scores, asked.targets)

    return in_batches(chunk, questions, min(CHUNK, max(LARGEST // len(learner.embedding), FEWEST)))


def _without_seen(
    scores: Float[Array, "questions vocab"],
    seen: Int[Array, "questions events"],
    targets: Int[Array, " questions"],
) -> Float[Array, "questions vocab"]:
    """The scores, least for what was seen and is not the target; a NaN stays one."""
    left_out = (seen >= 0) & (seen != targets[:, None])
    # Beyond the vocabulary there is nothing to be set, and negative places count from the end.
    places = jnp.where(left_out, seen, scores.shape[1])
    rows = jnp.arange(len(scores))[:, None]
    low = jnp.where(jnp.isnan(scores), scores, -jnp.inf)
    hidden = jnp.zeros(scores.shape, bool).at[rows, places].set(True, mode="drop")
    return jnp.where(hidden, low, scores)
