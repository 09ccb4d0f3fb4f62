"""Synthetic sequences as factored distributions over tokens."""

from __future__ import annotations

import equinox as eqx
import jax
from jaxtyping import Array, Bool, Float, Int

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
        read = self.read(by_latents=by_latents)
        if isinstance(read, Factored) or self.loss_mask is None:
            return read
        return Masked(read, self.loss_mask)

    def read(
        self, *, by_latents: bool | None = None
    ) -> Factored | Float[Array, "sequences time vocab"]:
        """`tokens` less the mask of probabilities."""
        if by_latents is None:
            by_latents = self.events * self.vocabulary > LARGEST
        return self if by_latents else self.probabilities()

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
    def vocabulary(self) -> int:
        """Number of tokens."""
        return self.decoder.shape[1]

    @property
    def events(self) -> int:
        """Soft tokens in all sequences together."""
        return self.latents.shape[0] * self.latents.shape[1]
