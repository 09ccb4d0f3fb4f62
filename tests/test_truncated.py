"""The window against plain autodiff of a loop that starts where the window does, in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import toy_problem as toy

from farzi.hypergradients import StoreStates, Truncated, hypergradient

pytestmark = pytest.mark.usefixtures("x64")

STEPS, WINDOW = 12, 4
OPTIMIZER = toy.OPTIMIZERS["adam"]
FUNCTION = jax.jit(
    hypergradient(toy.inner_loss, toy.outer_loss, OPTIMIZER, STEPS, Truncated(WINDOW))
)


def problem():
    return toy.start(), toy.rows(4, seed=2), toy.rows(6, seed=3)


def windowed(last):
    """Loss and gradient by the data that the steps before the window do not feel."""
    start, data, batch = problem()

    def end_loss(data):
        params, memory = start, OPTIMIZER.init(start)
        for t in range(last):
            read = data if t >= last - WINDOW else jax.lax.stop_gradient(data)
            gradient = jax.grad(toy.inner_loss)(params, read, jnp.asarray(t))
            updates, memory = OPTIMIZER.update(gradient, memory, params)
            params = optax.apply_updates(params, updates)
        return toy.outer_loss(params, batch)

    return jax.jit(jax.value_and_grad(end_loss))(data)


def test_each_window_is_differentiated_exactly_and_all_are_drawn():
    results = [FUNCTION(*problem(), key=jax.random.key(seed)) for seed in range(60)]
    ends = {int(np.flatnonzero(result.adjoint_norms).max()) + 1: result for result in results}
    assert set(ends) == set(range(WINDOW, STEPS + 1))
    for last in (WINDOW, 9, STEPS):
        loss, gradient = windowed(last)
        assert float(ends[last].loss) == pytest.approx(float(loss), rel=1e-12)
        assert toy.relative_error(ends[last].gradient, gradient) < 1e-10
        within = np.flatnonzero(ends[last].adjoint_norms)
        assert within.tolist() == list(range(last - WINDOW, last))
        # Only a window that begins with the loop reaches the start.
        assert bool(optax.tree.norm(ends[last].start_gradient) > 0) == (last == WINDOW)


@pytest.mark.parametrize("window", [STEPS, STEPS + 5])
def test_a_window_as_long_as_the_loop_is_exact(window):
    function = hypergradient(toy.inner_loss, toy.outer_loss, OPTIMIZER, STEPS, Truncated(window))
    result = jax.jit(function)(*problem(), key=jax.random.key(0))
    stored = jax.jit(
        hypergradient(toy.inner_loss, toy.outer_loss, OPTIMIZER, STEPS, StoreStates())
    )(*problem())
    assert toy.relative_error(result.gradient, stored.gradient) < 1e-13
    assert toy.relative_error(result.start_gradient, stored.start_gradient) < 1e-13


def test_needs_a_key_and_a_window():
    with pytest.raises(ValueError, match=r"key=jax.random.key\(0\)"):
        FUNCTION(*problem())
    with pytest.raises(ValueError, match="use window >= 1"):
        Truncated(0)
