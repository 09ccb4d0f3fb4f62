"""The adjoint of Adam against its recursion written out by hand, with dense second derivatives."""

import jax
import numpy as np
import optax
import pytest
import toy_problem as toy
from jax.flatten_util import ravel_pytree

from farzi.hypergradients import Checkpointed, StoreStates, Unrolled, hypergradient

pytestmark = pytest.mark.usefixtures("x64")

STEPS = 17
DECAY, DECAY_SQUARED = 0.9, 0.999  # optax's defaults
EPS, EPS_ROOT = toy.ADAM["eps"], toy.ADAM["eps_root"]


def derivatives():
    """Functions of flat parameters: gradient, both second derivatives; outer loss and gradient."""
    start, unflatten_params = ravel_pytree(toy.start())
    data, unflatten_data = ravel_pytree(toy.rows(4, seed=2))

    def inner(params, data, t):
        return toy.inner_loss(unflatten_params(params), unflatten_data(data), t)

    def outer(params):
        return toy.outer_loss(unflatten_params(params), toy.rows(6, seed=3))

    gradient = jax.grad(inner)
    second = jax.jacfwd(gradient, argnums=(0, 1))
    inner_all = jax.jit(lambda w, t: (gradient(w, data, t), *second(w, data, t)))
    return np.asarray(start), inner_all, jax.jit(jax.grad(outer)), unflatten_data


def by_hand(clip):
    """Gradient by the data and norm of the adjoint at each step: `docs/hypergradient.md`."""
    w, inner, outer_gradient, unflatten_data = derivatives()
    m, v = np.zeros_like(w), np.zeros_like(w)
    tape = []
    for t in range(STEPS):
        g, by_params, by_data = (np.asarray(one) for one in inner(w, t))
        m, v = DECAY * m + (1 - DECAY) * g, DECAY_SQUARED * v + (1 - DECAY_SQUARED) * g**2
        c1, c2 = 1 - DECAY ** (t + 1), 1 - DECAY_SQUARED ** (t + 1)
        root = np.sqrt(v / c2 + EPS_ROOT)
        w = w - toy.RATE * (m / c1) / (root + EPS)
        tape.append((g, by_params, by_data, m, c1, c2, root))
    dw = np.asarray(outer_gradient(w))
    dm, dv, dx = np.zeros_like(w), np.zeros_like(w), 0.0
    norms = []
    for g, by_params, by_data, m, c1, c2, root in reversed(tape):
        dm = dm - toy.RATE / c1 / (root + EPS) * dw
        dv = dv + toy.RATE * (m / c1) / (root + EPS) ** 2 / (2 * root * c2) * dw
        u = (1 - DECAY) * dm + 2 * (1 - DECAY_SQUARED) * g * dv
        norms.append(np.linalg.norm(u))
        u = u * min(1.0, clip / norms[-1])
        dw, dx = dw + by_params @ u, dx + u @ by_data
        dm, dv = DECAY * dm, DECAY_SQUARED * dv
    return unflatten_data(dx), np.array(norms[::-1])


def differentiate(adjoint, clip):
    function = hypergradient(
        toy.inner_loss,
        toy.outer_loss,
        toy.OPTIMIZERS["adam"],
        STEPS,
        adjoint,
        adjoint_clip=clip,
    )
    return jax.jit(function)(toy.start(), toy.rows(4, seed=2), toy.rows(6, seed=3))


def test_exact_adjoint_is_the_recursion():
    gradient, norms = by_hand(clip=np.inf)
    result = differentiate(StoreStates(), clip=None)
    assert toy.relative_error(result.gradient, gradient) < 1e-10
    np.testing.assert_allclose(result.adjoint_norms, norms, rtol=1e-10)


@pytest.mark.parametrize("adjoint", [StoreStates(), Checkpointed(), Unrolled()])
def test_clipped_adjoint_is_the_clipped_recursion(adjoint):
    exact, exact_norms = by_hand(clip=np.inf)
    clip = float(np.median(exact_norms)) / 2
    gradient, norms = by_hand(clip)
    assert clip < norms.max()
    assert toy.relative_error(gradient, exact) > 0.1
    result = differentiate(adjoint, clip)
    assert toy.relative_error(result.gradient, gradient) < 1e-10
    np.testing.assert_allclose(result.adjoint_norms, norms, rtol=1e-10)


@pytest.mark.parametrize("adjoint", [StoreStates(), Unrolled()])
def test_a_clip_beyond_every_norm_changes_nothing(adjoint):
    exact = differentiate(adjoint, clip=None)
    clipped = differentiate(adjoint, clip=1.01 * float(exact.adjoint_norms.max()))
    assert float(optax.tree.norm(exact.gradient)) > 0
    assert toy.relative_error(clipped.gradient, exact.gradient) < 1e-14
    np.testing.assert_allclose(clipped.adjoint_norms, exact.adjoint_norms, rtol=1e-14)
