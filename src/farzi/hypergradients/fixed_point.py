"""Numbers as 64-bit integers, so that every step of an optimiser can be undone bit for bit.

Adding is undone by subtracting. Multiplying by a decay `n / d` must round, and what rounding takes
away goes into a buffer, one integer a number. There are two ways, and `decay` chooses:

`Exchange` (Maclaurin, Duvenaud and Adams 2015, arXiv 1502.03492, algorithm 3) writes `x = h d + r`,
pushes `r` to the buffer as a digit and takes a digit out of it instead:

    buffer <- buffer d + r        x <- h n + (buffer mod n)        buffer <- buffer div n

The buffer grows by `log2(d / n)` bits a step and no more, but the digit that comes out has nothing
to do with `r`: an error of up to `n`. That is fine for 9/10 and much for 999/1000.

`Rounding` is for `(d - 1) / d` with a large `d`: `x <- x - x / d`, where the quotient is rounded up
from a remainder of `a` on. Of the results one in `d - 1` has two origins, remainders `a - 1` and
`a`; only for those the buffer takes one bit, that says which. `a` differs from step to step, so
that rounding is right on average and no number comes to rest where it needs a bit each time.

All arrays here have 64 bits whatever JAX's `jax_enable_x64` says; whatever calls these functions
must do so within `jax.enable_x64(True)`.
"""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int, UInt

BITS = 61
"""A number takes up less than `2 ** BITS`, which leaves room to add another one."""
_LARGEST_DENOMINATOR = 100_000
_ROUND_FROM = 100
"""The denominator from which `Rounding` is used: its buffer fills faster the smaller it is."""

Numbers = Int[Array, "*shape"]
Buffers = UInt[Array, "*shape"]


def unit(largest: Float[Array, ""]) -> Float[Array, ""]:
    """What one integer stands for if numbers up to `largest` are to be held: a power of two."""
    _, exponent = jnp.frexp(largest)
    return jnp.ldexp(jnp.ones_like(largest), exponent - BITS)


def to_fixed(x: Float[Array, "*shape"], unit: Float[Array, ""]) -> Numbers:
    """The integer nearest to `x / unit`."""
    return jnp.round(x * (1 / unit)).astype(jnp.int64)  # A power of two: nothing is rounded twice.


def to_float(x: Numbers, unit: Float[Array, ""]) -> Float[Array, "*shape"]:
    """The floating-point number nearest to `x * unit`."""
    return x.astype(unit.dtype) * unit


class Exchange(NamedTuple):
    """Multiplication by `numerator / denominator` that swaps digits with the buffer."""

    numerator: int
    denominator: int

    @property
    def period(self) -> int:
        """How many steps an empty buffer lasts."""
        largest, steps = 0, 0
        while largest * self.denominator + self.denominator - 1 < 2**64:
            largest = (largest * self.denominator + self.denominator - 1) // self.numerator
            steps += 1
        return steps

    def apply(self, x: Numbers, buffer: Buffers, t: Int[Array, ""]) -> tuple[Numbers, Buffers]:
        """The product, and the buffer with what that took away, in step `t`."""
        h, r = _divide(x, self.denominator)
        return self._swap(h, r, buffer, self.denominator, self.numerator)

    def undo(self, x: Numbers, buffer: Buffers, t: Int[Array, ""]) -> tuple[Numbers, Buffers]:
        """What `apply` got."""
        h, r = _divide(x, self.numerator)
        return self._swap(h, r, buffer, self.numerator, self.denominator)

    @staticmethod
    def _swap(
        h: Numbers, digit: Numbers, buffer: Buffers, base: int, other: int
    ) -> tuple[Numbers, Buffers]:
        """Push a digit to that base, pop one to the other, which completes `h`."""
        buffer = buffer * jnp.uint64(base) + digit.astype(jnp.uint64)
        rest = lax.div(buffer, jnp.full_like(buffer, other))
        popped = (buffer - rest * jnp.uint64(other)).astype(jnp.int64)
        return h * other + popped, rest


class Rounding(NamedTuple):
    """Multiplication by `(denominator - 1) / denominator` that rounds and notes ties."""

    denominator: int

    @property
    def period(self) -> int:
        """How many steps an empty buffer lasts: about 20 of its 64 bits are used by then."""
        return 10 * self.denominator

    def apply(self, x: Numbers, buffer: Buffers, t: Int[Array, ""]) -> tuple[Numbers, Buffers]:
        """The product, and the buffer with what that took away, in step `t`."""
        h, r = _divide(x, self.denominator)
        a = self._threshold(t)
        noted = (buffer << jnp.uint64(1)) | (r == a).astype(jnp.uint64)
        buffer = jnp.where((r == a) | (r == a - 1), noted, buffer)
        return x - h - (r >= a).astype(jnp.int64), buffer

    def undo(self, x: Numbers, buffer: Buffers, t: Int[Array, ""]) -> tuple[Numbers, Buffers]:
        """What `apply` got."""
        h, s = _divide(x, self.denominator - 1)
        a = self._threshold(t)
        tie = s == a - 1
        upper = (s >= a) | (tie & ((buffer & jnp.uint64(1)) == 1))
        return x + h + upper.astype(jnp.int64), jnp.where(tie, buffer >> jnp.uint64(1), buffer)

    def _threshold(self, t: Int[Array, ""]) -> Int[Array, ""]:
        """A number from 1 to `denominator - 1`, each equally often, with no pattern to speak of."""
        return 1 + (t.astype(jnp.int64) * 6_700_417) % (self.denominator - 1)


Decay = Exchange | Rounding


def decay(factor: float) -> Decay:
    """The best way to multiply by a factor such as 0.999.

    Raises:
        ValueError: if it is no fraction between 0 and 1 with a denominator up to 100,000.
    """
    fraction = Fraction(factor).limit_denominator(_LARGEST_DENOMINATOR)
    numerator, denominator = fraction.numerator, fraction.denominator
    if not 0 < fraction < 1 or abs(float(fraction) - factor) > 1e-12:
        raise ValueError(
            f"Reversible() cannot undo a decay of {factor}; use a fraction between 0 and 1 with a "
            f"denominator up to {_LARGEST_DENOMINATOR}, such as 0.9 or 0.999, or another strategy, "
            "such as Checkpointed()."
        )
    if numerator == denominator - 1 and denominator >= _ROUND_FROM:
        return Rounding(denominator)
    return Exchange(numerator, denominator)


def _divide(x: Numbers, divisor: int) -> tuple[Numbers, Numbers]:
    """Quotient rounded down, and remainder from 0 up.

    The offset makes `x` positive, so that one unsigned division does it.
    """
    offset = 2**62 // divisor
    positive = (x + offset * divisor).astype(jnp.uint64)
    quotient = lax.div(positive, jnp.full_like(positive, divisor)).astype(jnp.int64) - offset
    return quotient, x - quotient * divisor
