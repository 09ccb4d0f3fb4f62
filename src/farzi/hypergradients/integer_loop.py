"""The inner loop in integers: every step of it, and the same step undone."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, Int, PyTree, UInt

from farzi.hypergradients.fixed_point import decay, to_fixed, to_float, unit
from farzi.hypergradients.inner_loop import Cotangent, InnerLoop, State
from farzi.hypergradients.optimizers import Memory, MomentRule

LARGEST_PARAMETER = 2.0**13
"""Parameters are then multiples of `2 ** -48`: no coarser than float32 for all above `2 ** -24`."""


class Fixed(NamedTuple):
    """A state of the loop as integers, all parameters in one row.

    Attributes:
        params: int64 `[parameters]`.
        moments: int64 `[parameters]` for each moment of the optimiser.
        buffers: uint64 `[parameters]` for each, what its decay took away.
    """

    params: Int[Array, " parameters"]
    moments: tuple[Int[Array, " parameters"], ...]
    buffers: tuple[UInt[Array, " parameters"], ...]


Aside = tuple[UInt[Array, "_ parameters"], ...]
"""Full buffers that were put aside, for each moment: `[times, parameters]`."""


class IntegerLoop:
    """The inner loop in integers, there and back.

    To be used within `jax.enable_x64(True)`. Whatever the user wrote is traced with `x64` as the
    user has it; only the integers need 64 bits.

    Args:
        loop: the loop.
        rule: its optimiser, for these data.
        data: what it reads.
        unravel: from all parameters in one row to their pytree.
        largest_gradient: what a coordinate of any gradient may be at the most.
        x64: whether the user has `jax_enable_x64`.
    """

    def __init__(
        self,
        loop: InnerLoop,
        rule: MomentRule,
        data: PyTree,
        unravel: Callable[[Array], PyTree],
        largest_gradient: Float[Array, ""],
        x64: bool,
    ):
        self.loop, self.rule, self.data, self.unravel = loop, rule, data, unravel
        self.largest_gradient, self.x64 = largest_gradient, x64
        self.decays = tuple(decay(moment.decay) for moment in rule.moments)
        self.unit = unit(jnp.full_like(largest_gradient, LARGEST_PARAMETER))
        # A moment is a sum of `weight * g ** power` with decaying weights.
        self.units = tuple(
            unit(moment.weight / (1 - moment.decay) * largest_gradient**moment.power)
            for moment in rule.moments
        )
        periods = [factor.period for factor in self.decays]
        self.segment = min(*periods, loop.steps)
        self.segments = math.ceil(loop.steps / self.segment)
        self.segments_to_fill = [period // self.segment for period in periods]

    def start(self, flat: Float[Array, " parameters"]) -> Fixed:
        """The state before the first step."""
        zeros = tuple(jnp.zeros(flat.shape, jnp.int64) for _ in self.decays)
        empty = tuple(jnp.zeros(flat.shape, jnp.uint64) for _ in self.decays)
        return Fixed(to_fixed(flat, self.unit), zeros, empty)

    def state(self, fixed: Fixed, t: Int[Array, ""] | int) -> State:
        """The same state in floating-point numbers."""
        moments = tuple(
            self.unravel(to_float(moment, unit))
            for moment, unit in zip(fixed.moments, self.units, strict=True)
        )
        return State(self._params(fixed.params), Memory(jnp.asarray(t, jnp.int32), moments))

    def train(self, start: Fixed) -> tuple[Fixed, Aside, Bool[Array, ""]]:
        """All steps; also the buffers put aside, and whether all numbers were held."""

        def segment(
            s: Int[Array, ""], carry: tuple[Fixed, Aside, Bool[Array, ""]]
        ) -> tuple[Fixed, Aside, Bool[Array, ""]]:
            fixed, aside, held = carry
            s = s.astype(jnp.int32)  # Outside of `jax.jit`, a loop counts in 64 bits here.
            first, last = self._bounds(s)
            fixed, held = lax.fori_loop(first, last, self._step, (fixed, held))
            buffers, kept = [], []
            for k, (buffer, fillings) in enumerate(zip(fixed.buffers, aside, strict=True)):
                if len(fillings):
                    fillings = fillings.at[s // self.segments_to_fill[k]].set(buffer, mode="drop")
                    buffer = jnp.where(self._is_full(k, s), jnp.zeros_like(buffer), buffer)
                buffers.append(buffer)
                kept.append(fillings)
            return fixed._replace(buffers=tuple(buffers)), tuple(kept), held

        size = start.params.size
        aside = tuple(
            jnp.zeros(((self.segments - 1) // to_fill, size), jnp.uint64)
            for to_fill in self.segments_to_fill
        )
        held = self._held(start.params)
        return lax.fori_loop(*self._all_segments(), segment, (start, aside, held))

    def take_back(self, end: Fixed, aside: Aside, cotangent: Cotangent) -> tuple[Fixed, Cotangent]:
        """All steps backwards: the start as it was recovered, and the derivatives there."""

        def segment(i: Int[Array, ""], carry: tuple[Fixed, Cotangent]) -> tuple[Fixed, Cotangent]:
            fixed, cotangent = carry
            s = self.segments - 1 - i.astype(jnp.int32)
            buffers = tuple(
                jnp.where(self._is_full(k, s), fillings[s // self.segments_to_fill[k]], buffer)
                if len(fillings)
                else buffer
                for k, (buffer, fillings) in enumerate(zip(fixed.buffers, aside, strict=True))
            )
            first, last = self._bounds(s)
            return lax.fori_loop(
                jnp.zeros_like(last),
                last - first,
                lambda j, carry: self._step_back(last - 1 - j, carry),
                (fixed._replace(buffers=buffers), cotangent),
            )

        return lax.fori_loop(*self._all_segments(), segment, (end, cotangent))

    def _step(
        self, t: Int[Array, ""], carry: tuple[Fixed, Bool[Array, ""]]
    ) -> tuple[Fixed, Bool[Array, ""]]:
        fixed, held = carry
        t = t.astype(jnp.int32)
        params = lax.optimization_barrier(self._params(fixed.params))
        with jax.enable_x64(self.x64):
            gradient = lax.optimization_barrier(self.loop.gradient(params, self.data, t))
        gradient, _ = ravel_pytree(gradient)
        held &= jnp.all(jnp.abs(gradient) <= self.largest_gradient)
        moments, buffers = [], []
        for factor, moment, buffer, new in zip(
            self.decays, fixed.moments, fixed.buffers, self._added(gradient), strict=True
        ):
            moment, buffer = factor.apply(moment, buffer, t)
            moments.append(moment + new)
            buffers.append(buffer)
        params = fixed.params + self._change(tuple(moments), t)
        held &= self._held(params)
        return Fixed(params, tuple(moments), tuple(buffers)), held

    def _step_back(
        self, t: Int[Array, ""], carry: tuple[Fixed, Cotangent]
    ) -> tuple[Fixed, Cotangent]:
        """`_step`, line by line from the last to the first, and its adjoint."""
        fixed, cotangent = carry
        t = t.astype(jnp.int32)
        integers = fixed.params - self._change(fixed.moments, t)
        params = lax.optimization_barrier(self._params(integers))
        # Computed as `_step` does, and not taken from the linearisation, where a compiler may sum
        # in another order: a loss whose last line it fused differently came out a bit different.
        with jax.enable_x64(self.x64):
            gradient = lax.optimization_barrier(self.loop.gradient(params, self.data, t))
        flat, _ = ravel_pytree(gradient)
        moments, buffers = [], []
        for factor, moment, buffer, new in zip(
            self.decays, fixed.moments, fixed.buffers, self._added(flat), strict=True
        ):
            moment, buffer = factor.undo(moment - new, buffer, t)
            moments.append(moment)
            buffers.append(buffer)
        fixed = Fixed(integers, tuple(moments), tuple(buffers))
        # Not before the gradient is there, or the two would be computed together after all.
        params, gradient = lax.optimization_barrier((params, gradient))
        before = self.state(fixed, t)._replace(params=params)
        with jax.enable_x64(self.x64):
            linearized = self.loop.linearize(params, self.data, t)._replace(gradient=gradient)
            cotangent = self.loop.pull_back(before, linearized, self.data, t, cotangent)
        return fixed, cotangent

    def _params(self, integers: Int[Array, " parameters"]) -> PyTree:
        return self.unravel(to_float(integers, self.unit))

    def _held(self, integers: Int[Array, " parameters"]) -> Bool[Array, ""]:
        return jnp.all(jnp.abs(to_float(integers, self.unit)) < LARGEST_PARAMETER)

    def _added(self, gradient: Float[Array, " parameters"]) -> list[Int[Array, " parameters"]]:
        """What a gradient adds to each moment."""
        return [
            to_fixed(moment.weight * gradient**moment.power, unit)
            for moment, unit in zip(self.rule.moments, self.units, strict=True)
        ]

    def _change(
        self, moments: tuple[Int[Array, " parameters"], ...], t: Int[Array, ""]
    ) -> Int[Array, " parameters"]:
        """What the optimiser adds to the parameters, after the moments have been updated."""
        values = lax.optimization_barrier(
            tuple(to_float(moment, unit) for moment, unit in zip(moments, self.units, strict=True))
        )
        with jax.enable_x64(self.x64):
            change = lax.optimization_barrier(self.rule.change(values, t))
        return to_fixed(change, self.unit)

    def _bounds(self, s: Int[Array, ""]) -> tuple[Int[Array, ""], Int[Array, ""]]:
        """First step of a segment, and the one after its last."""
        return s * self.segment, jnp.minimum((s + 1) * self.segment, self.loop.steps)

    def _all_segments(self) -> tuple[Int[Array, ""], Int[Array, ""]]:
        # As arrays: the user's loss is given steps of 32 bits, as it is by the other strategies.
        return jnp.asarray(0, jnp.int32), jnp.asarray(self.segments, jnp.int32)

    def _is_full(self, k: int, s: Int[Array, ""]) -> Bool[Array, ""]:
        """Whether the buffer of moment `k` is put aside after a segment."""
        return ((s + 1) % self.segments_to_fill[k] == 0) & (s + 1 < self.segments)
