"""The inner loop: one training step, and the same step taken backwards by its adjoint.

A step reads the gradient `g` of the loss at the parameters `w`, and hands it to the optimiser:

    g = d L(w, x, t) / dw          (w', s') = update(g, w, s, x)

Its adjoint turns the derivatives of the outer loss by `(w', s')` into those by `(w, s)` and adds
to the one by the data `x`:

    (u, dw, ds, dx) += update's transpose, applied to (dw', ds')
    dw += (d2 L / dw dw) u          dx += (d2 L / dx dw) u

Both second-order products are one Jacobian-vector product of the gradient by `(w, x)` in direction
`u` (forward over reverse). It is linearised at `w` first, because that gives `g`, which `u` needs.
For Adam this is the recursion of `docs/hypergradient.md`, which holds for any optimiser.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jax import lax
from jaxtyping import Array, Float, Int, PyTree

from farzi.hypergradients.safe_sqrt import with_safe_sqrt


class State(NamedTuple):
    """What one step hands to the next: the parameters and the optimiser's memory."""

    params: PyTree
    memory: PyTree


class Tape(NamedTuple):
    """What is kept of steps to take them back: the state before each, and the gradient there."""

    before: State
    gradient: PyTree


class Cotangent(NamedTuple):
    """What the reverse pass carries.

    Attributes:
        state: derivatives of the outer loss by the state (None for integers).
        data: derivatives by the data, summed over the steps taken back so far.
        norms: float `[steps]`, the norm of `u` at each step before clipping.
    """

    state: State
    data: PyTree
    norms: Float[Array, " steps"]


class Linearized(NamedTuple):
    """The gradient of the inner loss at some parameters, and its derivative there.

    Attributes:
        gradient: `g`.
        second_order: from a direction `u` to `((d2 L / dw dw) u, (d2 L / dx dw) u)`.
    """

    gradient: PyTree
    second_order: Callable[[PyTree], tuple[PyTree, PyTree]]


