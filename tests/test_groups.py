import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toy_log

from farzi.data import leave_last_out
from farzi.evaluation import Task, evaluate, full_arm, groups, judge
from farzi.hypergradients.budget import program_bytes
from farzi.models import GRU4Rec, SASRec
from farzi.planning.machine import Memory
from farzi.training import Runs, Training, runs

TASK = Task.of(leave_last_out(toy_log.log()), 8)
TRAINING = Training(batch_size=16, max_steps=60, evaluate_every=20, patience=1)


def compare(folder=None):
    arm = full_arm(TASK, 8, TRAINING)
    rates, seeds = [0.01, 0.03, 0.1], [1, 2, 3]
    return evaluate(arm, toy_log.sasrec, TASK, rates=rates, seeds=seeds, folder=folder)


def test_groups_come_to_what_all_together_do(monkeypatch, tmp_path):
    together = compare()
    asked = []
    monkeypatch.setattr(judge, "fitting", lambda *_: 2)
    original = judge.train
    monkeypatch.setattr(
        judge, "train", lambda *a, **k: asked.append(k["seeds"]) or original(*a, **k)
    )
    apart = compare(tmp_path)
    assert [len(seeds) for seeds in asked] == [2, 1, 2, 1]
    assert apart.rate == together.rate
    np.testing.assert_allclose(apart.values["rank"], together.values["rank"], atol=2)
    # Each group stops by itself; what is missing then is NaN.
    both = min(len(apart.trained.scores), len(together.trained.scores))
    np.testing.assert_allclose(
        apart.trained.scores[:both], together.trained.scores[:both], atol=0.05
    )
    assert apart.trained.learners.embedding.shape[0] == 3
    assert {path.name for path in tmp_path.iterdir()} == {
        "outcome.json",
        "learners.safetensors",
        "values.parquet",
    }


@pytest.mark.parametrize(("left", "wanted"), [(None, 5), (10**15, 5), (1, 1)])
def test_as_many_as_fit(monkeypatch, left, wanted):
    memory = None if left is None else Memory(left, "left here")
    monkeypatch.setattr(groups, "available_memory", lambda: memory)
    arm = full_arm(TASK, 8, TRAINING)
    assert groups.fitting(toy_log.sasrec, arm.tokens, TRAINING, 5) == wanted
    needed = groups.estimated_bytes(toy_log.sasrec, arm.tokens, TRAINING)
    monkeypatch.setattr(groups, "available_memory", lambda: Memory(int(7 * needed), "left here"))
    assert groups.fitting(toy_log.sasrec, arm.tokens, TRAINING, 5) == 3


@pytest.mark.parametrize("kind", [SASRec, GRU4Rec])
def test_the_estimate_is_near_what_the_compiler_says(kind):
    def make(key):
        length = {"length": 40} if kind is SASRec else {}
        return kind(900, width=32, layers=2, key=key, **length)

    training = Training(batch_size=48)
    tokens = jnp.zeros((100, 41), jnp.int32)
    start = Runs.start(make, training, rates=[0.1], seeds=[0])
    order = jnp.zeros((1, 2, 48), jnp.int32)
    keys = jax.random.split(jax.random.key(0), 1)
    lowered = runs._train_chunk.lower(
        start.learners, start.memories, start.rates, tokens, order, keys, training
    )
    stated = program_bytes(lowered.compile().compiled)
    estimate = groups.estimated_bytes(make, tokens, training)
    assert 0.5 < estimate / stated < 3
