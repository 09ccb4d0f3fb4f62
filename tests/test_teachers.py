"""Labels by several teachers, against their scores computed one after the other."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toy_log

from farzi.data import leave_last_out
from farzi.distillation import distill
from farzi.distillation.teachers import expected
from farzi.losses import next_token_loss
from farzi.models import Masked, SASRec, logits


@pytest.fixture
def teachers():
    return [
        SASRec(toy_log.TOKENS, width=8, layers=1, length=6, key=jax.random.key(seed))
        for seed in (1, 2)
    ]


@pytest.fixture
def real():
    ids = np.random.default_rng(0).integers(toy_log.TOKENS, size=(2, 5, 7))
    ids[0, 1, 4:] = -1
    return jnp.asarray(ids, jnp.int32)


def test_labels_are_the_mean_of_the_scores(teachers, real):
    labels = expected(teachers, real).labels
    for start in range(2):
        each = [logits(teacher, real[start, :, :-1]) for teacher in teachers]
        wanted = jax.nn.softmax((each[0] + each[1]) / 2)
        found = jax.nn.softmax(labels.latents[start] @ labels.decoder[start])
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-7)


def test_a_teacher_can_only_be_equalled(teachers, real):
    judged = expected(teachers[:1], real)
    one = jax.tree.map(lambda leaf: leaf[0], judged)
    gradient = eqx.filter_grad(lambda learner: next_token_loss(learner, one))(teachers[0])
    assert float(jnp.abs(gradient.embedding).max()) < 1e-6
    other = eqx.filter_grad(lambda learner: next_token_loss(learner, one))(teachers[1])
    assert float(jnp.abs(other.embedding).max()) > 1e-3


def test_a_loss_mask_is_kept(teachers, real):
    mask = jnp.asarray(np.random.default_rng(1).random((2, 5, 7)) < 0.5)
    judged = expected(teachers, Masked(real, mask))
    np.testing.assert_array_equal(judged.loss_mask, mask)
    np.testing.assert_array_equal(judged.tokens, real)


def test_teachers_need_not_be_like_the_learner():
    """Nor like each other; as many numbers a place as their widths together are compared with."""
    split = leave_last_out(toy_log.log())
    recipe = dataclasses.replace(toy_log.RECIPE, outer_steps=1, judge="teacher")
    wide = [
        SASRec(toy_log.TOKENS, width=width, layers=1, length=8, key=jax.random.key(width))
        for width in (12, 16)
    ]
    outcome = distill(split.train, split.validation, toy_log.bigrams, recipe, teacher=wide)
    assert np.isfinite(outcome.history[0].loss)
