import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farzi.training import NamedOptimizer

RATE = 0.1
START = {"one": jnp.array([0.5, -2.0]), "other": jnp.array([[3.0]])}
WRITE = r'write a name and settings, such as "adamw\(weight_decay=0.1\)"'


def gradient(params):
    """Of a quadratic function that is steeper in the second part."""
    return {"one": params["one"], "other": 3 * params["other"]}


def path(optimizer, steps=6, gradient=gradient, params=START):
    """Parameters after each step, one after the other."""
    state, points = optimizer.init(params), []
    for _ in range(steps):
        updates, state = optimizer.update(gradient(params), state, params)
        params = optax.apply_updates(params, updates)
        points.append(jnp.concatenate([leaf.reshape(-1) for leaf in jax.tree.leaves(params)]))
    return np.array(points)


def named(*args, **settings):
    return NamedOptimizer(*args, **settings)(jnp.asarray(RATE))


def steps_of(**settings):
    """Shares of the learning rate that plain gradient descent takes, step by step."""
    params = {"one": jnp.zeros(1)}
    points = path(
        named("sgd", **settings), 20, lambda params: jax.tree.map(jnp.ones_like, params), params
    )
    return -np.diff(np.concatenate([[0.0], points[:, 0]])) / RATE


@pytest.mark.parametrize(
    ("call", "optimizer"),
    [
        ("adam", optax.adam(RATE)),
        ("adam()", optax.adam(RATE)),
        ("adam( )  ", optax.adam(RATE)),
        ("adamw(weight_decay=0.1)", optax.adamw(RATE, weight_decay=0.1)),
        ("adamw(b1=0.5, b2=.9, nesterov=True)", optax.adamw(RATE, 0.5, 0.9, nesterov=True)),
        ("sgd(momentum=0.9)", optax.sgd(RATE, momentum=0.9)),
        ("sgd(momentum=None)", optax.sgd(RATE)),
        ("rmsprop(decay=8e-1, centered=True)", optax.rmsprop(RATE, 0.8, centered=True)),
        ("lion(b2=0.5)", optax.lion(RATE, b2=0.5)),
        ("adam(mu_dtype='float32')", optax.adam(RATE, mu_dtype="float32")),
    ],
)
def test_a_name_is_the_function_of_optax(call, optimizer):
    np.testing.assert_array_equal(path(named(call)), path(optimizer))


def test_each_setting_makes_a_difference():
    calls = ["adam", "adam(b1=0.5)", "adamw(weight_decay=0.5)", "sgd", "sgd(momentum=0.5)"]
    ends = [path(named(call))[-1] for call in calls]
    for place, end in enumerate(ends):
        assert all(np.abs(end - other).max() > 1e-3 for other in ends[:place])


def test_adam_is_what_nothing_is_said_about():
    np.testing.assert_array_equal(path(NamedOptimizer()(jnp.asarray(RATE))), path(optax.adam(RATE)))


def test_the_rate_may_be_traced():
    """As in a search over rates, all of them in one program."""

    def end(rate):
        optimizer = NamedOptimizer("adamw(weight_decay=0.1)", 1.0, 2, 9)(rate)
        state = optimizer.init(START)
        updates, _ = optimizer.update(gradient(START), state, START)
        return optax.apply_updates(START, updates)

    together = jax.jit(jax.vmap(end))(jnp.array([0.1, 0.2]))
    for place, rate in enumerate((0.1, 0.2)):
        alone = end(jnp.asarray(rate))
        for leaf, wanted in zip(jax.tree.leaves(together), jax.tree.leaves(alone), strict=True):
            np.testing.assert_allclose(leaf[place], wanted, rtol=1e-5)


@pytest.mark.parametrize("clip", [0.5, 100.0])
def test_clipping_scales_all_gradients_down_to_one_norm(clip):
    params, wanted = {name: np.asarray(leaf, float) for name, leaf in START.items()}, []
    for _ in range(6):
        slopes = gradient(params)
        norm = np.sqrt(sum((slope**2).sum() for slope in slopes.values()))
        share = min(1, clip / norm)
        params = {name: leaf - RATE * share * slopes[name] for name, leaf in params.items()}
        wanted.append(np.concatenate([leaf.reshape(-1) for leaf in params.values()]))
    np.testing.assert_allclose(path(named("sgd", clip=clip)), wanted, rtol=1e-5)


def test_gradients_are_clipped_before_the_optimiser_sees_them():
    wanted = optax.chain(optax.clip_by_global_norm(0.5), optax.sgd(RATE, momentum=0.9))
    clipped = path(named("sgd(momentum=0.9)", clip=0.5))
    np.testing.assert_array_equal(clipped, path(wanted))
    after = optax.chain(optax.sgd(RATE, momentum=0.9), optax.clip_by_global_norm(0.5 * RATE))
    assert np.abs(clipped - path(after)).max() > 0.01


