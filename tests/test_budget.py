"""Amounts of memory in words and numbers."""

import jax
import jax.numpy as jnp
import pytest

from farzi.hypergradients.budget import format_bytes, parse_bytes, program_bytes


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("4 GB", 4_000_000_000),
        ("512MB", 512_000_000),
        ("1.5 GiB", 1_610_612_736),
        (" 10 kb ", 10_000),
        ("1 KiB", 1024),
        ("2TB", 2_000_000_000_000),
        ("300 B", 300),
        (123, 123),
    ],
)
def test_amounts_are_read(text, amount):
    assert parse_bytes(text) == amount


@pytest.mark.parametrize("text", ["", "4", "GB", "4 XB", "-4 GB", "4 GB 5", "4,5 GB", "nan GB"])
def test_what_is_no_amount_is_refused(text):
    with pytest.raises(ValueError, match=r'is no amount of memory; .* "4 GB"'):
        parse_bytes(text)


@pytest.mark.parametrize("amount", [0, -5, "0 GB", "0.1 B"])
def test_nothing_is_no_amount(amount):
    with pytest.raises(ValueError, match="use a positive one"):
        parse_bytes(amount)


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (999, "999 B"),
        (1_000, "1.00 kB"),
        (12_345, "12.3 kB"),
        (999_600, "1.00 MB"),
        (999_400, "999 kB"),
        (4_321_000_000, "4.32 GB"),
        (43_210_000_000_000, "43.2 TB"),
    ],
)
def test_amounts_are_written_with_three_digits(amount, text):
    assert format_bytes(amount) == text


def test_a_program_needs_what_it_reads_returns_and_keeps_on_the_way():
    numbers = jax.ShapeDtypeStruct((1000,), jnp.float32)

    def sort_twice(x):
        return jnp.sort(jnp.sort(x)[::-1] * jnp.arange(1000.0)), x[:500]

    program = jax.jit(sort_twice).lower(numbers).compile()
    assert program_bytes(program) >= 4 * (1000 + 1500)
    assert program_bytes(program) < 4 * 10_000
