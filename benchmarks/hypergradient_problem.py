"""The problem that every candidate of the benchmark solves, in NumPy: sizes, data, first weights.

A small causal transformer (pre-norm, two blocks, output layer shared with the embedding) is trained
with Adam on soft tokens, and the loss of the result on a batch of hard tokens is differentiated by
the soft tokens. Its activation is GELU, because at the kinks of ReLU a rounding error decides which
way the derivative goes, and no two programs would agree on it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

B1, B2, EPS, EPS_ROOT = 0.9, 0.999, 1e-8, 1e-8
VOCABULARY, LENGTH, LAYERS, BATCHES = 1158, 32, 2, 4
MATRICES = ("query", "key", "value", "output", "expand", "contract")
ONES = ("attention_scale", "feed_scale")
ZEROS = ("attention_shift", "feed_shift", "expand_bias", "contract_bias")


@dataclass(frozen=True)
class Size:
    """How large the model is, how much it reads in a step, and how fast it learns.

    Attributes:
        width: of every hidden state.
        sequences: read in each inner step, of 33 soft tokens each.
        rate: of the inner Adam. So small that 1024 steps hardly amplify rounding errors: what is
            measured is the arithmetic of the candidates, and of a chaotic loop none of them has a
            digit right in float32. It goes with 1 / width.
    """

    width: int
    sequences: int
    rate: float


SIZES = {
    "126k": Size(width=64, sequences=16, rate=1e-4),
    "1M": Size(width=256, sequences=16, rate=2.5e-5),
}


@dataclass(frozen=True)
class Problem:
    """All that a candidate is given, in float64.

    Attributes:
        weights: the first weights by name.
        data: soft tokens `[batches, sequences, length + 1, vocab]`; step t reads batch t mod 4.
        batch: hard tokens `[16, length + 1]` of the outer loss.
    """

    weights: dict[str, np.ndarray]
    data: np.ndarray
    batch: np.ndarray

    @property
    def parameters(self) -> int:
        """P, the number of weights."""
        return sum(weight.size for weight in self.weights.values())


def make_problem(size: Size) -> Problem:
    """The same in every process; each number is one that float32 holds."""
    rng = np.random.default_rng(0)
    sample = _markov_chain(rng)
    tokens = sample(BATCHES * size.sequences)
    # Each place is mostly one token, as it is where distillation starts from real sequences.
    noise = np.exp(2 * rng.standard_normal((*tokens.shape, VOCABULARY)))
    soft = 0.7 * np.eye(VOCABULARY)[tokens] + 0.3 * noise / noise.sum(axis=-1, keepdims=True)
    return Problem(
        weights={name: _rounded(weight) for name, weight in _weights(rng, size.width).items()},
        data=_rounded(soft.reshape(BATCHES, size.sequences, LENGTH + 1, VOCABULARY)),
        batch=sample(16),
    )


def _weights(rng: np.random.Generator, width: int) -> dict[str, np.ndarray]:
    def normal(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape) / math.sqrt(width)

    weights = {"embedding": normal(VOCABULARY, width), "positions": normal(LENGTH, width)}
    for layer in range(LAYERS):
        weights |= {f"block{layer}_{name}": normal(width, width) for name in MATRICES}
        weights |= {f"block{layer}_{name}": np.ones(width) for name in ONES}
        weights |= {f"block{layer}_{name}": np.zeros(width) for name in ZEROS}
    return weights | {"scale": np.ones(width), "shift": np.zeros(width)}


def _markov_chain(rng: np.random.Generator) -> Callable[[int], np.ndarray]:
    """Draws sequences in which few tokens are common and each has some usual successors."""
    popularity = 1 / (10 + np.arange(VOCABULARY))
    popularity /= popularity.sum()
    successors = rng.choice(VOCABULARY, (VOCABULARY, 8), p=popularity)

    def sample(sequences: int) -> np.ndarray:
        places = [rng.choice(VOCABULARY, sequences, p=popularity)]
        for _ in range(LENGTH):
            usual = successors[places[-1], rng.integers(0, 8, sequences)]
            unusual = rng.choice(VOCABULARY, sequences, p=popularity)
            places.append(np.where(rng.random(sequences) < 0.9, usual, unusual))
        return np.stack(places, axis=1)

    return sample


def _rounded(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float32).astype(np.float64)
