"""Our Adam and SGD are optax's own."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import toy_problem as toy

from farzi.hypergradients import adam, sgd
from farzi.hypergradients.optimizers import rule_of

pytestmark = pytest.mark.usefixtures("x64")


def schedule(step):
    return 0.1 / (1 + step)


PAIRS = {
    "adam": (adam(0.1), optax.adam(0.1, eps_root=1e-8)),
    "adam with all settings": (
        adam(schedule, 0.8, 0.99, 1e-3, 1e-5),
        optax.adam(schedule, 0.8, 0.99, 1e-3, 1e-5),
    ),
    "sgd": (sgd(0.1), optax.sgd(0.1, momentum=0.9)),
    "sgd with all settings": (sgd(schedule, 0.5), optax.sgd(schedule, momentum=0.5)),
}


def train(optimizer, steps=20):
    params = toy.start()
    memory = optimizer.init(params)

    @jax.jit
    def step(params, memory, t):
        gradient = jax.grad(toy.inner_loss)(params, toy.rows(4, seed=2), t)
        updates, memory = optimizer.update(gradient, memory, params)
        return optax.apply_updates(params, updates), memory

    for t in range(steps):
        params, memory = step(params, memory, jnp.asarray(t))
    return params


@pytest.mark.parametrize("name", PAIRS)
def test_the_same_as_optax(name):
    ours, theirs = PAIRS[name]
    assert isinstance(ours, optax.GradientTransformation)
    with jax.numpy_dtype_promotion("standard"):
        # optax's 1 - 0.999 ** step loses three of sixteen digits in the first steps; ours does not.
        assert toy.relative_error(train(ours), train(theirs)) < 1e-13


def test_can_be_chained_and_takes_an_array_as_rate():
    chained = optax.chain(optax.clip_by_global_norm(0.1), adam(jnp.asarray(0.1)))
    theirs = optax.chain(optax.clip_by_global_norm(0.1), optax.adam(0.1, eps_root=1e-8))
    with jax.numpy_dtype_promotion("standard"):
        assert toy.relative_error(train(chained), train(theirs)) < 1e-13


def test_keeps_the_type_of_the_parameters():
    params = jnp.ones(3, jnp.float32)
    updates, memory = adam(0.1).update(params, adam(0.1).init(params), params)
    assert updates.dtype == jnp.float32
    assert {leaf.dtype for leaf in memory.moments} == {np.dtype(np.float32)}


def test_what_they_are_made_of_survives_being_an_argument():
    """An optimiser is a tuple of functions, so a pytree, which `filter_jit` takes apart."""
    rebuilt = jax.tree.unflatten(*reversed(jax.tree.flatten(adam(0.1))))
    assert rule_of(rebuilt).name == "adam"
    assert eqx.filter_jit(lambda optimizer: jnp.asarray(len(rule_of(optimizer).moments)))(sgd(0.1))
    assert rule_of(optax.adam(0.1)) is None
    assert rule_of(optax.chain(adam(0.1))) is None
