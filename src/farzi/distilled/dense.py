"""Synthetic sequences as distributions that share nothing: one number for each token and place."""

from __future__ import annotations

import equinox as eqx
import jax
from jaxtyping import Array, Bool, Float

from farzi.distilled.factored import Factored
from farzi.models import Masked, Tokens


class Dense(eqx.Module):
    """`softmax(logits)`: what factored data are compared with.

    Attributes:
        logits: `[sequences, time, vocab]`.
        loss_mask: see `Factored`.
    """

    logits: Float[Array, "sequences time vocab"]
    loss_mask: Bool[Array, "sequences time"] | None = None

    @staticmethod
    def of(factored: Factored) -> Dense:
        """The same distributions, from now on free of each other."""
        logits = factored.latents @ factored.decoder / factored.temperature
        return Dense(logits, factored.loss_mask)

    def probabilities(self) -> Float[Array, "sequences time vocab"]:
        """A distribution over tokens at each place of each sequence."""
        return jax.nn.softmax(self.logits, axis=-1)

    def read(self, *, by_latents: bool | None = None) -> Float[Array, "sequences time vocab"]:
        """The probabilities: there are no latents."""
        return self.probabilities()

    def tokens(self, *, by_latents: bool | None = None) -> Tokens:
        """What learners train on."""
        probabilities = self.probabilities()
        return probabilities if self.loss_mask is None else Masked(probabilities, self.loss_mask)

    def __len__(self) -> int:
        return len(self.logits)

    @property
    def events(self) -> int:
        """Soft tokens in all sequences together."""
        return self.logits.shape[0] * self.logits.shape[1]

    @property
    def vocabulary(self) -> int:
        """Number of tokens."""
        return self.logits.shape[2]

    @property
    def temperature(self) -> float:
        """None is applied."""
        return 1.0
