"""Every strategy against `toy_problem.end_loss`: plain autodiff of plain optax, in float64."""

import jax
import jax.numpy as jnp
import optax
import pytest
import toy_problem as toy

from farzi.hypergradients import Checkpointed, StoreStates, Unrolled, hypergradient

pytestmark = pytest.mark.usefixtures("x64")

CASES = [(name, steps) for name in ("adam", "adamw", "momentum") for steps in (1, 2, 17, 200)]
STRATEGIES = [StoreStates(), Checkpointed(), Unrolled()]


def problem():
    return toy.start(), toy.rows(4, seed=2), toy.rows(6, seed=3)


def differentiate(optimizer, steps, adjoint, **options):
    function = hypergradient(toy.inner_loss, toy.outer_loss, optimizer, steps, adjoint, **options)
    return jax.jit(function)(*problem())


@pytest.mark.parametrize(("name", "steps"), [*CASES, ("chain", 17)])
def test_strategies_equal_plain_autodiff(name, steps):
    optimizer = toy.OPTIMIZERS[name]
    oracle = jax.jit(jax.value_and_grad(toy.end_loss(optimizer, steps), argnums=(1, 3)))
    probes = jax.tree.map(lambda leaf: jnp.zeros((steps, *leaf.shape)), toy.start())
    loss, (gradient, adjoints) = oracle(*problem(), probes)
    norms = jax.vmap(optax.tree.norm)(adjoints)
    for strategy in STRATEGIES:
        result = differentiate(optimizer, steps, strategy)
        assert result.loss == pytest.approx(float(loss), rel=1e-12)
        assert toy.relative_error(result.gradient, gradient) < 1e-10
        assert toy.relative_error(result.adjoint_norms, norms) < 1e-10


@pytest.mark.parametrize(
    "adjoint",
    [
        *(Checkpointed(every) for every in (1, 3, 17, 50)),
        *(Checkpointed(levels=levels) for levels in (1, 3, 30)),
    ],
    ids=str,
)
def test_checkpoints_may_be_anywhere(adjoint):
    optimizer = toy.OPTIMIZERS["chain"]
    stored = differentiate(optimizer, 17, StoreStates())
    checkpointed = differentiate(optimizer, 17, adjoint)
    assert toy.relative_error(checkpointed.gradient, stored.gradient) < 1e-13
    assert toy.relative_error(checkpointed.adjoint_norms, stored.adjoint_norms) < 1e-13


@pytest.mark.parametrize(("name", "steps"), CASES)
def test_central_differences_agree(name, steps):
    optimizer = toy.OPTIMIZERS[name]
    start, data, batch = problem()
    end_loss = toy.end_loss(optimizer, steps)
    _, numeric, rounding = toy.central_differences(lambda data: end_loss(start, data, batch), data)
    exact = differentiate(optimizer, steps, StoreStates()).gradient
    norm = float(optax.tree.norm(exact))
    # Rounding of the differences themselves may not exceed the tolerance, or the comparison would
    # say nothing. It is largest at T = 1, where Adam's step hardly depends on the data.
    assert rounding < 1e-6 * norm
    assert toy.distance(numeric, exact) < rounding + 1e-6 * norm


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        ({"every": 0}, "use every >= 1"),
        ({"levels": 0}, "use levels >= 1"),
        ({"every": 4, "levels": 2}, "give one of them"),
    ],
)
def test_checkpointed_refuses_impossible_settings(options, remedy):
    with pytest.raises(ValueError, match=remedy):
        Checkpointed(**options)
