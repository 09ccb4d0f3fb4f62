"""What the function promises beside its numbers, and coordinates that get no gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import toy_problem as toy

from farzi.hypergradients import Checkpointed, StoreStates, Unrolled, hypergradient

pytestmark = pytest.mark.usefixtures("x64")

STEPS = 9
ALL = [StoreStates(), Checkpointed(), Unrolled()]


def hypergradient_of(inner_loss, outer_loss, optimizer, adjoint):
    """Jitted, for the data of the toy problem."""
    function = jax.jit(hypergradient(inner_loss, outer_loss, optimizer, STEPS, adjoint))
    return lambda start: function(start, toy.rows(4, seed=2), toy.rows(6, seed=3))


@pytest.mark.parametrize("adjoint", ALL)
def test_a_parameter_that_never_gets_a_gradient_changes_nothing(adjoint):
    optimizer = optax.adam(toy.RATE, eps=1e-4, eps_root=0.0)
    start = toy.start()
    dead = jnp.array([[1.0, -2.0]])
    longer = start | {"hidden": jnp.concatenate([start["hidden"], dead])}

    def with_zeros(rows):
        zeros = jnp.zeros((len(rows["inputs"]), 1))
        return rows | {"inputs": jnp.concatenate([rows["inputs"], zeros], axis=1)}

    def inner(params, data, t):
        return toy.inner_loss(params, with_zeros(data), t)

    def outer(params, batch):
        return toy.outer_loss(params, with_zeros(batch)) + jnp.sum(params["hidden"][5:] ** 2)

    data, batch = toy.rows(4, seed=2), toy.rows(6, seed=3)
    plain = jax.grad(toy.end_loss(optimizer, STEPS, inner, outer), argnums=1)
    assert np.isnan(plain(longer, data, batch)["wanted"]).all()  # what optax alone gives

    without = hypergradient_of(toy.inner_loss, toy.outer_loss, optimizer, StoreStates())(start)
    result = hypergradient_of(inner, outer, optimizer, adjoint)(longer)
    assert toy.relative_error(result.gradient, without.gradient) < 1e-12
    assert result.loss == pytest.approx(float(without.loss) + 5)


def late(params, data, t):
    """The last column of the inputs is read from the fourth step on."""
    seen = jnp.concatenate([jnp.ones(4), jnp.where(t >= 3, 1.0, 0.0)[None]])
    return toy.inner_loss(params, data | {"inputs": data["inputs"] * seen[None]}, t)


@pytest.mark.parametrize("adjoint", ALL)
def test_a_parameter_that_gets_its_first_gradient_late(adjoint):
    optimizer = optax.adam(toy.RATE, eps=1e-4, eps_root=0.0)
    start, data, batch = toy.start(), toy.rows(4, seed=2), toy.rows(6, seed=3)
    end_loss = toy.end_loss(optimizer, STEPS, late)
    _, numeric, rounding = toy.central_differences(lambda data: end_loss(start, data, batch), data)
    exact = hypergradient_of(late, toy.outer_loss, optimizer, adjoint)(start).gradient
    norm = float(optax.tree.norm(exact))
    assert rounding < 1e-7 * norm
    assert toy.distance(numeric, exact) < rounding + 1e-6 * norm


@pytest.mark.parametrize("adjoint", ALL[:2])
def test_vmap_over_starts_is_a_loop_over_starts(adjoint):
    function = jax.jit(
        hypergradient(toy.inner_loss, toy.outer_loss, toy.OPTIMIZERS["chain"], STEPS, adjoint)
    )
    data, batch = toy.rows(4, seed=2), toy.rows(6, seed=3)
    scales = jnp.array([0.5, 1.0, 2.0])
    starts = jax.vmap(lambda scale: optax.tree.scale(scale, toy.start()))(scales)
    together = jax.vmap(function, in_axes=(0, None, None))(starts, data, batch)
    assert not np.allclose(together.loss, together.loss[0])
    for i in range(len(scales)):
        alone = function(jax.tree.map(lambda leaf, i=i: leaf[i], starts), data, batch)
        of_all = jax.tree.map(lambda leaf, i=i: leaf[i], together)
        for one, other in zip(of_all[:4], alone[:4], strict=True):
            assert toy.relative_error(one, other) < 1e-12
        assert of_all.finite


def test_new_values_compile_nothing_new():
    traces = []

    def counted(params, data, t):
        traces.append(t)
        return toy.inner_loss(params, data, t)

    function = jax.jit(hypergradient(counted, toy.outer_loss, toy.OPTIMIZERS["momentum"], STEPS))
    first = function(toy.start(), toy.rows(4, seed=2), toy.rows(6, seed=3))
    before = len(traces)
    assert before > 0
    start = optax.tree.scale(2.0, toy.start())
    second = function(start, toy.rows(4, seed=4), toy.rows(6, seed=5))
    assert len(traces) == before
    assert first.loss != second.loss


@pytest.mark.parametrize("adjoint", ALL)
def test_only_floating_point_arrays_are_differentiated(adjoint):
    def inner(params, data, t):
        rows = jax.tree.map(lambda leaf: leaf[data["order"]], data["rows"])
        assert data["name"] == "rows"
        assert params["activation"] is jnp.tanh
        return toy.inner_loss(params["weights"], rows, t) * data["count"] / 4

    def outer(params, batch):
        assert params["activation"] is jnp.tanh
        return toy.outer_loss(params["weights"], batch)

    optimizer = toy.OPTIMIZERS["momentum"]
    rows = toy.rows(4, seed=2)
    data = {"rows": rows, "order": jnp.arange(4), "name": "rows", "count": 4}
    start = {"weights": toy.start(), "activation": jnp.tanh, "layers": jnp.array(2)}
    result = hypergradient(inner, outer, optimizer, STEPS, adjoint)(
        start, data, toy.rows(6, seed=3)
    )
    rest = {key: value for key, value in result.gradient.items() if key != "rows"}
    assert rest == {"order": None, "name": None, "count": None}
    plain = hypergradient_of(toy.inner_loss, toy.outer_loss, optimizer, adjoint)(toy.start())
    assert toy.relative_error(result.gradient["rows"], plain.gradient) < 1e-12


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        ({"steps": 0}, "use >= 1"),
        ({"steps": -3}, "use >= 1"),
        ({"steps": 1, "adjoint_clip": 0.0}, "use a positive norm, or None"),
        ({"steps": 1, "adjoint_clip": -1.0}, "use a positive norm, or None"),
        ({"steps": 1, "adjoint_clip": float("nan")}, "use a positive norm, or None"),
    ],
)
def test_impossible_settings_are_refused(options, remedy):
    with pytest.raises(ValueError, match=remedy):
        hypergradient(toy.inner_loss, toy.outer_loss, optax.sgd(0.1), **options)
