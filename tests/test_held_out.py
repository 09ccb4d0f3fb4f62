"""A token that is planted in the held-out events is never met by anything that learns."""

import dataclasses

import jax
import numpy as np
import polars as pl
import pytest
import toy_log

import farzi
from farzi.data import PADDING, Sequences, leave_last_out, windows
from farzi.distillation import distill
from farzi.distillation.pool import expert_pool
from farzi.metrics import Questions
from farzi.training import Training, runs, train

PLANTED = toy_log.TOKENS - 1
RECIPE = dataclasses.replace(
    toy_log.RECIPE, start="real", outer_steps=2, validate_every=2, validation_runs=1
)
TRAINING = Training(batch_size=16, max_steps=20, evaluate_every=20)


def planted(places):
    """The log with the planted token at these places from the end of every sequence."""
    log = toy_log.log()
    lists = np.array(list(log)) % PLANTED
    for place in places:
        lists[:, -place] = PLANTED
    return leave_last_out(Sequences.from_lists(lists, log.vocabulary))


def same(left, right):
    for one, other in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.fixture
def met(monkeypatch):
    """Every real token that training or distillation turned into an array."""
    seen = []
    for module in (runs, farzi.distillation.outer_loop):
        original = module.hard_tokens

        def spy(rows, which, original=original):
            tokens = original(rows, which)
            seen.append(np.unique(tokens))
            return tokens

        monkeypatch.setattr(module, "hard_tokens", spy)
    return seen


def test_training_pool_and_distillation_meet_neither_validation_nor_test_events(met):
    split = planted([1, 2])
    questions = Questions.of(split.validation, 8)
    rows = windows(split.train, 8)
    teacher = train(toy_log.sasrec, rows, questions, TRAINING, rates=[0.01], seeds=[0]).run(0)
    pool = expert_pool(toy_log.sasrec, rows, TRAINING, rate=0.01, trajectories=1, share=0.5)
    distill(split.train, split.validation, toy_log.sasrec, RECIPE, teacher=teacher, pool=pool)
    assert len(met) >= 2 + RECIPE.outer_steps
    assert set(np.concatenate(met)) <= {PADDING, *range(PLANTED)}


def test_the_test_events_change_nothing():
    def outcome(places):
        split = planted(places)
        return distill(split.train, split.validation, toy_log.sasrec, RECIPE, seed=1)

    one, other = outcome([1]), outcome([])
    same(one.data.factors, other.data.factors)
    assert one.history == other.history


def test_the_validation_events_choose_and_do_nothing_else():
    def trained(places):
        split = planted(places)
        questions = Questions.of(split.validation, 8)
        rows = windows(split.train, 8)
        return train(toy_log.sasrec, rows, questions, TRAINING, rates=[0.01], seeds=[0])

    one, other = trained([2]), trained([])
    same(one.learners, other.learners)
    assert one.best_scores != other.best_scores


@pytest.mark.parametrize("split", ["last", "time", "sequences", "position"])
def test_prepared_training_sequences_hold_no_held_out_event(tmp_path, split):
    rng = np.random.default_rng(0)
    users, times = np.repeat(np.arange(20), 10), np.arange(200) % 10
    log = pl.DataFrame(
        {"user": users, "item": rng.integers(9, size=200), "time": times + 1_600_000_000}
    )
    options = farzi.SplitOptions(split=split)
    farzi.prepare(log, split=options).save(tmp_path / "first")
    first = farzi.load_prepared(tmp_path / "first")
    # The same log again, with a token of its own wherever the first was held out.
    held_out = np.ones(200, bool)
    for start, end in zip(first.sequences.starts, first.cuts.train, strict=True):
        held_out[start:end] = False
    assert 0 < held_out.sum() < 200
    items = log["item"].cast(pl.String).to_numpy().copy()
    items[held_out] = "planted"
    farzi.prepare(log.with_columns(pl.Series("item", items)), split=options).save(
        tmp_path / "second"
    )
    second = farzi.load_prepared(tmp_path / "second")
    token = second.sequences.vocabulary.tokens.index("planted")
    assert np.sum(second.sequences.flat() == token) == held_out.sum()
    assert token not in windows(second.split.train, 4)[:]
    assert token not in second.split.train.flat()
