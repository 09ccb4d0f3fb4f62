"""Adds what a step contributes to a derivative where it belongs, and touches nothing else.

A step that reads some rows of the data contributes to the derivative of those rows alone. JAX makes
the contribution an array of the size of all data, zeros but for these rows, and adding it reads and
writes all of them at each step. Here the rows are added to the running sum in place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend import core
from jaxtyping import Array, Int, PyTree


def add_linear(function: Callable[[PyTree], PyTree], at: PyTree, total: PyTree) -> PyTree:
    """`total + function(at)`, for a function that is linear.

    Args:
        function: linear, such as the second result of `jax.linearize`.
        at: what it is applied to.
        total: arrays in the structure of the function's result.
    """
    closed = jax.make_jaxpr(function)(at)
    terms = _terms(closed.jaxpr)
    # What the terms need is computed; the arrays that JAX would put them in are not.
    needed = [var for leaf in terms for term in leaf for var in term.needs]
    shorter = closed.jaxpr.replace(
        outvars=needed, debug_info=closed.jaxpr.debug_info._replace(result_paths=None)
    )
    values = iter(core.jaxpr_as_fun(closed.replace(jaxpr=shorter))(*jax.tree.leaves(at)))
    sums = []
    for leaf, contributions in zip(jax.tree.leaves(total), terms, strict=True):
        for term in contributions:
            leaf = term.add(leaf, *(next(values) for _ in term.needs))
        sums.append(leaf)
    return jax.tree.unflatten(jax.tree.structure(total), sums)


class _Term(NamedTuple):
    """A contribution to one array.

    Attributes:
        needs: variables of the program that it is made from.
        add: from the sum so far and their values to the sum with the contribution.
    """

    needs: Sequence[Any]
    add: Callable[..., Array]


def _terms(jaxpr: core.Jaxpr) -> list[list[_Term]]:
    """The contributions to each result of a linear program."""
    made_by = {var: eqn for eqn in jaxpr.eqns for var in eqn.outvars}
    linear = set(jaxpr.invars)
    for eqn in jaxpr.eqns:
        if any(isinstance(var, core.Var) and var in linear for var in eqn.invars):
            linear.update(eqn.outvars)

    def terms(var: Any) -> list[_Term]:
        eqn = made_by.get(var) if isinstance(var, core.Var) else None
        if eqn is None:
            return [_Term([var], jnp.add)]
        name = eqn.primitive.name
        if name == "add_any":
            return terms(eqn.invars[0]) + terms(eqn.invars[1])
        # What a linear program writes into, if it is not linear itself, can only be zeros.
        if name == "scatter-add" and eqn.invars[0] not in linear:
            return [_Term(eqn.invars[1:], partial(eqn.primitive.bind, **eqn.params))]
        if name == "dynamic_update_slice" and eqn.invars[0] not in linear:
            return [_Term(eqn.invars[1:], _add_to_slice)]
        return [_Term([var], jnp.add)]

    return [terms(var) for var in jaxpr.outvars]


def _add_to_slice(total: Array, update: Array, *first: Int[Array, ""]) -> Array:
    there = lax.dynamic_slice(total, first, update.shape)
    return lax.dynamic_update_slice(total, there + update, first)
