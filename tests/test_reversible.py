"""The loop in exact integers: what it gives, what it refuses, and what its rounding costs."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import toy_problem as toy

from farzi.hypergradients import Reversible, StoreStates, adam, hypergradient, sgd
from farzi.hypergradients.inner_loop import InnerLoop

ADAM = adam(toy.RATE, **toy.ADAM)
SGD = sgd(toy.RATE)


def differentiate(adjoint, optimizer=ADAM, steps=17, start=None, inner=toy.inner_loss):
    function = hypergradient(inner, toy.outer_loss, optimizer, steps, adjoint)
    start = toy.start() if start is None else start
    return jax.jit(function)(start, toy.rows(4, seed=2), toy.rows(6, seed=3))


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    ("optimizer", "steps"),
    [(ADAM, 1), (ADAM, 2), (ADAM, 17), (ADAM, 200), (SGD, 1), (SGD, 17), (SGD, 1000)],
    ids=lambda value: {id(ADAM): "adam", id(SGD): "sgd"}.get(id(value), value),
)
def test_equals_the_stored_states_in_float64(optimizer, steps):
    stored = differentiate(StoreStates(), optimizer, steps)
    backwards = differentiate(Reversible(), optimizer, steps)
    # Integers are coarser than float64: 2^-48 for parameters, a little more for the moments.
    assert float(backwards.loss) == pytest.approx(float(stored.loss), rel=1e-8)
    for name in ("gradient", "start_gradient", "adjoint_norms"):
        error = toy.relative_error(getattr(backwards, name), getattr(stored, name))
        assert error < 1e-6, name


@pytest.mark.parametrize("x64", [False, True])
def test_the_users_functions_see_the_numbers_that_the_user_has(x64):
    seen = set()

    def inner(params, data, t):
        seen.add((t.dtype, jnp.zeros(()).dtype, params["out"].dtype))
        return toy.inner_loss(params, data, t)

    with jax.enable_x64(x64):
        rows = toy.rows(4, seed=2)
        function = hypergradient(inner, toy.outer_loss, ADAM, 3, Reversible())
        result = jax.eval_shape(function, toy.start(), rows, toy.rows(6, seed=3))
        real = np.dtype(np.float64 if x64 else np.float32)
        assert {(zero, param) for _, zero, param in seen} == {(real, real)}
        assert {leaf.dtype for leaf in jax.tree.leaves(result.gradient)} == {real}
        assert result.loss.dtype == real
        assert {step for step, _, _ in seen} <= {np.dtype(np.int32), np.dtype(np.int64)}


def test_vmap_over_starts_is_a_loop_over_starts():
    function = hypergradient(toy.inner_loss, toy.outer_loss, ADAM, 17, Reversible())
    scales = jnp.array([0.5, 1.0, 2.0])
    starts = jax.vmap(lambda scale: optax.tree.scale(scale, toy.start()))(scales)
    data, batch = toy.rows(4, seed=2), toy.rows(6, seed=3)
    together = jax.jit(jax.vmap(function, in_axes=(0, None, None)))(starts, data, batch)
    alone = jax.jit(function)(jax.tree.map(lambda leaf: leaf[1], starts), data, batch)
    of_all = jax.tree.map(lambda leaf: leaf[1], together.gradient)
    assert toy.relative_error(of_all, alone.gradient) < 1e-4


def test_without_jit_it_is_the_same():
    function = hypergradient(toy.inner_loss, toy.outer_loss, ADAM, 3, Reversible())
    eager = function(toy.start(), toy.rows(4, seed=2), toy.rows(6, seed=3))
    assert toy.relative_error(eager.gradient, differentiate(Reversible(), steps=3).gradient) < 1e-3


def test_a_first_gradient_of_zero_does_not_make_the_unit_zero():
    def late(params, data, t):
        return jnp.where(t > 2, 0.05, 0.0) * toy.inner_loss(params, data, t)

    stored = differentiate(StoreStates(), steps=6, inner=late)
    backwards = differentiate(Reversible(), steps=6, inner=late)
    assert float(backwards.loss) == pytest.approx(float(stored.loss), rel=1e-5)


def transformer():
    """A real learner with a real loss, in float32."""
    from farzi.losses import next_token_loss
    from farzi.models import SASRec

    start = SASRec(30, width=8, layers=1, length=6, key=jax.random.key(0))
    keys = jax.random.split(jax.random.key(1))
    data = jax.nn.softmax(2 * jax.random.normal(keys[0], (8, 7, 30)))
    batch = jax.random.randint(keys[1], (8, 7), 0, 30)
    return start, data, batch, lambda learner, data, t: next_token_loss(learner, data)


@pytest.mark.parametrize("steps", [20, 900])
def test_a_transformer_comes_back_bit_for_bit(steps):
    """At 900 steps buffers have been put aside twice. A start that differs would be an error."""
    start, data, batch, inner = transformer()
    optimizer = adam(0.0003, **toy.ADAM)

    def run(adjoint):
        function = hypergradient(
            inner, lambda w, batch: inner(w, batch, 0), optimizer, steps, adjoint
        )
        return eqx.filter_jit(function)(start, data, batch)

    result = run(Reversible())
    assert result.finite
    if steps == 20:
        assert toy.relative_error(result.gradient, run(StoreStates()).gradient) < 1e-4


def end_losses(optimizer, seeds, steps, exact):
    """The outer loss after training from several starts, plainly or in integers."""
    start, data, batch, inner = transformer()
    params, fixed = eqx.partition(start, eqx.is_inexact_array)
    differentiate = hypergradient(
        inner, lambda w, batch: inner(w, batch, 0), optimizer, steps, Reversible()
    )

    def loop_loss(params):
        loop = InnerLoop(
            lambda w, x, t: inner(eqx.combine(w, fixed), x, t),
            lambda w: inner(eqx.combine(w, fixed), batch, 0),
            lambda _: optimizer,
            False,
            steps,
            None,
        )
        return loop.outer_loss(loop.advance(loop.start(params, data), data, 0, steps).params)

    def one(key):
        leaves, structure = jax.tree.flatten(params)
        keys = jax.random.split(key, len(leaves))
        moved = [
            leaf + 0.1 * jax.random.normal(key, leaf.shape)
            for leaf, key in zip(leaves, keys, strict=True)
        ]
        begin = jax.tree.unflatten(structure, moved)
        if exact:
            return differentiate(eqx.combine(begin, fixed), data, batch).loss
        return loop_loss(begin)

    return np.asarray(jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(5), seeds)))


def test_training_in_integers_ends_where_float32_ends():
    # A rate at which training is not chaotic: at 0.005 the last bit of float32 decides on the
    # second decimal of the loss.
    optimizer = adam(0.002, **toy.ADAM)
    plain = end_losses(optimizer, seeds=8, steps=100, exact=False)
    exact = end_losses(optimizer, seeds=8, steps=100, exact=True)
    spread = plain.std(ddof=1)
    assert np.abs(plain - exact).max() < 1e-3 * spread


@pytest.mark.parametrize(
    "optimizer",
    [
        optax.adam(0.1),
        optax.chain(optax.clip_by_global_norm(1.0), adam(0.1)),
    ],
)
def test_other_optimisers_are_refused_with_what_takes_them(optimizer):
    with pytest.raises(ValueError, match=r"farzi.adam.* farzi.sgd.* Checkpointed\(\)"):
        differentiate(Reversible(), optimizer)


def test_sgd_without_momentum_cannot_be_undone():
    with pytest.raises(ValueError, match="cannot undo a decay of 0"):
        differentiate(Reversible(), sgd(0.1, momentum=0.0))


@pytest.mark.parametrize("largest", [0.0, -1.0, float("inf"), float("nan")])
def test_impossible_bounds_are_refused(largest):
    with pytest.raises(ValueError, match="use a number greater than zero"):
        Reversible(largest_gradient=largest)


@pytest.mark.parametrize(
    ("adjoint", "start"),
    [
        (Reversible(largest_gradient=1e-3), None),
        (Reversible(), optax.tree.scale(1e9, toy.start())),
        (Reversible(), optax.tree.scale(jnp.nan, toy.start())),
    ],
    ids=["gradient", "parameter", "nan"],
)
def test_numbers_too_large_are_an_error_that_names_the_remedy(adjoint, start):
    with pytest.raises(RuntimeError, match=r"raise Reversible\(largest_gradient"):
        jax.block_until_ready(differentiate(adjoint, start=start))


def test_a_gradient_that_differs_between_the_passes_is_an_error_not_a_wrong_number(monkeypatch):
    compute, calls = InnerLoop.gradient, []

    def rounded_differently(self, params, data, t):
        calls.append(t)
        last_bits = 1 + 1e-6 * len(calls)  # Another factor in each place where it is traced.
        return jax.tree.map(lambda leaf: leaf * last_bits, compute(self, params, data, t))

    monkeypatch.setattr(InnerLoop, "gradient", rounded_differently)
    with pytest.raises(RuntimeError, match=r"bit for bit.* use Checkpointed\(levels=3\)"):
        jax.block_until_ready(differentiate(Reversible()))