def test_the_rate_rises_in_the_warmup_and_then_stays():
    np.testing.assert_allclose(
        steps_of(warmup=4), [0.2, 0.4, 0.6, 0.8, *[1.0] * 16], rtol=1e-5, atol=1e-6
    )


def test_the_rate_falls_along_half_a_cosine_to_a_hundredth():
    taken = steps_of(decay=10)
    assert taken[0] == pytest.approx(1, rel=1e-5)
    assert taken[5] == pytest.approx((1 + 0.01) / 2, rel=1e-5)  # Half way down half way through.
    np.testing.assert_allclose(taken[10:], 0.01, rtol=1e-3)
    turns = np.arange(11) / 10
    np.testing.assert_allclose(
        taken[:11], 0.01 + 0.99 * (1 + np.cos(np.pi * turns)) / 2, rtol=1e-4, atol=1e-6
    )


def test_warmup_and_decay_are_multiplied():
    wanted = steps_of(warmup=4) * steps_of(decay=10)
    np.testing.assert_allclose(steps_of(warmup=4, decay=10), wanted, rtol=1e-3, atol=1e-6)


def test_the_rate_stays_where_nothing_is_said():
    np.testing.assert_allclose(steps_of(), 1, rtol=1e-5)


@pytest.mark.parametrize(
    "call",
    [
        "",
        "adam(",
        "adam)",
        "adam adamw",
        "adam;sgd",
        "adam(b1=)",
        "'adam'",
        "3",
        "None",
        "lambda: adam",
        "[adam]",
        "optax.adam",
        "adam(0.9)",
        "adam(0.9, b2=0.9)",
        "adam(*[0.9])",
        "adam(b1=rate)",
        "adam(b1=min(0.5, 0.9))",
        "adam(b1=1 / 2)",
        "adam(b1=0.5)(0.1)",
        "adam\0",
    ],
)
def test_what_is_no_name_with_literal_settings_is_refused(call):
    with pytest.raises(ValueError, match=f"^the optimizer is .*; {WRITE}"):
        NamedOptimizer(call)


@pytest.mark.parametrize("name", ["adma", "Adam", "chain", "apply_updates", "__name__", "numerics"])
def test_other_names_are_refused_with_a_list_of_those_there_are(name):
    with pytest.raises(ValueError, match=f"there is no optimizer '{name}'; optax has ") as caught:
        NamedOptimizer(name)
    told = str(caught.value).partition("optax has ")[2].rstrip(".").split(", ")
    assert {"adam", "adamw", "sgd", "lion"} <= set(told)
    assert name not in told


@pytest.mark.parametrize(
    ("call", "cause"),
    [
        ("adam(weight_decay=0.1)", "unexpected keyword argument 'weight_decay'"),
        ("adam(learning_rate=0.1)", "multiple values for keyword argument 'learning_rate'"),
        ("adam(**{'b1': 0.5})", "unexpected keyword argument"),
        ("adam(mu_dtype='float31')", "float31"),
        ("rmsprop(decay=0.9, nesterov=True, centre=1)", "'centre'"),
    ],
)
def test_settings_that_optax_does_not_take_are_refused(call, cause):
    with pytest.raises(ValueError, match=f"is no optimizer .*{cause}") as caught:
        NamedOptimizer(call)
    assert repr(call) in str(caught.value) or call in str(caught.value)


PIECES = [
    "adam",
    "sgd",
    "optax",
    "b1",
    "momentum",
    "(",
    ")",
    "=",
    ",",
    "0.5",
    "-",
    "'",
    "None",
    " ",
]


@given(call=st.text(max_size=12) | st.lists(st.sampled_from(PIECES), max_size=8).map("".join))
def test_any_other_text_is_refused(call):
    try:
        made = NamedOptimizer(call)(jnp.asarray(RATE))
    except ValueError as error:
        told = str(error)
    else:
        told = ""
        assert isinstance(made, optax.GradientTransformation)
        assert any(name in call for name in ("adam", "sgd"))
    assert not told or any(advice in told for advice in ("; write ", "; optax has "))


def test_settings_that_python_cannot_build_are_refused():
    with pytest.raises(ValueError, match=WRITE):
        NamedOptimizer("adam(b1={[]: 1})")


def test_a_setting_given_twice_is_refused():
    with pytest.raises(ValueError, match=WRITE):
        NamedOptimizer("adam(b1=0.9, b1=0.5)")


@pytest.mark.parametrize("settings", [{"decay": 0}, {"warmup": -1}, {"clip": 0.0}, {"clip": -1.0}])
def test_impossible_settings_around_it_are_refused(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        NamedOptimizer("adam", **settings)


@pytest.mark.parametrize(
    ("call", "settings"),
    [
        ("adam(b1='high')", {}),
        ("rprop", {"warmup": 3}),  # Takes no schedule.
        ("lbfgs", {}),  # Wants the loss too.
    ],
)
def test_optimisers_that_cannot_take_a_step_are_refused(call, settings):
    with pytest.raises(ValueError, match=r"no optimi[sz]er"):
        NamedOptimizer(call, **settings)
