"""Every operation is undone bit for bit, and is what it says to within its rounding."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farzi.hypergradients.fixed_point import (
    BITS,
    Exchange,
    Rounding,
    decay,
    to_fixed,
    to_float,
    unit,
)

pytestmark = pytest.mark.usefixtures("x64")

FACTORS = [Exchange(9, 10), Exchange(17, 20), Exchange(1, 2), Rounding(100), Rounding(1000)]
SIZE = 1000


def numbers(generator):
    """Of every size, both signs, zero among them."""
    exponents = generator.integers(0, BITS, size=SIZE)
    values = generator.integers(-(2**62), 2**62, size=SIZE) >> (62 - exponents)
    values[:10] = np.arange(-5, 5)
    return jnp.asarray(values)


@pytest.mark.parametrize("factor", FACTORS)
def test_a_thousand_random_numbers_come_back_after_a_whole_period(factor):
    generator = np.random.default_rng(0)
    steps = min(factor.period, 2000)
    start = numbers(generator)
    empty = jnp.zeros(SIZE, jnp.uint64)
    added = jnp.asarray(generator.integers(-(2**40), 2**40, size=(7, SIZE)))

    def forward(t, carry):
        x, buffer = factor.apply(*carry, t)
        return x + added[t % 7], buffer

    def back(i, carry):
        t = steps - 1 - i
        x, buffer = carry
        return factor.undo(x - added[t % 7], buffer, t)

    there = jax.jit(lambda carry: jax.lax.fori_loop(0, steps, forward, carry))((start, empty))
    again, buffer = jax.jit(lambda carry: jax.lax.fori_loop(0, steps, back, carry))(there)
    assert not np.array_equal(there[0], start)
    assert there[1].any()
    np.testing.assert_array_equal(again, start)
    np.testing.assert_array_equal(buffer, empty)


@pytest.mark.parametrize("factor", FACTORS)
@given(
    x=st.integers(-(2**BITS) + 1, 2**BITS - 1),
    buffer=st.integers(0, 2**20),
    t=st.integers(0, 10**6),
)
def test_one_step_against_whole_numbers_of_python(factor, x, buffer, t):
    one = (jnp.asarray(x), jnp.asarray(buffer, jnp.uint64))
    product, filled = factor.apply(*one, jnp.asarray(t))
    again = factor.undo(product, filled, jnp.asarray(t))
    assert [int(value) for value in again] == [x, buffer]
    if isinstance(factor, Rounding):
        n, d, error = factor.denominator - 1, factor.denominator, 1
        assert filled in (buffer, 2 * buffer, 2 * buffer + 1)
    else:
        n, d = factor
        error = n
        assert int(filled) == (buffer * d + x % d) // n
    assert abs(int(product) * d - x * n) < error * d


def test_exchange_period_is_the_longest_that_never_runs_over():
    for factor in (Exchange(9, 10), Exchange(1, 2)):
        largest = 0
        for _ in range(factor.period):
            grown = largest * factor.denominator + factor.denominator - 1
            assert grown < 2**64
            largest = grown // factor.numerator
        assert largest * factor.denominator + factor.denominator - 1 >= 2**64


def test_rounding_is_right_on_average_and_fills_its_buffer_slowly():
    factor = Rounding(1000)
    x = jnp.full(SIZE, 300) + jnp.arange(SIZE) % 7  # Below half a unit of the quotient.

    def forward(t, carry):
        return factor.apply(*carry, t)

    empty = jnp.zeros(SIZE, jnp.uint64)
    steps = 3000
    after, buffer = jax.jit(lambda carry: jax.lax.fori_loop(0, steps, forward, carry))((x, empty))
    wanted = np.asarray(x) * 0.999**steps
    assert np.abs(np.asarray(after) - wanted).max() < 10
    assert int(buffer.max()) < 2**20


@given(st.floats(2.0**-40, 2.0**40))
def test_a_unit_is_a_power_of_two_and_just_large_enough(largest):
    step = unit(jnp.asarray(largest))
    assert np.frexp(float(step))[0] == 0.5
    assert 2.0 ** (BITS - 1) <= largest / float(step) <= 2.0**BITS


def test_floating_point_numbers_survive_where_the_unit_is_fine_enough():
    values = jax.random.normal(jax.random.key(0), (SIZE,), jnp.float32)
    step = unit(jnp.asarray(2.0**13, jnp.float32))
    np.testing.assert_array_equal(to_float(to_fixed(values, step), step), values)
    # Rounded to the nearest: a unit of 1.
    assert to_fixed(jnp.array([0.6, -0.6, 1.4]), jnp.asarray(1.0)).tolist() == [1, -1, 1]


def test_which_decay_is_done_how():
    assert decay(0.9) == Exchange(9, 10)
    assert decay(0.85) == Exchange(17, 20)
    assert decay(0.999) == Rounding(1000)
    assert decay(0.9999) == Rounding(10000)
    assert decay(0.997) == Exchange(997, 1000)


@pytest.mark.parametrize("factor", [0.0, 1.0, -0.5, 1.5, 2**-0.5])
def test_a_decay_that_is_no_such_fraction_is_refused(factor):
    with pytest.raises(ValueError, match=r"such as 0.9 or 0.999.* such as Checkpointed"):
        decay(factor)
