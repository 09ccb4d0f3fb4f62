import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from farzi import models
from farzi.models import SASRec

hidden_states = eqx.filter_jit(models.hidden_states)
logits = eqx.filter_jit(models.logits)

VOCABULARY, TIME = 7, 6
TOKENS = jnp.array([[3, 0, 6, 5, 1, 2], [2, 5, 4, 4, 0, 1]])


def sasrec(**sizes):
    options = {"width": 8, "layers": 2, "heads": 2, "length": TIME} | sizes
    return SASRec(VOCABULARY, key=jax.random.key(0), **options)


@pytest.mark.parametrize("place", [1, 3, 5])
def test_the_past_does_not_depend_on_the_future(place):
    model = sasrec()
    changed = TOKENS.at[:, place].set((TOKENS[:, place] + 1) % VOCABULARY)
    before, after = hidden_states(model, TOKENS), hidden_states(model, changed)
    np.testing.assert_array_equal(before[:, :place], after[:, :place])
    moved = jnp.abs(before - after).max(axis=(0, 2))[place:]
    assert (moved > 1e-4).all()  # and all that comes later does depend on it


def test_padding_on_the_right_changes_nothing():
    model = sasrec()
    padded = TOKENS.at[:, 4:].set(-1)
    np.testing.assert_array_equal(logits(model, padded)[:, :4], logits(model, TOKENS)[:, :4])


def test_the_order_of_the_past_matters():
    model = sasrec(layers=1)  # deeper ones know the order even without positions
    swapped = TOKENS[:, jnp.array([1, 0, 2, 3, 4, 5])]
    last, other = (hidden_states(model, tokens)[:, -1] for tokens in (TOKENS, swapped))
    assert float(jnp.abs(last - other).max()) > 1e-4


def test_dropout_needs_a_key():
    model = sasrec(dropout=0.5)
    first, second = jax.random.split(jax.random.key(1))
    np.testing.assert_array_equal(logits(model, TOKENS), logits(sasrec(), TOKENS))
    with_key = logits(model, TOKENS, key=first)
    np.testing.assert_array_equal(with_key, logits(model, TOKENS, key=first))
    for other in (logits(model, TOKENS), logits(model, TOKENS, key=second)):
        assert float(jnp.abs(with_key - other).max()) > 0.01


def test_dropout_differs_between_sequences():
    twice = jnp.stack([TOKENS[0], TOKENS[0]])
    first, second = logits(sasrec(dropout=0.5), twice, key=jax.random.key(1))
    assert float(jnp.abs(first - second).max()) > 0.01


def test_a_key_without_dropout_changes_nothing():
    with_key = logits(sasrec(), TOKENS, key=jax.random.key(1))
    np.testing.assert_array_equal(with_key, logits(sasrec(), TOKENS))


def test_another_key_gives_other_weights():
    model, other = sasrec(), SASRec(VOCABULARY, width=8, length=TIME, key=jax.random.key(1))
    assert not np.allclose(model.embedding, other.embedding)


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match="width 8 cannot be shared by 3 heads; use a multiple"):
        sasrec(heads=3)


def test_a_sequence_too_long():
    with pytest.raises(ValueError, match="6 places but this SASRec knows 4; cut the sequence"):
        logits(sasrec(length=4), TOKENS)
