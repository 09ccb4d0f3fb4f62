"""How likely held-out text is: perplexity, accuracy and bits a byte."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from farzi.data import Sequences, Windows
from farzi.losses import token_losses
from farzi.metrics.batches import in_batches
from farzi.models import Learner, Masked, hidden_states
from farzi.models.chunks import FEWEST, LARGEST

BATCH = 64
"""Rows scored at a time."""


class Text(eqx.Module):
    """Held-out text as rows, each of which a learner reads by itself.

    Attributes:
        tokens: int32 `[rows, time]`, padded right.
        asked: which of them count: each token of the text once, but the first of each sequence and
            those that its loss mask leaves out.
    """

    tokens: Int[Array, "rows time"]
    asked: Bool[Array, "rows time"]

    measure = "log-likelihood"

    @classmethod
    def of(cls, sequences: Sequences, length: int, *, stride: int | None = None) -> Text:
        """Rows that read at most `length` tokens before the last one that they are asked for.

        Args:
            sequences: the text.
            length: tokens that a learner reads.
            stride: tokens asked for in each row but the first of a sequence, so that each is
                predicted from at least `length - stride + 1` others; half the length, rounded up,
                if not given. With `stride=length` no token is read twice, and those at the
                beginning of a row are predicted from little.

        Raises:
            ValueError: if no token is asked for, or the stride is not from 1 to `length`.
        """
        stride = -(-length // 2) if stride is None else stride
        if not 1 <= stride <= length:
            raise ValueError(f"the stride is {stride}; use a whole number from 1 to {length}.")
        rows = 1 + np.maximum(-(-(sequences.lengths - 1 - length) // stride), 0)
        rows = np.where(sequences.lengths >= 2, rows, 0)
        number = np.arange(rows.sum()) - np.repeat(np.cumsum(rows) - rows, rows)
        first, last = (np.repeat(one, rows) for one in (sequences.starts, sequences.ends))
        ends = np.minimum(first + length + 1 + number * stride, last)
        starts = np.maximum(ends - length - 1, first)
        # What the row before was asked for is not asked for again.
        new = np.where(number == 0, first + 1, first + length + 1 + (number - 1) * stride)
        windows = Windows(sequences, length, starts, ends)
        places = starts[:, None] + np.arange(length + 1)
        asked = (places >= new[:, None]) & (places < ends[:, None])
        mask = windows.loss_mask(slice(None))
        if mask is not None:
            asked &= mask
        if not asked.any():
            raise ValueError(
                "no token is asked for, so none can be predicted; give longer sequences."
            )
        return cls(jnp.asarray(windows[:]), jnp.asarray(asked))

    def __len__(self) -> int:
        """How many rows."""
        return len(self.tokens)

    def score(self, learner: Learner) -> Float[Array, ""]:
        """Mean log-likelihood of a token in nats, which is minus the logarithm of perplexity."""

        def rows(text: Text) -> Array:
            losses, _ = token_losses(learner, Masked(text.tokens, text.asked))
            return jnp.sum(losses, axis=1)

        return -jnp.sum(in_batches(rows, self, BATCH)) / jnp.sum(self.asked, dtype=float)

    @staticmethod
    def told(score: float) -> str:
        """A score in words."""
        return f"perplexity {np.exp(-score):.1f}"


def language_metrics(learner: Learner, text: Text, *, bytes: int | None = None) -> dict[str, float]:
    """How well a learner predicts text.

    Args:
        learner: the model.
        text: held out.
        bytes: how long it is in UTF-8, for `bits_per_byte`.

    Returns:
        `loss` in nats a token; `perplexity`, which is `exp(sum of losses / number of tokens)` and
        never a mean of means; `accuracy`, the share of tokens that had the highest score; `tokens`,
        that were asked for; and `bits_per_byte`, which compares models of different tokenizers.

    Raises:
        ValueError: if a loss is not finite.
    """
    return summary(row_sums(learner, text), bytes=bytes)


def row_sums(learner: Learner, text: Text) -> dict[str, np.ndarray]:
    """For each row the sums of `losses` (nats), `hits` and `tokens`, float64 `[rows]`."""
    sums = _row_sums(learner, text)
    return {
        name: np.asarray(one, np.float64)
        for name, one in zip(("losses", "hits", "tokens"), sums, strict=True)
    }


def summary(rows: dict[str, np.ndarray], *, bytes: int | None = None) -> dict[str, float]:
    """The metrics of `language_metrics` from `row_sums`."""
    total, hits, tokens = (float(rows[name].sum()) for name in ("losses", "hits", "tokens"))
    if not np.isfinite(total):
        raise ValueError(
            "the loss of the held-out tokens is not finite; train with a smaller learning rate."
        )
    metrics = {
        "loss": total / tokens,
        "perplexity": float(np.exp(total / tokens)),
        "accuracy": hits / tokens,
        "tokens": tokens,
    }
    return metrics if bytes is None else metrics | {"bits_per_byte": total / np.log(2) / bytes}


@eqx.filter_jit
def _row_sums(learner: Learner, text: Text) -> tuple[Array, Array, Array]:
    table = learner.embedding

    def place(read: tuple[Array, Array]) -> tuple[Array, Array]:
        hidden, target = read
        scores = hidden @ table.T
        own = jnp.take_along_axis(scores, target[:, None], axis=1)[:, 0]
        highest = jnp.max(scores, axis=1)
        # Where several are highest, one of them is answered at random.
        ties = jnp.sum(scores == highest[:, None], axis=1, dtype=scores.dtype)
        return jax.nn.logsumexp(scores, axis=1) - own, jnp.where(own == highest, 1 / ties, 0)

    def rows(text: Text) -> tuple[Array, Array, Array]:
        hidden = hidden_states(learner, text.tokens[:, :-1])
        places = hidden.reshape(-1, hidden.shape[-1]), jnp.maximum(text.tokens[:, 1:], 0).ravel()
        size = max(LARGEST // len(table), FEWEST)
        asked = text.asked[:, 1:]
        losses, hits = (
            jnp.where(asked, made.reshape(asked.shape), 0)
            for made in in_batches(place, places, size)
        )
        return losses.sum(axis=1), hits.sum(axis=1), asked.sum(axis=1)

    return in_batches(rows, text, BATCH)
