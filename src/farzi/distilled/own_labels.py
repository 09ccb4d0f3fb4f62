"""Real tokens to read, and at each place a synthetic distribution to predict."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from farzi.distilled.dense import Dense
from farzi.distilled.factored import Factored
from farzi.distilled.tucker import Tucker
from farzi.models import Labelled


class OwnLabels(eqx.Module):
    """Sequences of real tokens, whose labels are distilled instead of being the next token.

    In the paper's form a place is asked for the soft token that the next place reads, so one
    distribution has to serve as input and as label. Here the inputs are fixed ids, which cost a
    byte or two, and all that is learned goes into the labels. docs/decisions.md compares them.

    Attributes:
        inputs: ids; a learner reads all but the last of each sequence.
        labels: a distribution for each token but the first, `[sequences, time - 1]`.
    """

    inputs: Int[Array, "sequences time"]
    labels: Factored | Dense | Tucker

    def probabilities(self) -> Float[Array, "sequences time vocab"]:
        """What is taught: the first token of each sequence, and then the labels."""
        first = jax.nn.one_hot(self.inputs[:, :1], self.labels.vocabulary)
        return jnp.concatenate([first, self.labels.probabilities()], axis=1)

    def tokens(self, *, by_latents: bool | None = None) -> Labelled:
        """What learners train on.

        Args:
            by_latents: whether labels are latents and decoder, or distributions computed once; None
                chooses by size.
        """
        return Labelled(self.inputs, self.labels.read(by_latents=by_latents), self.loss_mask)

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def loss_mask(self) -> Bool[Array, "sequences time"] | None:
        """Which tokens are asked for; None if all but the first are."""
        mask = self.labels.loss_mask
        return None if mask is None else jnp.pad(mask, ((0, 0), (1, 0)))

    @property
    def vocabulary(self) -> int:
        """Number of tokens."""
        return self.labels.vocabulary

    @property
    def events(self) -> int:
        """Tokens in all sequences together."""
        return self.inputs.size
