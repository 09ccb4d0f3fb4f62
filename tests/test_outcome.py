"""What came of an arm, in a folder: what is there is not done again."""

import json
import shutil

import jax
import numpy as np
import polars as pl
import pytest
import safetensors.numpy
import toy_log

from farzi.data import leave_last_out
from farzi.evaluation import Outcome, Task, evaluate, full_arm, judge
from farzi.files import write_atomically
from farzi.metrics import ranking_metrics
from farzi.training import Training

TASK = Task.of(leave_last_out(toy_log.log(20)), 8, content="a toy log")
TRAINING = Training(batch_size=16, max_steps=30, evaluate_every=10)
ARM = full_arm(TASK, 8, TRAINING)
RATES, SEEDS = (0.003, 0.03), (7, 8)
FILES = ["learners.safetensors", "outcome.json", "values.parquet"]


def run(folder=None, *, rates=RATES, make=toy_log.bigrams, **options):
    return evaluate(ARM, make, TASK, rates=rates, seeds=SEEDS, folder=folder, **options)


def wider(key):
    learner = toy_log.bigrams(key)
    return toy_log.Bigrams(
        *(jax.random.normal(key, (len(leaf), 8)) for leaf in jax.tree.leaves(learner))
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("outcome") / "full"


@pytest.fixture(scope="module")
def outcome(folder):
    return run(folder)


@pytest.fixture
def copy(outcome, folder, tmp_path):
    """The folder, to be spoilt."""
    return shutil.copytree(folder, tmp_path / "copy")


@pytest.fixture
def untrained(monkeypatch):
    """Whoever trains nevertheless gets an error."""

    def train(*args, **options):
        raise RuntimeError("trained")

    monkeypatch.setattr(judge, "train", train)


def assert_same(one, other, *, seconds=True):
    assert (one.name, one.amount, one.rate) == (other.name, other.amount, other.rate)
    assert one.metrics == other.metrics
    assert set(one.values) == set(other.values)
    for name, values in one.values.items():
        np.testing.assert_array_equal(values, other.values[name])
    for name in ("best_steps", "best_scores", "steps", "scores", "losses"):
        np.testing.assert_array_equal(getattr(one.trained, name), getattr(other.trained, name))
    left, right = (jax.tree.leaves(outcome.trained.learners) for outcome in (one, other))
    for leaf, same in zip(left, right, strict=True):
        assert leaf.dtype == same.dtype
        np.testing.assert_array_equal(leaf, same)
    if seconds:
        assert (one.seconds, one.search_seconds) == (other.seconds, other.search_seconds)


def test_the_folder_holds_the_outcome_and_nothing_of_the_way_there(outcome, folder):
    assert sorted(path.name for path in folder.iterdir()) == FILES
    content = json.loads((folder / "outcome.json").read_text())
    assert content["name"] == "full"
    assert [content[name] for name in ("sequences", "events")] == [20, 200]
    assert content["learning_rate"] == outcome.rate
    frame = pl.read_parquet(folder / "values.parquet")
    assert frame.columns == ["rank_0", "rank_1"]
    assert len(frame) == len(TASK.test)
    for seed in (0, 1):
        wanted = ranking_metrics(frame[f"rank_{seed}"].to_numpy())
        assert {name: each[seed] for name, each in content["metrics"].items()} == wanted
    arrays = safetensors.numpy.load_file(folder / "learners.safetensors")
    assert {name: array.shape for name, array in arrays.items()} == {
        "embedding": (2, toy_log.TOKENS, 6),
        "matrix": (2, 6, 6),
    }


def test_what_is_there_is_not_trained_again(outcome, folder, untrained):
    assert_same(run(folder), outcome)


def test_learners_that_are_read_rank_as_they_did(outcome, folder, untrained):
    again = run(folder)
    assert (again.values["rank"] != again.values["rank"][::-1]).any()
    for seed in (0, 1):
        ranks = TASK.test_values(again.trained.run(seed))["rank"]
        np.testing.assert_array_equal(ranks, outcome.values["rank"][seed])


@pytest.mark.parametrize("of", [None, "theirs"])
def test_an_outcome_is_read_by_what_it_is_of(outcome, tmp_path, of):
    outcome.save(tmp_path / "new", "theirs")
    assert_same(Outcome.load(tmp_path / "new", of, toy_log.bigrams), outcome)
    assert Outcome.load(tmp_path / "new", "another", toy_log.bigrams) is None
    assert Outcome.load(tmp_path / "nowhere", of, toy_log.bigrams) is None


def test_scores_that_are_not_finite_are_read_as_nan(outcome, tmp_path):
    scores, losses = outcome.trained.scores.copy(), outcome.trained.losses.copy()
    scores[0, 1], losses[1, 0] = -np.inf, np.nan
    trained = type(outcome.trained)(
        **(vars(outcome.trained) | {"scores": scores, "losses": losses})
    )
    spoilt = Outcome(**(vars(outcome) | {"trained": trained}))
    spoilt.save(tmp_path, "theirs")
    json.loads((tmp_path / "outcome.json").read_text(), parse_constant=pytest.fail)
    again = Outcome.load(tmp_path, "theirs", toy_log.bigrams).trained
    np.testing.assert_array_equal(again.scores, np.where(np.isfinite(scores), scores, np.nan))
    np.testing.assert_array_equal(again.losses, losses)


@pytest.mark.parametrize(
    "other",
    [
        {"rates": (0.003, 0.02)},
        {"rates": (0.03,)},
        {"rates": RATES[::-1]},
    ],
)
def test_anything_else_is_trained_again(copy, untrained, other):
    with pytest.raises(RuntimeError, match="trained"):
        run(copy, **other)


def test_another_outcome_takes_the_place_of_the_one_before(outcome, copy):
    other = run(copy, rates=(0.001, 0.002))
    assert_same(other, run(rates=(0.001, 0.002)), seconds=False)
    assert other.rate in (0.001, 0.002)
    assert sorted(path.name for path in copy.iterdir()) == FILES
    assert_same(Outcome.load(copy, None, toy_log.bigrams), other)


@pytest.mark.parametrize("after", [1, 4])
def test_an_interrupted_evaluation_goes_on(outcome, tmp_path, after):
    """The search over rates takes three validations, and so do the final runs."""
    steps = []

    def interrupt(step, loss, score):
        steps.append(step)
        if len(steps) == after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, on_progress=interrupt)
    resumed = run(tmp_path, on_progress=lambda step, *_: steps.append(step))
    assert_same(resumed, outcome, seconds=False)
    assert steps == [10, 20, 30, 40, 50, 60]
    assert sorted(path.name for path in tmp_path.iterdir()) == FILES


