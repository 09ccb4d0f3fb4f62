"""Hard tokens with soft labels: what is read is certain, what is asked for is a distribution."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toy_log
import toy_problem as toy

from farzi import losses
from farzi.metrics import Questions
from farzi.models import Labelled, Masked, is_soft
from farzi.training import Training, train

VOCABULARY = toy_log.TOKENS
IDS = jnp.array([[3, 0, 6, 6, 1], [2, 5, 11, -1, -1], [4, 7, 7, 2, 9]])
MASK = jnp.array([[True, True, False, True, True], [False] * 3 + [True] * 2, [True] * 5])

token_losses = eqx.filter_jit(losses.token_losses)
next_token_loss = eqx.filter_jit(losses.next_token_loss)
loss_and_gradient = eqx.filter_jit(eqx.filter_value_and_grad(losses.next_token_loss))


def soft_labels(ids=IDS, seed=1):
    """Random distributions, also at the places of padding."""
    shape = (*ids[:, 1:].shape, VOCABULARY)
    return jax.nn.softmax(2 * jax.random.normal(jax.random.key(seed), shape))


def one_hot(ids):
    """What the hard tokens ask for; for padding something, as a teacher has an opinion of it."""
    return jax.nn.one_hot(jnp.maximum(ids[:, 1:], 0), VOCABULARY)


class Sums(toy_log.Bigrams):
    """The smallest learner that looks back."""

    def __call__(self, embedded, *, key=None):
        return jnp.cumsum(embedded, axis=0) @ self.matrix


def sums():
    return Sums(*jax.tree.leaves(toy_log.bigrams(jax.random.key(0))))


def by_hand(learner, ids, labels, mask):
    """Place by place, in NumPy: losses and weights."""
    table, matrix = (np.asarray(one, np.float64) for one in (learner.embedding, learner.matrix))
    ids, labels = np.asarray(ids), np.asarray(labels, np.float64)
    expected, weights = np.zeros(labels.shape[:2]), np.zeros(labels.shape[:2])
    for row in range(len(ids)):
        for place in range(ids.shape[1] - 1):
            if ids[row, place + 1] < 0 or (mask is not None and not mask[row, place + 1]):
                continue
            scores = table @ (table[ids[row, place]] @ matrix)
            logarithms = scores - np.log(np.exp(scores).sum())
            expected[row, place] = -(labels[row, place] * logarithms).sum()
            weights[row, place] = 1
    return expected, weights


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("chunk", [None, 5])
@pytest.mark.parametrize("mask", [None, MASK])
def test_the_loss_is_the_cross_entropy_against_the_labels(mask, chunk):
    learner, labels = toy_log.bigrams(jax.random.key(0)), soft_labels()
    wanted, asked = by_hand(learner, IDS, labels, mask)
    assert asked.sum() == (10 if mask is None else 7)
    tokens = Labelled(IDS, labels, mask)
    got, weights = token_losses(learner, tokens, chunk=chunk)
    np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(weights, asked)
    mean = float(next_token_loss(learner, tokens, chunk=chunk))
    assert mean == pytest.approx(wanted.sum() / asked.sum(), rel=1e-12)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("mask", [None, MASK])
def test_one_hot_labels_are_the_hard_tokens(mask):
    hard = IDS if mask is None else Masked(IDS, mask)
    wanted, gradient = loss_and_gradient(sums(), hard)
    loss, own = loss_and_gradient(sums(), Labelled(IDS, one_hot(IDS), mask))
    assert float(loss) == pytest.approx(float(wanted), rel=1e-12)
    assert toy.relative_error(own, gradient) < 1e-12


@pytest.mark.usefixtures("x64")
def test_the_gradient_is_the_central_difference():
    learner, tokens = toy_log.bigrams(jax.random.key(0)), Labelled(IDS, soft_labels(), MASK)

    def loss(table):
        return next_token_loss(eqx.tree_at(lambda one: one.embedding, learner, table), tokens)

    _, numeric, rounding = toy.central_differences(loss, learner.embedding)
    exact = jax.grad(loss)(learner.embedding)
    assert toy.distance(numeric, exact) < rounding + 1e-7 * float(jnp.linalg.norm(exact))


def test_labels_are_asked_for_and_never_read():
    """A learner that looks back sees no other labels than before."""
    learner, labels = sums(), soft_labels()
    other = labels.at[2, 1].set(soft_labels(seed=2)[2, 1])
    before, after = (token_losses(learner, Labelled(IDS, one))[0] for one in (labels, other))
    changed = np.asarray(before != after)
    assert changed[2, 1]
    assert changed.sum() == 1


def test_the_last_token_is_read_by_nobody_and_the_others_are():
    learner, labels = sums(), soft_labels()
    before = np.asarray(token_losses(learner, Labelled(IDS, labels))[0])
    for place in range(5):
        other = IDS.at[2, place].set(10)
        changed = np.asarray(token_losses(learner, Labelled(other, labels))[0]) != before
        # All places from that on, where the labels stay.
        np.testing.assert_array_equal(changed[2], np.arange(4) >= place)
        assert not changed[:2].any()


@pytest.mark.parametrize("mask", [None, MASK])
def test_labels_where_nothing_is_asked_do_not_matter(mask):
    learner, labels = sums(), soft_labels()
    asked = IDS[:, 1:] >= 0 if mask is None else (IDS[:, 1:] >= 0) & mask[:, 1:]
    other = jnp.where(asked[..., None], labels, 7.0)
    loss, gradient = loss_and_gradient(learner, Labelled(IDS, labels, mask))
    same, same_gradient = loss_and_gradient(learner, Labelled(IDS, other, mask))
    assert float(loss) == float(same)
    assert toy.relative_error(same_gradient, gradient) == 0


def test_a_batch_of_padding_costs_nothing():
    tokens = Labelled(jnp.full_like(IDS, -1), soft_labels())
    loss, gradient = loss_and_gradient(toy_log.bigrams(jax.random.key(0)), tokens)
    assert float(loss) == 0
    assert all(not leaf.any() for leaf in jax.tree.leaves(gradient))


@pytest.mark.parametrize("mask", [None, MASK])
def test_some_rows_are_tokens_labels_and_mask_of_these_rows(mask):
    tokens = Labelled(IDS, soft_labels(), mask)
    assert len(tokens) == 3
    assert not is_soft(tokens)
    rows = jnp.array([2, 0, 2, 1])
    some = tokens[rows]
    assert len(some) == 4
    for place, row in enumerate(rows.tolist()):
        np.testing.assert_array_equal(some.tokens[place], IDS[row])
        np.testing.assert_array_equal(some.labels[place], tokens.labels[row])
        if mask is not None:
            np.testing.assert_array_equal(some.loss_mask[place], mask[row])
    assert (some.loss_mask is None) == (mask is None)
    learner = toy_log.bigrams(jax.random.key(0))
    whole, part = (token_losses(learner, one)[0] for one in (tokens, some))
    np.testing.assert_allclose(part, whole[rows], rtol=1e-5)


def test_rows_are_not_read_one_by_one():
    """JAX gives the last row again for each number after it: a loop would never end."""
    with pytest.raises(TypeError, match="not iterable"):
        iter(Labelled(IDS, soft_labels()))


def test_learners_train_on_one_hot_labels_as_on_the_hard_tokens():
    cycles = (jnp.arange(VOCABULARY)[:, None] + jnp.arange(5)[None]) % VOCABULARY
    questions = Questions(cycles[:, :-1], cycles[:, -1])
    how = Training(batch_size=5, max_steps=40, evaluate_every=20)
    hard, labelled, turned = (
        train(toy_log.bigrams, tokens, questions, how, rates=[0.03], seeds=[0])
        for tokens in (
            cycles,
            Labelled(cycles, one_hot(cycles)),
            # The labels say what comes before.
            Labelled(cycles, one_hot((cycles - 2) % VOCABULARY)),
        )
    )
    assert hard.losses[-1, 0] < hard.losses[0, 0] / 2
    np.testing.assert_allclose(labelled.losses, hard.losses, rtol=1e-4)
    assert turned.losses[-1, 0] < turned.losses[0, 0] / 2
    assert turned.best_scores[0] < hard.best_scores[0] - 0.3
