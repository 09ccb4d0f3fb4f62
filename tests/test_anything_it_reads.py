"""Derivatives by learning rates, weights of the loss and the start, by every exact strategy."""

import jax
import jax.numpy as jnp
import optax
import pytest
import toy_problem as toy

from farzi.hypergradients import (
    Checkpointed,
    Reversible,
    StoreStates,
    Unrolled,
    adam,
    hypergradient,
    sgd,
)

pytestmark = pytest.mark.usefixtures("x64")

STEPS = 11
STRATEGIES = [StoreStates(), Checkpointed(levels=3), Checkpointed(every=4), Unrolled()]


def data():
    """Rows as in the toy problem, weights of their losses, and rates: one a step, and one more."""
    return {
        "rows": toy.rows(4, seed=2),
        "weights": jnp.array([0.3, 2.0, 0.7, 1.0]),
        "rates": 0.02 * jnp.cos(jnp.arange(STEPS) / 8),
        "rate": jnp.asarray(1.1),
        "names": jnp.arange(3),
    }


def inner_loss(params, data, t):
    return jnp.mean(data["weights"] * toy.errors(params, data["rows"]) ** 2)


def with_adam(data):
    return adam(lambda step: data["rates"][step] * data["rate"], **toy.ADAM)


def with_momentum(data):
    return sgd(lambda step: data["rates"][step] * data["rate"])


def with_decay(data):
    """An optimiser of optax, of which other settings than the rate are learned."""
    return optax.chain(
        optax.trace(0.8 * data["rate"]),
        optax.add_decayed_weights(data["rates"][2]),
        optax.scale_by_learning_rate(data["rates"][0]),
    )


def averaging(_):
    """Remembers the parameters from the first: what it starts with depends on the start."""

    def update(updates, average, params):
        average = jax.tree.map(lambda a, p: 0.9 * a + 0.1 * p, average, params)
        return jax.tree.map(
            lambda g, a, p: -0.02 * g + 0.05 * (a - p), updates, average, params
        ), average

    return optax.GradientTransformation(lambda params: params, update)


def end_loss(make):
    """Training written out, with nothing of farzi's but the optimisers."""

    def loss(start, data, batch):
        optimizer = make(data)
        params, memory = start, optimizer.init(start)

        def step(carry, t):
            params, memory = carry
            gradient = jax.grad(inner_loss)(params, data, t)
            updates, memory = optimizer.update(gradient, memory, params)
            return (optax.apply_updates(params, updates), memory), None

        (params, _), _ = jax.lax.scan(step, (params, memory), jnp.arange(STEPS))
        return toy.outer_loss(params, batch)

    return loss


def floating(tree):
    return {name: leaf for name, leaf in tree.items() if name != "names"}


def differentiate(make, adjoint):
    function = hypergradient(inner_loss, toy.outer_loss, make, STEPS, adjoint)
    return jax.jit(function)(toy.start(), data(), toy.rows(6, seed=3))


@pytest.mark.parametrize("make", [with_adam, with_momentum, with_decay, averaging])
def test_equals_plain_autodiff_and_central_differences(make):
    batch = toy.rows(6, seed=3)

    def loss(start, floats):
        return end_loss(make)(start, floats | {"names": data()["names"]}, batch)

    by_start, by_data = jax.jit(jax.grad(loss, argnums=(0, 1)))(toy.start(), floating(data()))
    for adjoint in STRATEGIES:
        result = differentiate(make, adjoint)
        assert result.gradient["names"] is None
        assert toy.relative_error(floating(result.gradient), by_data) < 1e-10
        assert toy.relative_error(result.start_gradient, by_start) < 1e-10
    _, numeric, rounding = toy.central_differences(
        lambda both: loss(*both), (toy.start(), floating(data()))
    )
    norm = float(optax.tree.norm(numeric))
    assert toy.distance((by_start, by_data), numeric) < rounding + 1e-6 * norm


@pytest.mark.parametrize("make", [with_adam, with_momentum])
def test_reversible_has_them_too(make):
    stored, backwards = differentiate(make, StoreStates()), differentiate(make, Reversible())
    for name, leaf in floating(stored.gradient).items():
        assert float(optax.tree.norm(leaf)) > 0
        assert toy.relative_error(backwards.gradient[name], leaf) < 1e-6
    assert toy.relative_error(backwards.start_gradient, stored.start_gradient) < 1e-6
