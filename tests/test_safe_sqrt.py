import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from farzi.hypergradients.safe_sqrt import safe_sqrt, with_safe_sqrt

POINTS = jnp.array([0.0, 1e-30, 0.25, 4.0])
SLOPES = jnp.array([0.0, 0.5e15, 1.0, 0.25])


def in_conditional(x):
    return lax.cond(jnp.sum(x) > 0, jnp.sqrt, lambda x: x, x)


def in_scan(x):
    return lax.scan(lambda carry, one: (carry, jnp.sqrt(one)), 0.0, x)[1]


def in_loop(x):
    return lax.fori_loop(0, len(x), lambda i, y: y.at[i].set(jnp.sqrt(x[i])), jnp.zeros_like(x))


def in_nested_jit(x):
    return jax.jit(jax.jit(jnp.sqrt))(x)


def in_checkpoint(x):
    return jax.checkpoint(jnp.sqrt)(x)


def in_custom_derivative(x):
    @jax.custom_jvp
    def root(x):
        return jnp.sqrt(x)

    root.defjvp(lambda x, dx: (root(*x), 7 * dx[0]))
    return root(x)


EVERYWHERE = [in_conditional, in_scan, in_loop, in_nested_jit, in_checkpoint]


def test_value_is_the_square_root():
    np.testing.assert_array_equal(safe_sqrt(POINTS), jnp.sqrt(POINTS))
    assert np.isnan(safe_sqrt(jnp.array(-1.0)))


@pytest.mark.parametrize("transform", [jax.jit, lambda function: function])
def test_slope_at_zero_is_zero_in_both_modes(transform):
    forward = jax.vmap(jax.jacfwd(transform(safe_sqrt)))(POINTS)
    reverse = jax.vmap(jax.grad(transform(safe_sqrt)))(POINTS)
    np.testing.assert_allclose(forward, SLOPES, rtol=1e-6)
    np.testing.assert_allclose(reverse, SLOPES, rtol=1e-6)


def test_second_derivative_at_zero_is_finite():
    second = jax.vmap(jax.grad(jax.grad(safe_sqrt)))(jnp.array([0.0, 4.0]))
    np.testing.assert_allclose(second, [0.0, -1 / 32], rtol=1e-6)


@pytest.mark.parametrize("function", EVERYWHERE)
def test_roots_are_replaced_wherever_they_stand(function):
    def slope(function):
        return jax.jacfwd(function)(POINTS).diagonal()

    assert not np.isfinite(slope(function)[0])
    np.testing.assert_array_equal(with_safe_sqrt(function)(POINTS), function(POINTS))
    np.testing.assert_allclose(slope(with_safe_sqrt(function)), SLOPES, rtol=1e-6)


@pytest.mark.parametrize("function", [in_conditional, in_scan, in_nested_jit, in_checkpoint])
def test_replaced_roots_have_a_reverse_mode(function):
    slopes = jax.grad(lambda x: jnp.sum(with_safe_sqrt(function)(x)))(POINTS)
    np.testing.assert_allclose(slopes, SLOPES, rtol=1e-6)


def test_a_derivative_of_ones_own_is_kept():
    slopes = jax.grad(lambda x: jnp.sum(with_safe_sqrt(in_custom_derivative)(x)))(POINTS)
    np.testing.assert_array_equal(slopes, jnp.full_like(POINTS, 7))


def test_trees_go_in_and_out():
    def function(tree, scale):
        return {"root": jnp.sqrt(tree["x"]) * scale, "same": tree}

    tree = {"x": POINTS, "none": None}
    got = with_safe_sqrt(function)(tree, jnp.array(2.0))
    assert jax.tree.structure(got) == jax.tree.structure(function(tree, 2.0))
    np.testing.assert_array_equal(got["root"], 2 * jnp.sqrt(POINTS))
