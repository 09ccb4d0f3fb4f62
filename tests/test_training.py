from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from farzi.data import Sequences, Vocabulary, windows
from farzi.metrics import Questions, rank_targets, ranking_metrics
from farzi.models import SASRec
from farzi.training import Training, runs, train, validation_scores

VOCABULARY, LENGTH = 12, 4
# Each row counts upwards from its number, and begins again after the last token.
CYCLES = (jnp.arange(VOCABULARY)[:, None] + jnp.arange(LENGTH + 1)[None]) % VOCABULARY
UPWARDS = Questions(CYCLES[:, :-1], CYCLES[:, -1])
DOWNWARDS = Questions(CYCLES[:, :-1], (CYCLES[:, -2] - 1) % VOCABULARY)
SHORT = Training(batch_size=5, max_steps=20, evaluate_every=10)
LONG = replace(SHORT, max_steps=500)


def sasrec(key):
    return SASRec(VOCABULARY, width=8, layers=1, length=LENGTH, dropout=0.1, key=key)


def run(how=SHORT, *, rates, seeds, tokens=CYCLES, validation=UPWARDS, **options):
    return train(sasrec, tokens, validation, how, rates=rates, seeds=seeds, **options)


def arrays(learner):
    return jax.tree.leaves(eqx.filter(learner, eqx.is_array))


def largest_difference(left, right):
    pairs = zip(arrays(left), arrays(right), strict=True)
    return max(float(jnp.abs(one - other).max()) for one, other in pairs)


def test_the_same_seeds_give_the_same_runs():
    first, second = (run(rates=[0.01, 0.01], seeds=[3, 4]) for _ in range(2))
    assert largest_difference(first.learners, second.learners) == 0
    np.testing.assert_array_equal(first.losses, second.losses)
    np.testing.assert_array_equal(first.scores, second.scores)
    assert largest_difference(first.run(0), first.run(1)) > 0.01


def test_a_run_does_not_depend_on_its_company():
    together = run(rates=[1e30, 0.01], seeds=[0, 1])
    assert not np.isfinite(together.losses[:, 0]).any()  # as bad as company can be
    alone = run(rates=[0.01], seeds=[1])
    assert alone.best_steps[0] == together.best_steps[1]
    np.testing.assert_allclose(together.losses[:, 1], alone.losses[:, 0], rtol=1e-5)
    assert largest_difference(together.run(1), alone.run(0)) < 1e-4


def test_windows_train_like_the_rows_that_they_stand_for(monkeypatch):
    vocabulary = Vocabulary(tuple("abcdefghijkl"))
    rows = windows(Sequences.from_lists(np.asarray(CYCLES), vocabulary), LENGTH)
    together = run(tokens=jnp.asarray(rows[:]), rates=[0.01, 0.02], seeds=[0, 1])
    gathered = run(tokens=rows, rates=[0.01, 0.02], seeds=[0, 1])
    np.testing.assert_allclose(gathered.losses, together.losses, rtol=1e-6)
    assert largest_difference(gathered.learners, together.learners) < 1e-6
    # Three steps at a time: other dropout, the same batches.
    monkeypatch.setattr(runs, "LARGEST", 3 * 2 * 5 * (LENGTH + 1))
    asked = []
    original = runs.batch_order
    monkeypatch.setattr(
        runs, "batch_order", lambda *a, **k: asked.append(original(*a, **k)) or asked[-1]
    )
    in_portions = run(tokens=rows, rates=[0.01], seeds=[0])
    assert {order.shape for order in asked} == {(6, 5), (4, 5)}
    np.testing.assert_array_equal(
        np.concatenate(asked), original(12, 5, 20, seed=[runs._BATCHES, 0])
    )
    np.testing.assert_allclose(in_portions.losses[:, 0], together.losses[:, 0], rtol=0.1)


@pytest.mark.parametrize("tokens", [CYCLES, jax.nn.one_hot(CYCLES, VOCABULARY)])
def test_a_cycle_is_learned(tokens):
    trained = run(replace(LONG, patience=20), tokens=tokens, rates=[0.02, 0.02], seeds=[0, 1])
    assert trained.best_scores.min() > 0.99
    assert (trained.losses[-1] < trained.losses[0] / 2).all()
    rank = np.asarray(eqx.filter_jit(rank_targets)(trained.run(1), UPWARDS))
    assert ranking_metrics(rank)["ndcg@10"] == pytest.approx(trained.best_scores[1], rel=1e-6)


def test_stops_early_and_keeps_the_best():
    seen = []
    trained = run(
        replace(LONG, patience=3),
        rates=[0.01, 0.01],
        seeds=[0, 1],
        validation=DOWNWARDS,  # gets worse the better the cycle is learned
        on_validation=lambda *told: seen.append(told),
    )
    assert trained.steps.tolist() == list(range(10, 10 * len(trained.steps) + 1, 10))
    assert trained.steps[-1] == trained.best_steps.max() + 3 * 10 < 500
    assert (trained.scores[-1] < trained.best_scores).all()
    np.testing.assert_array_equal(trained.best_scores, trained.scores.max(axis=0))
    np.testing.assert_array_equal(trained.best_steps, trained.steps[trained.scores.argmax(axis=0)])
    kept = validation_scores(trained.learners, DOWNWARDS)
    np.testing.assert_allclose(kept, trained.best_scores, rtol=1e-6)
    steps, losses, scores = zip(*seen, strict=True)
    assert list(steps) == trained.steps.tolist()
    np.testing.assert_array_equal(losses, trained.losses)
    np.testing.assert_array_equal(scores, trained.scores)


def test_no_finite_run_is_an_error():
    with pytest.raises(FloatingPointError, match=r"learning rates \[1e\+30\]; try smaller"):
        run(rates=[1e30, 1e30], seeds=[0, 1])


def test_no_run_is_longer_than_it_may_be():
    trained = run(replace(SHORT, max_steps=14), rates=[0.01], seeds=[0])
    assert trained.steps.tolist() == [10, 14]


@pytest.mark.parametrize("setting", ["batch_size", "max_steps", "evaluate_every", "patience"])
def test_a_training_of_nothing_is_refused(setting):
    with pytest.raises(ValueError, match=f"{setting} is 0; use at least 1"):
        Training(**{setting: 0})


def test_every_run_needs_a_rate_and_a_seed():
    with pytest.raises(ValueError, match="2 rates, 1 seeds"):
        run(rates=[0.01, 0.02], seeds=[0])
