"""What every architecture has to do, and each refusal of an impossible size."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toy_architectures
from toy_architectures import TIME, VOCABULARY

from farzi import models
from farzi.models import Learner, SASRec, Transformer

hidden_states = eqx.filter_jit(models.hidden_states)
logits = eqx.filter_jit(models.logits)

TOKENS = jnp.array([[3, 0, 6, 5, 1, 2], [2, 5, 4, 4, 0, 1]])


@pytest.fixture(params=toy_architectures.ALL)
def make(request):
    return request.param


def test_it_is_a_learner(make):
    assert isinstance(make(), Learner)
    assert hidden_states(make(), TOKENS).shape == (2, TIME, 8)
    assert logits(make(), TOKENS).shape == (2, TIME, VOCABULARY)


@pytest.mark.parametrize("place", [1, 3, 5])
def test_the_past_does_not_depend_on_the_future(make, place):
    model = make()
    changed = TOKENS.at[:, place].set((TOKENS[:, place] + 1) % VOCABULARY)
    before, after = hidden_states(model, TOKENS), hidden_states(model, changed)
    np.testing.assert_array_equal(before[:, :place], after[:, :place])
    moved = jnp.abs(before - after).max(axis=(0, 2))[place:]
    assert (moved > 1e-6).all()  # and all that comes later does depend on it
    assert moved[0] > 1e-4


def test_padding_on_the_right_changes_nothing(make):
    model = make()
    padded = TOKENS.at[:, 4:].set(-1)
    np.testing.assert_array_equal(logits(model, padded)[:, :4], logits(model, TOKENS)[:, :4])


def test_a_shorter_sequence_is_read_like_the_beginning_of_a_longer_one(make):
    model = make()
    short = logits(model, TOKENS[:, :4])
    np.testing.assert_allclose(short, logits(model, TOKENS)[:, :4], atol=1e-6)


def test_the_order_of_the_past_matters(make):
    model = make(layers=1)  # Deeper ones with attention know the order even without positions.
    swapped = TOKENS[:, jnp.array([1, 0, 2, 3, 4, 5])]
    last, other = (hidden_states(model, tokens)[:, -1] for tokens in (TOKENS, swapped))
    assert float(jnp.abs(last - other).max()) > 1e-5


def test_dropout_needs_a_key(make):
    model = make(dropout=0.5)
    first, second = jax.random.split(jax.random.key(1))
    np.testing.assert_array_equal(logits(model, TOKENS), logits(make(), TOKENS))
    with_key = logits(model, TOKENS, key=first)
    np.testing.assert_array_equal(with_key, logits(model, TOKENS, key=first))
    for other in (logits(model, TOKENS), logits(model, TOKENS, key=second)):
        assert float(jnp.abs(with_key - other).max()) > 1e-4


def test_dropout_differs_between_sequences(make):
    twice = jnp.stack([TOKENS[0], TOKENS[0]])
    first, second = logits(make(dropout=0.5), twice, key=jax.random.key(1))
    assert float(jnp.abs(first - second).max()) > 1e-4


def test_a_key_without_dropout_changes_nothing(make):
    with_key = logits(make(), TOKENS, key=jax.random.key(1))
    np.testing.assert_allclose(with_key, logits(make(), TOKENS), atol=1e-7)


def test_another_key_gives_other_weights(make):
    one, other = (
        jax.tree.leaves(eqx.filter(make(key=key), eqx.is_inexact_array)) for key in (0, 1)
    )
    drawn = [leaf for leaf in one if float(jnp.std(leaf)) > 0]
    assert len(drawn) > 4
    same = [np.allclose(left, right) for left, right in zip(one, other, strict=True)]
    assert sum(same) == len(one) - len(drawn)  # Norms begin with ones and zeros.


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda key: SASRec(5, width=8, heads=3, key=key), "width 8 cannot be shared by 3 heads"),
        (lambda key: Transformer(5, width=8, heads=3, key=key), "cannot be shared by 3 heads"),
        (
            lambda key: Transformer(5, width=6, heads=2, rotary=True, key=key),
            "rotary positions turn pairs of numbers, but a head has 3",
        ),
    ],
)
def test_impossible_sizes(build, message):
    with pytest.raises(ValueError, match=message):
        build(jax.random.key(0))


@pytest.mark.parametrize(
    "make", [toy_architectures.sasrec, toy_architectures.fmlp, toy_architectures.transformer]
)
def test_a_sequence_too_long(make):
    model = make(length=4)
    name = type(model).__name__
    with pytest.raises(ValueError, match=f"6 places but this {name} knows 4; cut the sequence"):
        logits(model, TOKENS)
