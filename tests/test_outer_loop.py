import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toy_log

from farzi.data import leave_last_out, windows
from farzi.demo import Plan
from farzi.distillation import Pool, distill
from farzi.distillation.outer_loop import _VALIDATION_SEED, validate
from farzi.evaluation.judge import _SEARCH_SEED
from farzi.hypergradients import Auto, Checkpointed
from farzi.metrics import Questions
from farzi.models import SASRec
from farzi.training import Training, train

RECIPE = toy_log.RECIPE
SPLIT = leave_last_out(toy_log.log())


def run(recipe=RECIPE, **options):
    return distill(SPLIT.train, SPLIT.validation, toy_log.sasrec, recipe, **options)


@pytest.fixture(scope="module")
def outcome():
    return run(seed=3)


def test_the_real_loss_falls(outcome):
    losses = [step.loss for step in outcome.history]
    assert np.mean(losses[-3:]) < np.mean(losses[:3]) - 0.1


def test_the_best_validated_state_is_returned(outcome):
    scores = {step.step: step.score for step in outcome.history if step.score is not None}
    assert list(scores) == [6, 12]
    questions = Questions.of(SPLIT.validation, RECIPE.context)
    reached = validate(outcome.data.factors, questions, toy_log.sasrec, RECIPE)
    if outcome.best_step:
        assert scores[outcome.best_step] == max(scores.values())
        assert reached == pytest.approx(scores[outcome.best_step], abs=1e-6)
    else:
        assert reached == pytest.approx(outcome.start_score, abs=1e-6)
        assert reached >= max(scores.values())


def test_the_same_seed_gives_the_same_data(outcome):
    again = run(seed=3)
    for one, other in zip(
        jax.tree.leaves(outcome.data.factors), jax.tree.leaves(again.data.factors), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    assert [step.loss for step in again.history] == [step.loss for step in outcome.history]
    assert [step.loss for step in run(seed=4).history] != [step.loss for step in outcome.history]


def test_every_step_is_reported(outcome):
    seen = []
    recipe = dataclasses.replace(RECIPE, outer_steps=3, validate_every=2)
    result = run(recipe, seed=3, on_step=seen.append)
    assert tuple(seen) == result.history
    assert [step.step for step in seen] == [1, 2, 3]
    assert [step.score is not None for step in seen] == [False, True, True]
    assert result.peak_bytes > 0
    for step in seen:
        assert step.adjoint_norm >= max(step.first_adjoint_norm, step.last_adjoint_norm) > 0
        assert 0 <= step.clipped <= 1


def test_auto_tells_what_it_took(outcome):
    assert outcome.adjoint == RECIPE.adjoint
    recipe = dataclasses.replace(RECIPE, adjoint=Auto(outcome.peak_bytes - 1), outer_steps=1)
    frugal = run(recipe, seed=3)
    assert frugal.adjoint == Checkpointed()
    assert frugal.peak_bytes < outcome.peak_bytes
    assert frugal.history[0].loss == pytest.approx(outcome.history[0].loss, rel=1e-5)


def test_what_cannot_fit_is_refused_before_a_teacher_is_trained():
    with pytest.raises(ValueError, match=r"no strategy fits into a memory budget of 1.00 kB"):
        run(dataclasses.replace(RECIPE, start="real", adjoint=Auto("1 kB")))


def test_a_start_from_real_sequences_uses_the_teacher():
    rows = windows(SPLIT.train, 8)
    questions = Questions.of(SPLIT.validation, 8)
    training = Training(batch_size=32, max_steps=60, evaluate_every=60)
    teacher = train(toy_log.sasrec, rows, questions, training, rates=[0.03], seeds=[0]).run(0)
    recipe = dataclasses.replace(
        RECIPE, start="real", confidence=0.9, outer_steps=1, outer_rate=1e-6
    )
    data = run(recipe, teacher=teacher).data
    tokens = np.asarray(data.probabilities()).argmax(axis=2)
    followed = (tokens[:, 1:] - tokens[:, :-1]) % toy_log.TOKENS
    assert np.mean(followed == 1) > 0.9


def test_without_a_teacher_one_is_trained():
    recipe = dataclasses.replace(RECIPE, start="real", outer_steps=1)
    assert run(recipe).data.factors.latents.shape == (4, 5, 4)


def test_starts_come_from_the_pool():
    """A pool whose every learner is broken breaks the first outer step."""
    stacked = eqx.filter_vmap(toy_log.sasrec)(jax.random.split(jax.random.key(0), 2))
    broken = eqx.tree_at(lambda one: one.embedding, stacked, stacked.embedding * jnp.nan)
    with pytest.raises(FloatingPointError, match=r"outer step 1 .*nan.*inner_rate"):
        run(pool=Pool(toy_log.sasrec, broken, share=1.0))


def test_a_learner_for_another_vocabulary_is_refused_at_once():
    def larger(key):
        return SASRec(toy_log.TOKENS + 1, width=8, layers=1, length=8, key=key)

    with pytest.raises(ValueError, match="13 tokens but the vocabulary has 12"):
        distill(SPLIT.train, SPLIT.validation, larger, RECIPE)


def test_a_rank_that_the_learner_does_not_have_is_refused_before_a_teacher_is_trained():
    with pytest.raises(ValueError, match=r"rank is 9 .* span only 8"):
        run(dataclasses.replace(RECIPE, start="real", rank=9))


def test_the_data_are_not_chosen_on_the_starts_that_evaluations_use():
    largest_of_the_demo = 99_999_999 * Plan().seeds + Plan().seeds - 1
    chosen_on = range(_VALIDATION_SEED, _VALIDATION_SEED + Plan().recipe.validation_runs)
    assert largest_of_the_demo < chosen_on[0] < chosen_on[-1] < _SEARCH_SEED < 2**31


def test_more_sequences_than_the_data_hold_are_refused():
    recipe = dataclasses.replace(RECIPE, start="real", sequences=1000)
    teacher = toy_log.sasrec(jax.random.key(0))
    with pytest.raises(ValueError, match="1000 full sequences"):
        run(recipe, teacher=teacher)
