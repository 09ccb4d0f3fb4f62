import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toy_log

from farzi.data import Sequences, Vocabulary, leave_last_out
from farzi.evaluation import Task, evaluate, full_arm, stored_bytes, subset_arm
from farzi.training import Training

TASK = Task.of(leave_last_out(toy_log.log()), 8)
TRAINING = Training(batch_size=16, max_steps=60, evaluate_every=20, patience=2)
FULL = full_arm(TASK, 8, TRAINING)


@pytest.fixture(scope="module")
def outcome():
    return evaluate(FULL, toy_log.sasrec, TASK, rates=[1e-5, 0.03], seeds=[7, 8])


def test_the_full_arm_is_all_that_may_be_learned_from():
    assert (FULL.name, FULL.kind) == ("full", "full")
    assert (FULL.amount.sequences, FULL.amount.events) == (60, 600)
    assert FULL.amount.bytes == stored_bytes(TASK.train)
    rows = FULL.tokens[:]
    assert rows.shape == (120, 9)
    assert (rows >= 0).sum() - len(rows) == 60 * 9  # Each event but the first is asked for once.


def test_the_rate_is_chosen_on_validation(outcome):
    assert outcome.rate == 0.03


def test_every_seed_has_its_metrics(outcome):
    assert {name: len(values) for name, values in outcome.metrics.items()} == dict.fromkeys(
        ("hr@10", "hr@100", "ndcg@10", "ndcg@100", "mrr"), 2
    )
    assert min(outcome.metrics["ndcg@10"]) > 0.9


def test_hard_tokens_and_their_one_hot_distributions_train_alike(outcome):
    one_hot = jax.nn.one_hot(FULL.tokens[:], toy_log.TOKENS)
    soft = evaluate(
        dataclasses.replace(FULL, tokens=one_hot),
        toy_log.sasrec,
        TASK,
        rates=[1e-5, 0.03],
        seeds=[7, 8],
    )
    np.testing.assert_allclose(
        soft.metrics["ndcg@10"], outcome.metrics["ndcg@10"], rtol=0, atol=0.02
    )


def test_progress_is_reported(outcome):
    seen = []
    evaluate(
        FULL,
        toy_log.sasrec,
        TASK,
        rates=[1e-5, 0.03],
        seeds=[7, 8],
        on_progress=lambda *told: seen.append(told),
    )
    steps, losses, scores = zip(*seen, strict=True)
    # The search over rates, then the final runs, of at most 60 steps each.
    assert steps[:3] == (20, 40, 60)
    assert steps[3:] == (80, 100, 120)[: len(steps) - 3]
    assert losses[2] < losses[0]
    assert all(0 <= score <= 1 for score in scores)


def test_a_start_that_never_gave_a_finite_score_is_an_error():
    """The search succeeds, but one seed of the final runs starts from broken weights."""

    def sometimes_broken(key):
        learner = toy_log.sasrec(key)
        first = jax.random.key_data(key) == jax.random.key_data(jax.random.key(7))
        factor = jnp.where(jnp.all(first), jnp.nan, 1.0)
        return eqx.tree_at(lambda one: one.embedding, learner, learner.embedding * factor)

    with pytest.raises(FloatingPointError, match="no finite score from every start"):
        evaluate(FULL, sometimes_broken, TASK, rates=[0.03, 0.03], seeds=[7, 8])


def test_stored_bytes_grow_with_the_information():
    generator = np.random.default_rng(0)
    vocabulary = Vocabulary(tuple(map(str, range(1000))))
    noise = Sequences.from_lists(generator.integers(1000, size=(100, 50)), vocabulary)
    same = Sequences.from_lists(np.zeros((100, 50), int), vocabulary)
    # 5,000 ids of ten bits; at most the 16 bits that they are written in, and the file's frame.
    assert 5000 * 10 / 8 < stored_bytes(noise) < 5000 * 2 + 2000
    assert stored_bytes(same) < stored_bytes(noise) / 5


def test_a_task_is_described_by_all_that_decides_on_it():
    others = [
        Task.of(leave_last_out(toy_log.log()), 8),
        Task.of(leave_last_out(toy_log.log()), 7),
        Task.of(leave_last_out(toy_log.log()), 8, leave_out_seen=True),
        Task.of(leave_last_out(toy_log.log(seed=1)), 8),
    ]
    assert len({task.content for task in others}) == 4
    assert Task.of(leave_last_out(toy_log.log()), 8).content == others[0].content


def test_soft_labels_of_another_teacher_are_other_data():
    teachers = [toy_log.sasrec(jax.random.key(seed)) for seed in (0, 1)]
    task = Task.of(leave_last_out(toy_log.log()), 8)
    arms = [
        subset_arm(kind, task, 5, 4, TRAINING, teacher=teacher)
        for kind in ("random", "random-soft")
        for teacher in teachers
    ]
    hard, same, soft, other = (arm.content for arm in arms)
    assert hard == same
    assert len({hard, soft, other}) == 3
