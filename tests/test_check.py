"""The check tells right gradients from wrong ones, and smooth outer losses from rough ones."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import toy_problem as toy

import farzi
from farzi.hypergradients import Auto, PaperAdam, Reversible, StoreStates, Truncated
from farzi.hypergradients.check import _SIZES, _settle, check_hypergradient

STEPS = 17
ADAM = farzi.adam(toy.RATE, **toy.ADAM)
PROBLEM = {"start": toy.start(), "data": toy.rows(4, seed=2), "batch": toy.rows(6, seed=3)}


class Tilted:
    """A strategy with a mistake: the derivative by the data is 1 % too large."""

    def differentiate(self, loop, params, data, key=None):
        right = StoreStates().differentiate(loop, params, data, key)
        return right._replace(data=jax.tree.map(lambda leaf: 1.01 * leaf, right.data))


def rough(params, batch):
    """The outer loss with ripples 1e-4 wide, three times as steep as it is itself."""
    return toy.outer_loss(params, batch) + 1e-3 * jnp.sin(1e4 * jnp.sum(params["out"]))


def weigh(params, data, t):
    """Some of the data are integers and text, and some the learning rates."""
    assert data["name"] == "rows"
    rows = jax.tree.map(lambda leaf: leaf[data["order"]], data["rows"])
    return toy.inner_loss(params, rows, t)


def check(*args, **kwargs):
    return check_hypergradient(*args, **({"key": jax.random.key(0), "directions": 3} | kwargs))


def line(params, data, t):
    return jnp.mean((params - data) ** 2)


def line_end(params, batch):
    return jnp.mean((params - batch) ** 2)


LINE = {"start": jnp.zeros(3), "data": jnp.arange(3.0), "batch": jnp.ones(3)}


@functools.cache
def checked(case):
    toys = functools.partial(check, toy.inner_loss, toy.outer_loss, **PROBLEM)
    lines = functools.partial(check, line, line_end, **LINE)
    momentum = toy.OPTIMIZERS["momentum"]
    match case:
        case "stored":
            return toys(toy.OPTIMIZERS["adam"], STEPS, StoreStates())
        case "checkpointed":
            return toys(momentum, STEPS)
        case "reversible":
            return toys(ADAM, STEPS, Reversible())
        case "auto":
            return lines(momentum, STEPS, Auto("1 GB"))
        case "start":
            return toys(toy.OPTIMIZERS["adam"], STEPS, StoreStates(), by="start")
        case "rates":
            rates = {"rates": jnp.full(STEPS, toy.RATE), "order": jnp.arange(4), "name": "rows"}
            data = {"rows": PROBLEM["data"]} | rates

            def optimizer(data):
                return farzi.adam(lambda step: data["rates"][step], **toy.ADAM)

            return check(weigh, toy.outer_loss, optimizer, STEPS, **(PROBLEM | {"data": data}))
        case "paper":
            return toys(ADAM, STEPS, PaperAdam())
        case "clipped":
            return lines(momentum, STEPS, adjoint_clip=1e-3)
        case "tilted":
            return lines(momentum, STEPS, Tilted())
        case "rough":
            return check(toy.inner_loss, rough, momentum, STEPS, **PROBLEM)
        case "chaotic":
            return toys(optax.adam(0.1), 300, StoreStates())
        case "diverging":
            return lines(optax.sgd(1e38), 9)
        case "ignored":
            return check(line, lambda params, batch: jnp.sum(batch), optax.sgd(0.1), 9, **LINE)


@pytest.mark.parametrize(
    "case", ["stored", "checkpointed", "reversible", "auto", "start", "rates", "rough"]
)
def test_exact_strategies_agree(case):
    result = checked(case)
    assert result.finite
    assert result.agrees
    assert result.error < 1e-6
    assert result.settled_within < 1e-5
    assert result.rounding < 1e-6
    assert result.quotients.shape == (3, len(result.step_sizes))
    assert "\nAGREES: " in str(result)


@pytest.mark.parametrize(
    ("case", "error", "says"),
    [
        ("tilted", 0.01, "strategy is an approximation"),
        ("paper", None, "strategy is an approximation"),
        ("clipped", None, "adjoint was clipped at"),
    ],
)
def test_approximations_and_mistakes_disagree(case, error, says):
    result = checked(case)
    assert result.finite
    assert not result.agrees
    assert result.error > 100 * result.settled_within
    assert result.error == pytest.approx(error, rel=1e-3) if error else result.error > 0.05
    assert "\nDISAGREES: " in str(result)
    assert says in " ".join(str(result).split())
    assert (result.clipped > 0) == (case == "clipped")


def test_smoothness_is_that_of_training_and_not_of_the_strategy():
    assert checked("paper").smooth_up_to == checked("reversible").smooth_up_to >= 1e-2
    assert "\nSMOOTH: for changes of the data up to 1e-0" in str(checked("paper"))


@pytest.mark.parametrize(("case", "smooth"), [("rough", "checkpointed"), ("chaotic", "stored")])
def test_rough_outer_losses_are_told_from_smooth_ones(case, smooth):
    assert checked(case).agrees
    assert 0 < checked(case).smooth_up_to <= 0.1 * checked(smooth).smooth_up_to
    assert "\nROUGH: only for changes of the data up to 1e-0" in str(checked(case))
    assert "raise Adam's eps or eps_root" in " ".join(str(checked(case)).split())


def test_differences_are_those_of_the_table_from_the_derivatives():
    result = checked("stored")
    settled = result.quotients[:, result.step_sizes == result.settled_at]
    scale = np.sqrt(np.mean(settled**2))
    assert result.differences == pytest.approx(
        np.abs(result.quotients - result.derivatives[:, None]) / scale
    )
    error = np.sqrt(np.mean((settled[:, 0] - result.derivatives) ** 2)) / scale
    assert result.error == pytest.approx(error)


def test_what_precision_costs():
    float32 = checked("stored")
    assert 1e-8 < float32.precision_error < 1e-4
    assert 1 - 1e-8 < float32.precision_cosine <= 1 + 1e-12
    with jax.enable_x64(True):
        wide = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), LINE)
        float64 = check(line, line_end, toy.OPTIMIZERS["momentum"], STEPS, **wide)
    assert float64.agrees
    assert float64.precision_error < 1e-12
    assert "PRECISION: the gradient in the precision given is" in str(float32)


def test_numbers_that_the_loss_closes_over_may_have_32_bits():
    weights = jnp.array([0.5, 1.0, 2.0], jnp.float32)
    assert not jax.config.read("jax_enable_x64")

    def weighted(params, data, t):
        return jnp.sum(weights * (params - data) ** 2)

    assert check(weighted, line_end, optax.sgd(0.1), 9, **LINE).agrees


def test_one_program_for_all_directions():
    def traces(directions):
        seen = []

        def counted(params, data, t):
            seen.append(t)
            return line(params, data, t)

        check(counted, line_end, optax.sgd(0.1), 9, **LINE, directions=directions)
        return len(seen)

    assert traces(1) == traces(5) > 0


def test_training_that_diverges_is_said_to():
    result = checked("diverging")
    assert not result.finite
    assert not result.agrees
    assert result.smooth_up_to == 0
    assert "\nNOT FINITE: " in str(result)
    assert "SMOOTH" not in str(result)


def test_data_that_are_not_read_have_derivative_zero():
    result = checked("ignored")
    assert result.agrees
    assert result.precision_error == 0
    assert "Do the losses depend on the data?" in str(result)


def test_the_text_has_a_row_for_every_step_size():
    rows = str(checked("checkpointed")).splitlines()[4 : 4 + len(_SIZES)]
    for size, differences, row in zip(
        _SIZES, checked("checkpointed").differences.T, rows, strict=True
    ):
        wanted = [size, *differences]
        assert [float(number) for number in row.split()] == pytest.approx(wanted, rel=0.5)
    assert max(len(row) for row in str(checked("rough")).splitlines()) <= 80


def quotients(function, noise):
    """Central differences of a function of one variable at 1, in three rows, with noisy values."""
    draws = np.random.default_rng(0).normal(size=(2, 3, len(_SIZES)))
    forth, back = function(1 + _SIZES), function(1 - _SIZES)
    return (forth - back + noise * (draws[0] - draws[1])) / (2 * _SIZES)


def test_quotients_settle_between_the_series_and_the_noise():
    at, apart = _settle(quotients(np.exp, 1e-13), 1e-16)
    assert _SIZES[at] in (1e-3, 1e-4)
    assert 1e-10 < apart < 1e-7
    at, _ = _settle(quotients(lambda x: 3 * x, 1e-13), 1e-16)
    assert at == 0


def test_the_trend_of_a_rough_function_is_not_what_its_quotients_settle_at():
    def rippled(x):
        return x + 1e-7 * np.sin(1e7 * (x - 1))

    found = quotients(rippled, 1e-16)
    assert found[:, 2] == pytest.approx(1, rel=1e-3)  # the trend
    at, apart = _settle(found, 1e-16)
    assert found[:, at] == pytest.approx(2, rel=1e-3)
    assert _SIZES[at] < 1e-7
    assert apart < 1e-3


@pytest.mark.parametrize("function", [lambda x: np.floor(1234 * x) / 1234, lambda x: x * np.nan])
def test_quotients_that_settle_nowhere(function):
    _, apart = _settle(quotients(function, 1e-16), 1e-16)
    assert apart == np.inf


def test_arrays_that_are_float32_whatever_comes_are_named_as_the_cause():
    def summed(params, data, t):
        def add(total, row):
            return total + (params[0] - row) ** 2, None

        return jax.lax.scan(add, jnp.zeros((), jnp.float32), data)[0]

    with pytest.raises(TypeError, match="float32") as caught:
        check(summed, line_end, optax.sgd(0.1), 9, **LINE)
    assert "take their dtype from an argument" in "".join(caught.value.__notes__)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"directions": 0}, "directions is 0, .*; use >= 1"),
        ({"data": jnp.arange(3)}, "The data has to hold floating-point .* by='start'"),
        ({"start": None, "by": "start"}, "The start has to hold floating-point .* by='data'"),
        ({"data": jnp.ones(3, complex)}, "none of them complex"),
        ({"adjoint": Truncated(3)}, "Truncated.window=3. .* check Checkpointed"),
        ({"steps": 0}, "use >= 1"),
        ({"adjoint_clip": -1.0}, "use a positive norm, or None"),
    ],
)
def test_impossible_requests_are_refused(options, message):
    settings = {"optimizer": optax.sgd(0.1), "steps": 9} | LINE | options
    with pytest.raises(ValueError, match=message):
        check(line, line_end, **settings)


def test_a_window_of_all_steps_is_no_truncation():
    assert check(line, line_end, optax.sgd(0.1), 9, Truncated(9), **LINE).agrees
