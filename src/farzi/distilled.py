"""The distilled data: synthetic sequences as factored distributions over tokens."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from farzi.models import Masked, Tokens
from farzi.models.chunks import in_chunks

LARGEST = 2**21
"""Numbers in the probabilities beyond which learners read latents and decoder instead.

These are then multiplied anew in every step, but nothing of the size of the probabilities is
gathered from, or added to in a reverse pass. Time of a hypergradient relative to that with the
probabilities computed once, and in brackets of plain training (two-core CPU): 1.05 (1.04) for
145 x 11 places of 104 tokens at rank 24, 1.00 (1.02) for 20 x 51 of 1,683 at rank 16, 1.05 (1.03)
for the same at rank 64; but 0.88 (0.87) for 100 x 51 of 1,683 and 0.87 for 20 x 51 of 20,000.
"""


class Factored(eqx.Module):
    """`softmax(latents @ decoder / temperature)`: the paper's factored form (section 3.2).

    Stores `sequences * time * rank + rank * vocab` numbers, where `sequences * time * vocab`
    would be needed for the distributions themselves.

    Learners can be trained on this itself, a `farzi.models.learner.LatentTokens`, and on its
    `probabilities`.

    Attributes:
        latents: Z, `[sequences, time, rank]`; `sequences` and `time` are the paper's mu and xi.
        decoder: M, `[rank, vocab]`.
        temperature: tau.
        loss_mask: which places learners are asked for, like those of the real sequences that the
            data start from; None if they are asked for all.
    """

    latents: Float[Array, "sequences time rank"]
    decoder: Float[Array, "rank vocab"]
    temperature: float = eqx.field(static=True, default=1.0)
    loss_mask: Bool[Array, "sequences time"] | None = None

    def probabilities(self) -> Float[Array, "sequences time vocab"]:
        """A distribution over tokens at each place of each sequence."""
        return self._distributions(self.latents)

    def tokens(self, *, by_latents: bool | None = None) -> Tokens:
        """What learners train on: the probabilities, or this itself where they are too large.

        Args:
            by_latents: whether it is this itself; None chooses by size.
        """
        if by_latents is None:
            by_latents = self.events * self.decoder.shape[1] > LARGEST
        if by_latents:
            return self
        if self.loss_mask is None:
            return self.probabilities()
        return Masked(self.probabilities(), self.loss_mask)

    def embed(
        self, table: Float[Array, "vocab width"], *, chunk: int | None = None
    ) -> Float[Array, "sequences time width"]:
        """Mean of the table's rows at each place: `probabilities() @ table`, in little memory.

        Args:
            table: of a learner.
            chunk: places whose distributions are computed at a time, see `farzi.models.chunks`;
                None chooses by size.
        """
        return in_chunks(
            lambda latents: self._distributions(latents) @ table,
            self.latents,
            vocabulary=len(table),
            chunk=chunk,
        )

    def __len__(self) -> int:
        return len(self.latents)

    def __getitem__(self, rows: Int[Array, " rows"]) -> Factored:
        """The sequences in these rows."""
        mask = None if self.loss_mask is None else self.loss_mask[rows]
        return Factored(self.latents[rows], self.decoder, self.temperature, mask)

    # Python would read a number after the last row for ever: JAX gives the last row again.
    __iter__ = None

    def _distributions(
        self, latents: Float[Array, "*places rank"]
    ) -> Float[Array, "*places vocab"]:
        return jax.nn.softmax(latents @ self.decoder / self.temperature, axis=-1)

    @property
    def events(self) -> int:
        """Soft tokens in all sequences together."""
        return self.latents.shape[0] * self.latents.shape[1]


def from_noise(
    sequences: int, time: int, vocabulary: int, *, rank: int, key: PRNGKeyArray
) -> Factored:
    """Start from normally distributed latents and decoder: nearly even distributions."""
    latents, decoder = jax.random.split(key)
    return Factored(
        jax.random.normal(latents, (sequences, time, rank)),
        jax.random.normal(decoder, (rank, vocabulary)) / np.sqrt(rank),
    )


def from_real(
    tokens: Int[np.ndarray, "sequences time"],
    embedding: Float[Array, "vocab width"],
    *,
    rank: int,
    confidence: float = 0.7,
    loss_mask: Bool[np.ndarray, "sequences time"] | None = None,
) -> Factored:
    """Start from real sequences, seen through the embeddings of a learner trained on all data.

    The decoder is the leading `rank` principal components of the (length-normalised) embeddings,
    the latents are the projections of the real tokens onto them, and both are scaled so that a
    real token keeps a mean probability of `confidence` at its own place.

    Args:
        tokens: real sequences without padding.
        embedding: table of a trained learner.
        rank: size of a latent, at most the width of the embedding.
        confidence: between 0 and 1.
        loss_mask: of the real sequences.

    Raises:
        ValueError: if a size or value does not fit.
    """
    vocabulary, width = embedding.shape
    if rank > min(width, vocabulary):
        raise ValueError(
            f"the rank is {rank} but the embeddings span only {min(width, vocabulary)} "
            "dimensions; use a smaller rank or start from noise."
        )
    if (tokens < 0).any():
        raise ValueError("a starting sequence holds padding; start from full windows only.")
    if not 1 / vocabulary < confidence < 1:
        raise ValueError(
            f"confidence is {confidence}, but must lie between chance (1 / {vocabulary}) and 1."
        )
    table = np.asarray(embedding, np.float64)
    table = table / np.linalg.norm(table, axis=1, keepdims=True)
    _, _, directions = np.linalg.svd(table - table.mean(axis=0), full_matrices=False)
    projected = table @ directions[:rank].T
    projected /= np.linalg.norm(projected, axis=1, keepdims=True)
    scale = _scale_for(projected[tokens.reshape(-1)], projected, confidence)
    factor = np.sqrt(scale)
    return Factored(
        jnp.asarray(factor * projected[tokens], jnp.float32),
        jnp.asarray(factor * projected.T, jnp.float32),
        loss_mask=None if loss_mask is None else jnp.asarray(loss_mask),
    )


def _scale_for(rows: np.ndarray, table: np.ndarray, confidence: float) -> float:
    """The factor on `rows @ table.T` that gives a row's own token that probability on average."""
    similarity = rows @ table.T
    own = np.sum(rows * rows, axis=1, keepdims=True)
    low, high = 0.0, 1e4

    def reached(scale: float) -> float:
        return float(np.mean(1 / np.exp(scale * (similarity - own)).sum(axis=1)))

    if reached(high) < confidence:
        raise ValueError(
            f"latents of rank {table.shape[1]} cannot tell the tokens apart well enough for a "
            f"confidence of {confidence}; use a higher rank or a lower confidence."
        )
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if reached(middle) < confidence else (low, middle)
    return high
