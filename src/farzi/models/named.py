"""The arrays of a learner by their names, as files have them."""

from __future__ import annotations

from typing import TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

Tree = TypeVar("Tree", bound=PyTree)


def named_arrays(tree: PyTree) -> dict[str, np.ndarray]:
    """All arrays of a learner, or of another tree, such as `blocks.0.expand.weight`."""
    leaves, _ = jax.tree.flatten_with_path(eqx.filter(tree, eqx.is_array))
    return {_name(path): np.asarray(leaf) for path, leaf in leaves}


def with_arrays(tree: Tree, arrays: dict[str, np.ndarray]) -> Tree:
    """The tree with other arrays.

    Args:
        tree: of the same structure, sizes and types; what is no array is taken from it. Its arrays
            may be `jax.ShapeDtypeStruct`.
        arrays: by their names; others than those of the tree are not looked at.

    Raises:
        ValueError: if one is missing, or has another shape or type.
    """

    def fill(path: tuple, leaf: object) -> object:
        if not isinstance(leaf, jax.Array | jax.ShapeDtypeStruct):
            return leaf
        new = arrays.get(_name(path))
        found = None if new is None else f"{new.dtype} {list(new.shape)}"
        wanted = f"{leaf.dtype} {list(leaf.shape)}"
        if found != wanted:
            raise ValueError(f"{_name(path)} is {found or 'missing'}, where {wanted} is needed")
        return jnp.asarray(new)

    return jax.tree.map_with_path(fill, tree)


def _name(path: tuple) -> str:
    return jax.tree_util.keystr(path, simple=True, separator=".")
