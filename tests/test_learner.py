import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from farzi import models
from farzi.models import Learner, SASRec, embed, is_soft

hidden_states = eqx.filter_jit(models.hidden_states)
logits = eqx.filter_jit(models.logits)

VOCABULARY, TIME = 7, 5
TOKENS = jnp.array([[3, 0, 6, 6, 1], [2, 5, -1, -1, -1], [4, -1, -1, -1, -1]])
ONE_HOT = jax.nn.one_hot(TOKENS, VOCABULARY)


class LastTwo(eqx.Module):
    """The smallest learner that reads the past: each place is the sum of it and the one before."""

    embedding: jax.Array

    def __call__(self, embedded, *, key=None):
        return embedded + jnp.pad(embedded[:-1], ((1, 0), (0, 0)))


@pytest.fixture(params=["sasrec", "last two"])
def learner(request):
    key = jax.random.key(0)
    if request.param == "sasrec":
        return SASRec(VOCABULARY, width=8, layers=2, heads=2, length=TIME, key=key)
    return LastTwo(jax.random.normal(key, (VOCABULARY, 8)))


def test_anything_with_a_table_that_can_be_called_is_a_learner(learner):
    assert isinstance(learner, Learner)
    assert not isinstance(eqx.nn.Linear(8, 8, key=jax.random.key(0)), Learner)


def test_soft_tokens_are_known_by_their_type():
    assert is_soft(ONE_HOT)
    assert not is_soft(TOKENS)


def test_padding_is_a_row_of_zeros():
    assert not ONE_HOT[TOKENS < 0].any()
    for tokens in (TOKENS, ONE_HOT):
        embedded = embed(jnp.ones((VOCABULARY, 8)), tokens)
        np.testing.assert_array_equal(embedded[..., 0], TOKENS >= 0)


def test_embedding_of_a_mixture_is_the_mixture_of_embeddings():
    table = jax.random.normal(jax.random.key(1), (VOCABULARY, 8))
    mixture = 0.25 * ONE_HOT[:1, :1] + 0.75 * ONE_HOT[:1, 1:2]
    wanted = 0.25 * table[3] + 0.75 * table[0]
    np.testing.assert_allclose(embed(table, mixture)[0, 0], wanted, rtol=1e-6)


def test_one_hot_and_hard_tokens_give_the_same_logits(learner):
    hard, soft = logits(learner, TOKENS), logits(learner, ONE_HOT)
    assert hard.shape == (3, TIME, VOCABULARY)
    assert float(jnp.std(hard)) > 0.01
    np.testing.assert_allclose(soft, hard, rtol=1e-5, atol=1e-6)


def test_logits_are_products_with_the_table(learner):
    hidden = hidden_states(learner, TOKENS)
    wanted = np.einsum("btw,vw->btv", hidden, learner.embedding)
    np.testing.assert_allclose(logits(learner, TOKENS), wanted, rtol=1e-4, atol=1e-5)


def test_sequences_of_a_batch_do_not_see_each_other(learner):
    alone = jnp.concatenate([logits(learner, TOKENS[i : i + 1]) for i in range(3)])
    np.testing.assert_allclose(logits(learner, TOKENS), alone, rtol=1e-5, atol=1e-6)
