"""Can the hypergradient of a small network be trusted, and is its outer loss smooth?

Prints what docs/hypergradient.md shows, with relu and with gelu.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

import farzi


def check(activation: Callable[[Any], Any]) -> Any:
    """Of a network of one hidden layer of 32, trained for 50 steps on 20 rows."""

    def loss(params: Any, rows: Any, step: Any = None) -> Any:
        predicted = activation(rows["inputs"] @ params["hidden"]) @ params["out"]
        return jnp.mean((predicted - rows["wanted"]) ** 2)

    keys = jax.random.split(jax.random.key(0), 6)
    normal = jax.random.normal
    return farzi.check_hypergradient(
        loss,
        loss,
        farzi.adam(0.01),
        50,
        start={"hidden": normal(keys[0], (8, 32)), "out": normal(keys[1], (32,))},
        data={"inputs": normal(keys[2], (20, 8)), "wanted": normal(keys[3], (20,))},
        batch={"inputs": normal(keys[4], (200, 8)), "wanted": normal(keys[5], (200,))},
        key=jax.random.key(1),
        directions=3,
    )


if __name__ == "__main__":
    for activation in (jax.nn.relu, jax.nn.gelu):
        print(f"{activation.__name__}:\n{check(activation)}\n")