def cut(path, share=0.5):
    """Without its end."""
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])


def without_a_column(path):
    pl.read_parquet(path).drop("rank_1").write_parquet(path)


def without_an_array(path):
    arrays = safetensors.numpy.load_file(path)
    del arrays["matrix"]
    safetensors.numpy.save_file(arrays, path)


def as_text(path):
    path.write_text("something else")


def without(key):
    def change(path):
        content = json.loads(path.read_text())
        del content[key]
        path.write_text(json.dumps(content))

    return change


def empty_list(path):
    path.write_text("[]")


def unlink(path):
    path.unlink()


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        *((name, damage) for name in FILES for damage in (cut, as_text)),
        ("values.parquet", unlink),
        ("values.parquet", without_a_column),
        ("learners.safetensors", unlink),
        ("learners.safetensors", without_an_array),
        ("outcome.json", without("best_steps")),
        pytest.param(
            "outcome.json",
            without("metrics"),
        ),
        pytest.param(
            "outcome.json",
            without("losses"),
        ),
        pytest.param(
            "outcome.json",
            empty_list,
        ),
    ],
)
def test_a_damaged_folder_is_refused_by_its_name(copy, untrained, name, damage):
    damage(copy / name)
    with pytest.raises(ValueError, match=r"is damaged .*; delete it, and it is made again") as told:
        run(copy)
    assert str(copy) in str(told.value)


def test_learners_of_other_sizes_are_refused(copy, untrained):
    with pytest.raises(ValueError, match=r"is damaged \(.*12, 6\], where .*12, 8\] is needed"):
        Outcome.load(copy, None, wider)
    with pytest.raises(RuntimeError, match="trained"):
        run(copy, make=wider)


def test_a_folder_without_its_last_file_is_made_again(copy, untrained):
    (copy / "outcome.json").unlink()
    with pytest.raises(RuntimeError, match="trained"):
        run(copy)


def test_an_outcome_that_was_half_replaced_is_not_read_as_the_old_one(outcome, copy, monkeypatch):
    """As if the power failed between two files of another outcome."""

    def failing(path, content):
        if path.name == "outcome.json":
            raise KeyboardInterrupt
        write_atomically(path, content)

    with monkeypatch.context() as patched:
        patched.setattr("farzi.evaluation.outcome.write_atomically", failing)
        with pytest.raises(KeyboardInterrupt):
            run(copy, rates=(0.001, 0.002))
    assert_same(run(copy), outcome, seconds=False)
