import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toy_problem as toy

from farzi import losses, models
from farzi.distilled import Factored
from farzi.models import SASRec

pytestmark = pytest.mark.usefixtures("x64")

VOCABULARY = 7

next_token_loss = eqx.filter_jit(losses.next_token_loss)
loss_and_gradient = eqx.filter_jit(eqx.filter_value_and_grad(losses.next_token_loss))
logits = eqx.filter_jit(models.logits)


@functools.cache
def sasrec(**sizes):
    options = {"width": 8, "layers": 1, "length": 5} | sizes
    return SASRec(VOCABULARY, key=jax.random.key(0), **options)


def hard_tokens():
    return jnp.array([[3, 0, 6, 6, 1, 2], [2, 5, -1, -1, -1, -1], [4, -1, -1, -1, -1, -1]])


def soft_tokens():
    """Distributions, and padding where the hard tokens have it."""
    scores = jax.random.normal(jax.random.key(1), (3, 6, VOCABULARY))
    return jnp.where((hard_tokens() >= 0)[..., None], jax.nn.softmax(scores), 0.0)


def cross_entropy(model, tokens):
    """Place by place, in numpy, from the logits alone."""
    each = []
    scores = np.asarray(logits(model, tokens[:, :-1]))
    for row, row_scores in zip(np.asarray(tokens), scores, strict=True):
        for wanted, score in zip(row[1:], row_scores, strict=True):
            chances = np.exp(score) / np.exp(score).sum()
            if row.ndim == 1 and wanted >= 0:
                each.append(-np.log(chances[wanted]))
            if row.ndim == 2 and wanted.any():
                each.append(-(wanted * np.log(chances)).sum())
    return np.mean(each), len(each)


@pytest.mark.parametrize("tokens", [hard_tokens, soft_tokens])
def test_is_the_mean_cross_entropy_without_padding(tokens):
    wanted, places = cross_entropy(sasrec(), tokens())
    assert places == 6
    assert float(next_token_loss(sasrec(), tokens())) == pytest.approx(wanted, rel=1e-12)


def test_padding_rows_and_columns_are_not_counted():
    model, tokens = sasrec(length=8), hard_tokens()
    padded = jnp.pad(tokens, ((0, 2), (0, 3)), constant_values=-1)
    assert next_token_loss(model, padded) == pytest.approx(
        float(next_token_loss(model, tokens)), rel=1e-12
    )


def test_hard_tokens_and_their_one_hot_rows_are_the_same():
    one_hot = jax.nn.one_hot(hard_tokens(), VOCABULARY)
    hard_loss, hard = loss_and_gradient(sasrec(), hard_tokens())
    soft_loss, soft = loss_and_gradient(sasrec(), one_hot)
    assert float(soft_loss) == pytest.approx(float(hard_loss), rel=1e-12)
    assert toy.relative_error(soft, hard) < 1e-12


def test_gradient_is_the_central_difference():
    model, tokens = sasrec(), soft_tokens()

    def loss(table):
        return next_token_loss(eqx.tree_at(lambda one: one.embedding, model, table), tokens)

    _, numeric, rounding = toy.central_differences(loss, model.embedding)
    exact = jax.grad(loss)(model.embedding)
    assert toy.distance(numeric, exact) < rounding + 1e-7 * float(jnp.linalg.norm(exact))


@pytest.mark.parametrize("soft", [False, True])
def test_a_batch_of_padding_costs_nothing(soft):
    tokens = jnp.full((2, 6), -1)
    if soft:
        tokens = jax.nn.one_hot(tokens, VOCABULARY)
    loss, gradient = loss_and_gradient(sasrec(), tokens)
    assert float(loss) == 0
    assert all(not leaf.any() for leaf in jax.tree.leaves(gradient))


@pytest.mark.parametrize("chunk", [1, 4, 15])
@pytest.mark.parametrize("tokens", [hard_tokens, soft_tokens])
def test_chunks_change_neither_the_loss_nor_a_derivative_nor_the_derivative_of_one(tokens, chunk):
    params, fixed = eqx.partition(sasrec(), eqx.is_array)
    direction = jax.tree.map(jnp.cos, params)

    @functools.partial(jax.jit, static_argnums=0)
    def derivatives(chunk):
        def loss(params):
            model = eqx.combine(params, fixed)
            return losses.next_token_loss(model, tokens(), chunk=chunk)

        value = loss(params)
        gradient, second_order = jax.linearize(jax.grad(loss), params)
        return value, gradient, second_order(direction)

    for chunked, whole in zip(derivatives(chunk), derivatives(10**9), strict=True):
        assert toy.relative_error(chunked, whole) < 1e-12


def test_the_sum_of_a_soft_token_is_not_differentiated():
    """Else its derivative holds the size of all scores, which a softmax has to take out again."""
    model, tokens = sasrec(), soft_tokens()
    by_tokens = jax.grad(lambda tokens: next_token_loss(model, tokens))(tokens)
    last = by_tokens[0, -1]  # Asked for, and read by nobody.
    wanted = -logits(model, tokens[:, :-1])[0, -1] / 6
    np.testing.assert_allclose(last, wanted, rtol=1e-12)


def test_factored_tokens_are_their_probabilities():
    latents, decoder = jax.random.split(jax.random.key(3))
    factored = Factored(
        jax.random.normal(latents, (3, 6, 2)), jax.random.normal(decoder, (2, VOCABULARY))
    )
    loss, gradient = loss_and_gradient(sasrec(), factored)
    written_out, wanted = loss_and_gradient(sasrec(), factored.probabilities())
    assert float(loss) == pytest.approx(float(written_out), rel=1e-12)
    assert toy.relative_error(gradient, wanted) < 1e-12


def test_dropout_is_for_training_with_a_key():
    model, tokens = sasrec(dropout=0.5), hard_tokens()
    noisy = next_token_loss(model, tokens, key=jax.random.key(2))
    assert abs(float(noisy) - float(next_token_loss(model, tokens))) > 1e-3
