import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toy_log

from farzi.data import Sequences, Vocabulary, leave_last_out, windows
from farzi.evaluation import Arm, evaluate, stored_bytes
from farzi.metrics import Questions
from farzi.training import Training

SPLIT = leave_last_out(toy_log.log())
VALIDATION, TEST = (Questions.of(part, 8) for part in (SPLIT.validation, SPLIT.test))
TRAINING = Training(batch_size=16, max_steps=60, evaluate_every=20, patience=2)


def arm(tokens):
    return Arm("full", tokens, sequences=60, events=600, bytes=1, training=TRAINING)


@pytest.fixture(scope="module")
def outcome():
    rows = windows(SPLIT.train, 8)
    return evaluate(arm(rows), toy_log.sasrec, VALIDATION, TEST, rates=[1e-5, 0.03], seeds=[7, 8])


def test_the_rate_is_chosen_on_validation(outcome):
    assert outcome.rate == 0.03


def test_every_seed_has_its_metrics(outcome):
    assert {name: len(values) for name, values in outcome.metrics.items()} == dict.fromkeys(
        ("hr@10", "hr@100", "ndcg@10", "ndcg@100", "mrr"), 2
    )
    assert min(outcome.metrics["ndcg@10"]) > 0.9


def test_hard_tokens_and_their_one_hot_distributions_train_alike(outcome):
    rows = windows(SPLIT.train, 8)
    soft = evaluate(
        arm(jax.nn.one_hot(rows[:], toy_log.TOKENS)),
        toy_log.sasrec,
        VALIDATION,
        TEST,
        rates=[1e-5, 0.03],
        seeds=[7, 8],
    )
    np.testing.assert_allclose(
        soft.metrics["ndcg@10"], outcome.metrics["ndcg@10"], rtol=0, atol=0.02
    )


def test_progress_is_reported(outcome):
    seen = []
    rows = windows(SPLIT.train, 8)
    evaluate(
        arm(rows),
        toy_log.sasrec,
        VALIDATION,
        TEST,
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

    rows = windows(SPLIT.train, 8)
    with pytest.raises(FloatingPointError, match="no finite score from every start"):
        evaluate(arm(rows), sometimes_broken, VALIDATION, TEST, rates=[0.03, 0.03], seeds=[7, 8])


def test_stored_bytes_grow_with_the_information():
    generator = np.random.default_rng(0)
    vocabulary = Vocabulary(tuple(map(str, range(1000))))
    noise = Sequences.from_lists(generator.integers(1000, size=(100, 50)), vocabulary)
    same = Sequences.from_lists(np.zeros((100, 50), int), vocabulary)
    # 5,000 ids of ten bits; at most the 16 bits that they are written in, and the file's frame.
    assert 5000 * 10 / 8 < stored_bytes(noise) < 5000 * 2 + 2000
    assert stored_bytes(same) < stored_bytes(noise) / 5
