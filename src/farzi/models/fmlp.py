"""FMLP-Rec: filters in the frequency domain, not attention (Zhou et al. 2022, arXiv 2202.13556).

Theirs multiplies the spectrum of a whole sequence, which is a convolution around a circle: every
place sees its future, and they therefore train on the last place alone. Here the learned spectrum
is that of a kernel which is applied to the past only, so that every place can be trained on.
"""

from __future__ import annotations

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from farzi.models.blocks import check_length


class FilterBlock(eqx.Module):
    """A filter over the past, then a feed-forward layer; each adds, and is normalised afterwards.

    Attributes:
        spectrum: of the filter of each channel: real and imaginary parts, of the frequencies from
            zero up.
    """

    spectrum: Float[Array, "2 frequencies width"]
    filter_norm: eqx.nn.LayerNorm
    expand: eqx.nn.Linear
    contract: eqx.nn.Linear
    feed_norm: eqx.nn.LayerNorm
    dropout: eqx.nn.Dropout

    def __init__(self, width: int, length: int, dropout: float, *, key: PRNGKeyArray):
        spectrum, expand, contract = jax.random.split(key, 3)
        self.spectrum = 0.02 * jax.random.normal(spectrum, (2, length // 2 + 1, width))
        self.filter_norm = eqx.nn.LayerNorm(width)
        self.expand = eqx.nn.Linear(width, 4 * width, key=expand)
        self.contract = eqx.nn.Linear(4 * width, width, key=contract)
        self.feed_norm = eqx.nn.LayerNorm(width)
        self.dropout = eqx.nn.Dropout(dropout)

    def __call__(
        self, x: Float[Array, "time width"], length: int, key: PRNGKeyArray | None
    ) -> Float[Array, "time width"]:
        """One block; `length` is that of the kernel."""
        keys = (None, None) if key is None else jax.random.split(key)
        filtered = self.dropout(self.filter(x, length), key=keys[0], inference=key is None)
        x = jax.vmap(self.filter_norm)(x + filtered)
        fed = jax.vmap(self.contract)(jax.nn.gelu(jax.vmap(self.expand)(x)))
        return jax.vmap(self.feed_norm)(x + self.dropout(fed, key=keys[1], inference=key is None))

    def filter(self, x: Float[Array, "time width"], length: int) -> Float[Array, "time width"]:
        """`y[t] = sum over s <= t of kernel[t - s] x[s]`, for each channel.

        Written out: a product of spectra would let as much of the future in as rounding is large.
        """
        spectrum = jax.lax.complex(self.spectrum[0], self.spectrum[1])
        # Orthonormal, as in the paper's code: the sizes of kernel and spectrum are then alike.
        kernel = jnp.fft.irfft(spectrum, n=length, axis=0, norm="ortho")
        ago = jnp.arange(len(x))[:, None] - jnp.arange(len(x))[None]
        weights = jnp.where((ago >= 0)[..., None], kernel[jnp.maximum(ago, 0)], 0)
        return jnp.einsum("tsw,sw->tw", weights, x)


class FMLPRec(eqx.Module):
    """Blocks of learned filters over the last `length` events.

    Args:
        vocabulary: number of tokens.
        width: size of an embedding and of every hidden state.
        layers: number of blocks.
        length: the longest sequence it can read, and the length of the filters.
        dropout: share of entries dropped while training with a key.
        key: for the random initial weights.
    """

    embedding: Float[Array, "vocab width"]
    positions: Float[Array, "length width"]
    norm: eqx.nn.LayerNorm
    blocks: tuple[FilterBlock, ...]
    dropout: eqx.nn.Dropout

    def __init__(
        self,
        vocabulary: int,
        *,
        width: int = 64,
        layers: int = 2,
        length: int = 50,
        dropout: float = 0.0,
        key: PRNGKeyArray,
    ):
        items, places, *blocks = jax.random.split(key, 2 + layers)
        self.embedding = 0.3 / math.sqrt(width) * jax.random.normal(items, (vocabulary, width))
        self.positions = 0.1 / math.sqrt(width) * jax.random.normal(places, (length, width))
        self.norm = eqx.nn.LayerNorm(width)
        self.blocks = tuple(FilterBlock(width, length, dropout, key=block) for block in blocks)
        self.dropout = eqx.nn.Dropout(dropout)

    def __call__(
        self, embedded: Float[Array, "time width"], *, key: PRNGKeyArray | None = None
    ) -> Float[Array, "time width"]:
        """See `farzi.models.Learner`.

        Raises:
            ValueError: if the sequence is longer than the filters.
        """
        time, length = len(embedded), len(self.positions)
        check_length(time, length, "FMLPRec")
        keys = [None] * (1 + len(self.blocks))
        if key is not None:
            keys = list(jax.random.split(key, len(keys)))
        x = embedded * math.sqrt(embedded.shape[1]) + self.positions[:time]
        x = self.dropout(jax.vmap(self.norm)(x), key=keys[0], inference=key is None)
        for block, block_key in zip(self.blocks, keys[1:], strict=True):
            x = block(x, length, block_key)
        return x
