"""Contributions are added where they belong, and the sum is what plain addition gives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from farzi.hypergradients.accumulate import add_linear

pytestmark = pytest.mark.usefixtures("x64")

ROWS = jnp.array([3, 0, 3])


def slice_(x, u, t):
    return jnp.sum(x[t % 4] @ u) ** 2


def gather(x, u, t):
    return jnp.sum(jnp.tanh(x[ROWS + t] @ u))


def both(x, u, t):
    return slice_(x, u, t) * gather(x, u, t) + jnp.sum(jnp.sin(x @ u))


@jax.jit
def hidden(x, u, t):
    return gather(x, u, t)


def unread(x, u, t):
    return jnp.sum(u**2)


@pytest.mark.parametrize("function", [slice_, gather, both, hidden, unread])
@pytest.mark.parametrize("t", [1, None], ids=["known", "traced"])
def test_is_plain_addition(function, t):
    keys = jax.random.split(jax.random.key(0), 4)
    x, total = (jax.random.normal(key, (6, 5, 2)) for key in keys[:2])
    u, direction = (jax.random.normal(key, (2,)) for key in keys[2:])

    def derivatives(t):
        def gradient(u):
            return {"data": jax.grad(function)(x, u, t)}

        _, linear = jax.linearize(gradient, u)
        plain = jax.tree.map(jnp.add, {"data": total}, linear(direction))
        return plain, add_linear(linear, direction, {"data": total})

    plain, ours = derivatives(t) if t else jax.jit(derivatives)(1)
    np.testing.assert_allclose(ours["data"], plain["data"], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("function", [slice_, gather])
def test_no_array_as_large_as_the_data_is_made(function):
    x, u = jnp.ones((6, 5, 2)), jnp.ones(2)

    def add(total, t):
        _, linear = jax.linearize(lambda u: jax.grad(function)(x, u, t), u)
        return add_linear(linear, u, total)

    text = str(jax.make_jaxpr(add)(x, 1))
    sums = [line for line in text.splitlines() if "f64[6,5,2] = add" in line]
    assert sums == []