@dataclass(frozen=True)
class InnerLoop:
    """A training loop whose end point is to be differentiated by whatever it read.

    Attributes:
        inner_loss: `(params, data, step) -> scalar`.
        outer_loss: `(params) -> scalar`, of the end point.
        optimizer: `(data) -> optax.GradientTransformation`.
        optimizer_reads_data: whether the optimiser really depends on the data.
        steps: T, the length of the loop.
        adjoint_clip: the largest norm of `u`; longer ones are scaled down to it. None: exact.
    """

    inner_loss: Callable[[PyTree, PyTree, Int[Array, ""]], Float[Array, ""]]
    outer_loss: Callable[[PyTree], Float[Array, ""]]
    optimizer: Callable[[PyTree], optax.GradientTransformation]
    optimizer_reads_data: bool
    steps: int
    adjoint_clip: float | None

    def start(self, params: PyTree, data: PyTree) -> State:
        """The state before the first step."""
        return State(params, self.optimizer(data).init(params))

    def step(self, state: State, data: PyTree, t: Int[Array, ""]) -> State:
        """One training step."""
        return self.update(self.gradient(state.params, data, t), state, data)

    def gradient(self, params: PyTree, data: PyTree, t: Int[Array, ""]) -> PyTree:
        """The gradient that a step reads."""
        return jax.grad(self.inner_loss)(params, data, t)

    def update(self, gradient: PyTree, state: State, data: PyTree) -> State:
        """What the optimiser makes of a gradient."""
        update = with_safe_sqrt(self.optimizer(data).update)
        updates, memory = update(gradient, state.memory, state.params)
        return State(optax.apply_updates(state.params, updates), memory)

    def cotangent(self, end: State, data: PyTree) -> tuple[Float[Array, ""], Cotangent]:
        """The outer loss at the end point, and what the reverse pass starts with."""
        loss, gradient = jax.value_and_grad(self.outer_loss)(end.params)
        memory = jax.tree.map(jnp.zeros_like, eqx.filter(end.memory, eqx.is_inexact_array))
        norms = jnp.zeros(self.steps, self.norm_dtype(end.params))
        return loss, Cotangent(State(gradient, memory), jax.tree.map(jnp.zeros_like, data), norms)

    def linearize(self, params: PyTree, data: PyTree, t: Int[Array, ""]) -> Linearized:
        """The gradient that a step reads, and its derivative by parameters and data."""
        gradients = jax.grad(self.inner_loss, argnums=(0, 1))
        (gradient, _), second_order = jax.linearize(lambda w: gradients(w, data, t), params)
        return Linearized(gradient, second_order)

    def step_back(
        self, before: State, data: PyTree, t: Int[Array, ""], cotangent: Cotangent
    ) -> Cotangent:
        """The adjoint of `step(before, data, t)`."""
        return self.pull_back(before, self.linearize(before.params, data, t), data, t, cotangent)

    def pull_back(
        self,
        before: State,
        linearized: Linearized,
        data: PyTree,
        t: Int[Array, ""],
        cotangent: Cotangent,
    ) -> Cotangent:
        """The adjoint of `step(before, data, t)`, whose gradient is already linearised."""
        memory, counters = eqx.partition(before.memory, eqx.is_inexact_array)
        read = data if self.optimizer_reads_data else None

        def update(gradient: PyTree, params: PyTree, memory: PyTree, read: PyTree) -> State:
            state = State(params, eqx.combine(memory, counters))
            after = self.update(gradient, state, read)
            return State(after.params, eqx.filter(after.memory, eqx.is_inexact_array))

        _, transpose = jax.vjp(update, linearized.gradient, before.params, memory, read)
        direction, d_params, d_memory, d_read = transpose(cotangent.state)
        direction, norm = self.clip(direction)
        by_params, by_data = linearized.second_order(direction)
        if self.optimizer_reads_data:
            by_data = add(by_data, d_read)
        return Cotangent(
            State(add(d_params, by_params), d_memory),
            add(cotangent.data, by_data),
            cotangent.norms.at[t].set(norm),
        )

    def by_start(self, params: PyTree, data: PyTree, cotangent: Cotangent) -> tuple[PyTree, PyTree]:
        """Derivatives by the data and by the initial parameters, at the end of the reverse pass.

        What an optimiser remembers at first may depend on the parameters (an average of them).
        """
        _, transpose = jax.vjp(
            lambda w, x: eqx.filter(self.start(w, x), eqx.is_inexact_array), params, data
        )
        by_params, by_data = transpose(cotangent.state)
        return add(cotangent.data, by_data), by_params

    def clip(self, direction: PyTree) -> tuple[PyTree, Float[Array, ""]]:
        """`direction` with its norm clipped, and the norm it had."""
        norm = optax.tree.norm(direction)
        if self.adjoint_clip is None:
            return direction, norm
        scale = jnp.where(norm > self.adjoint_clip, self.adjoint_clip / norm, 1.0)
        return jax.tree.map(lambda leaf: leaf * scale.astype(leaf.dtype), direction), norm

    @staticmethod
    def norm_dtype(params: PyTree) -> jnp.dtype:
        """The type of the norm of an adjoint."""
        return jax.eval_shape(optax.tree.norm, params).dtype

    # The loops below have bounds that may be traced: a last, shorter segment costs no wasted steps.

    def advance(self, state: State, data: PyTree, first: Any, last: Any) -> State:
        """Steps `first` to `last - 1`, keeping nothing."""
        return lax.fori_loop(first, last, lambda t, state: self.step(state, data, t), state)

    def record(
        self, state: State, data: PyTree, first: Any, last: Any, room: int
    ) -> tuple[State, Tape]:
        """Steps `first` to `last - 1`; also what `rewind` needs of each, stacked to `room`.

        The gradients are kept as well as the states: to take them from the tape instead of
        computing them again saves the reverse pass about a tenth of its time.
        """

        def body(t: Any, carry: tuple[State, Tape]) -> tuple[State, Tape]:
            state, tape = carry
            gradient = self.gradient(state.params, data, t)
            tape = write(tape, t - first, Tape(state, gradient))
            return self.update(gradient, state, data), tape

        return lax.fori_loop(first, last, body, (state, blank(Tape(state, state.params), room)))

    def rewind(
        self, tape: Tape, data: PyTree, first: Any, last: Any, cotangent: Cotangent
    ) -> Cotangent:
        """The adjoint of steps `last - 1` down to `first`, which `record` put on `tape`."""

        def body(i: Any, cotangent: Cotangent) -> Cotangent:
            t = last - 1 - i
            before, gradient = read(tape, t - first)
            linearized = self.linearize(before.params, data, t)._replace(gradient=gradient)
            return self.pull_back(before, linearized, data, t, cotangent)

        return lax.fori_loop(0, last - first, body, cotangent)


def blank(tree: PyTree, room: int) -> PyTree:
    """Zeros with space for `room` such trees, for one state say."""
    return jax.tree.map(lambda leaf: jnp.zeros((room, *leaf.shape), leaf.dtype), tree)


def write(stack: PyTree, place: Any, tree: PyTree) -> PyTree:
    """`stack` with `tree` at `place`."""
    return jax.tree.map(lambda all, one: all.at[place].set(one), stack, tree)


def read(stack: PyTree, place: Any) -> PyTree:
    """The tree at `place` of `stack`."""
    return jax.tree.map(lambda leaf: leaf[place], stack)


def add(left: PyTree, right: PyTree) -> PyTree:
    """The sum of two trees of one structure."""
    return jax.tree.map(jnp.add, left, right)
