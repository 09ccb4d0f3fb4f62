"""The paper's recursion, written out again with dense second derivatives, and how far off it is."""

import jax
import numpy as np
import optax
import pytest
import toy_problem as toy
from test_inner_loop import DECAY, DECAY_SQUARED, EPS, EPS_ROOT, derivatives

from farzi.hypergradients import PaperAdam, StoreStates, adam, hypergradient, sgd

pytestmark = pytest.mark.usefixtures("x64")

OPTIMIZER = adam(toy.RATE, **toy.ADAM)


def differentiate(adjoint, steps, optimizer=OPTIMIZER, **options):
    function = hypergradient(toy.inner_loss, toy.outer_loss, optimizer, steps, adjoint, **options)
    return jax.jit(function)(toy.start(), toy.rows(4, seed=2), toy.rows(6, seed=3))


def by_hand(steps):
    """Algorithm 1: `dm`, `dx` and `dw` only."""
    w, inner, outer_gradient, unflatten_data = derivatives()
    m, v = np.zeros_like(w), np.zeros_like(w)
    tape = []
    for t in range(steps):
        g, by_params, by_data = (np.asarray(one) for one in inner(w, t))
        m, v = DECAY * m + (1 - DECAY) * g, DECAY_SQUARED * v + (1 - DECAY_SQUARED) * g**2
        c1, c2 = 1 - DECAY ** (t + 1), 1 - DECAY_SQUARED ** (t + 1)
        root = np.sqrt(v / c2 + EPS_ROOT)
        w = w - toy.RATE * (m / c1) / (root + EPS)
        tape.append((g, by_params, by_data, m, c1, c2, root))
    dw = np.asarray(outer_gradient(w))
    dm, dx = np.zeros_like(w), 0.0
    ratio = (1 - DECAY_SQUARED) / (1 - DECAY)  # The paper's beta prime.
    for g, by_params, by_data, m, c1, c2, root in reversed(tape):
        slope = 1 / (root + EPS) - ratio * m * g / (c2 * root * (root + EPS) ** 2)
        dm = dm - toy.RATE / c1 * slope * dw
        u = (1 - DECAY) * dm
        dw, dx = dw + by_params @ u, dx + u @ by_data
        dm = DECAY * dm
    return unflatten_data(dx)


def test_is_the_recursion_of_the_paper():
    result = differentiate(PaperAdam(), 17)
    assert toy.relative_error(result.gradient, by_hand(17)) < 1e-10


def test_is_exact_for_one_step_and_off_beyond():
    for steps, least, most in [(1, 0, 1e-10), (17, 0.05, 1)]:
        exact = differentiate(StoreStates(), steps)
        paper = differentiate(PaperAdam(), steps)
        assert float(paper.loss) == pytest.approx(float(exact.loss), rel=1e-12)
        assert least <= toy.relative_error(paper.gradient, exact.gradient) < most


@pytest.mark.parametrize("optimizer", [optax.adam(0.1), sgd(0.1)])
def test_takes_our_adam_only(optimizer):
    with pytest.raises(ValueError, match=r"use farzi.adam\(...\) .* or StoreStates"):
        differentiate(PaperAdam(), 2, optimizer)


def test_has_no_derivative_by_the_rate():
    with pytest.raises(ValueError, match="use StoreStates"):
        differentiate(PaperAdam(), 2, lambda data: adam(data["inputs"][0, 0] ** 2))
