"""Synthetic sequences whose latents are themselves factored: over sequences and over places.

Zhang et al., "TD3: Tucker Decomposition Based Dataset Distillation Method for Sequential
Recommendation" (WWW 2025, arXiv 2502.02854).
"""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from farzi.distilled.factored import Factored
from farzi.models import Tokens


class Tucker(eqx.Module):
    """Factored data with `latents = core x sequence_factors x time_factors`.

    Attributes:
        core: how the components of sequences, places and latents go together.
        sequence_factors: of each sequence.
        time_factors: of each place.
        decoder: see `Factored`.
        loss_mask: see `Factored`.
    """

    core: Float[Array, "a b rank"]
    sequence_factors: Float[Array, "sequences a"]
    time_factors: Float[Array, "time b"]
    decoder: Float[Array, "rank vocab"]
    loss_mask: Bool[Array, "sequences time"] | None = None

    @staticmethod
    def of(factored: Factored, sequence_rank: int, time_rank: int) -> Tucker:
        """The nearest ones to factored data: their higher-order singular value decomposition.

        Raises:
            ValueError: if a rank is higher than there are sequences or places.
        """
        latents = factored.latents / factored.temperature
        for rank, most, what in (
            (sequence_rank, latents.shape[0], "sequence"),
            (time_rank, latents.shape[1], "time"),
        ):
            if rank > most:
                raise ValueError(f"{what}_rank is {rank} but there are only {most}; lower it.")
        sequences = _leading(latents.reshape(len(latents), -1), sequence_rank)
        times = _leading(jnp.swapaxes(latents, 0, 1).reshape(latents.shape[1], -1), time_rank)
        core = jnp.einsum("ntd,na,tb->abd", latents, sequences, times)
        # Adam moves every number at one rate, so all factors are given numbers of one size.
        size = [jnp.sqrt(jnp.mean(part**2)) for part in (core, sequences, times)]
        mean = (size[0] * size[1] * size[2]) ** (1 / 3)
        core, sequences, times = (
            part * mean / one for part, one in zip((core, sequences, times), size, strict=True)
        )
        return Tucker(core, sequences, times, factored.decoder, factored.loss_mask)

    @property
    def latents(self) -> Float[Array, "sequences time rank"]:
        """The product of core and factors."""
        return jnp.einsum("abd,na,tb->ntd", self.core, self.sequence_factors, self.time_factors)

    def factored(self) -> Factored:
        """The same data with latents written out."""
        return Factored(self.latents, self.decoder, loss_mask=self.loss_mask)

    def probabilities(self) -> Float[Array, "sequences time vocab"]:
        """A distribution over tokens at each place of each sequence."""
        return self.factored().probabilities()

    def read(
        self, *, by_latents: bool | None = None
    ) -> Factored | Float[Array, "sequences time vocab"]:
        """See `Factored.read`."""
        return self.factored().read(by_latents=by_latents)

    def tokens(self, *, by_latents: bool | None = None) -> Tokens:
        """See `Factored.tokens`."""
        return self.factored().tokens(by_latents=by_latents)

    def __len__(self) -> int:
        return len(self.sequence_factors)

    @property
    def events(self) -> int:
        """Soft tokens in all sequences together."""
        return len(self.sequence_factors) * len(self.time_factors)

    @property
    def vocabulary(self) -> int:
        """Number of tokens."""
        return self.decoder.shape[1]

    @property
    def temperature(self) -> float:
        """None is applied."""
        return 1.0


def _leading(matrix: Float[Array, "rows columns"], rank: int) -> Float[Array, "rows rank"]:
    return jnp.linalg.svd(matrix, full_matrices=False)[0][:, :rank]
