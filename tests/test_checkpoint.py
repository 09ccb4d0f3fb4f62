"""Trainings that were interrupted and go on, bit for bit as if they had not been."""

import struct
from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toy_log

from farzi.data import Sequences, Vocabulary, windows
from farzi.metrics import Questions
from farzi.training import Checkpoint, Training, train

VOCABULARY, LENGTH = 12, 4
# Each row counts upwards from its number, and begins again after the last token.
CYCLES = (jnp.arange(VOCABULARY)[:, None] + jnp.arange(LENGTH + 1)[None]) % VOCABULARY
DOWNWARDS = Questions(CYCLES[:, :-1], (CYCLES[:, -2] - 1) % VOCABULARY)
TRAINING = Training(batch_size=5, max_steps=14, evaluate_every=4)
# The third comes to no finite score, so that it stays as it was at the start.
RATES, SEEDS = (0.02, 0.1, 1e30), (4, 5, 6)


class Dropping(toy_log.Bigrams):
    """The smallest learner with dropout."""

    dropout: eqx.nn.Dropout

    def __call__(self, embedded, *, key=None):
        return self.dropout(embedded, key=key, inference=key is None) @ self.matrix


def dropping(key, width=6):
    table, matrix = jax.random.split(key)
    return Dropping(
        jax.random.normal(table, (VOCABULARY, width)),
        jax.random.normal(matrix, (width, width)),
        eqx.nn.Dropout(0.3),
    )


def wider(key):
    return dropping(key, 8)


def run(make=dropping, training=TRAINING, tokens=CYCLES, **options):
    return train(make, tokens, DOWNWARDS, training, rates=RATES, seeds=SEEDS, **options)


def interrupt_after(count):
    """As if someone pressed Ctrl-C right after that many validations."""

    def on_validation(step, losses, scores):
        nonlocal count
        count -= 1
        if not count:
            raise KeyboardInterrupt

    return on_validation


def interrupted(checkpoint, after=2, **options):
    with pytest.raises(KeyboardInterrupt):
        run(checkpoint=checkpoint, on_validation=interrupt_after(after), **options)


def assert_same(one, other):
    """Bit for bit, NaN included."""
    for name in ("best_steps", "best_scores", "steps", "scores", "losses"):
        left, right = getattr(one, name), getattr(other, name)
        assert left.dtype == right.dtype
        np.testing.assert_array_equal(left, right)
    left, structure = jax.tree.flatten(one.learners)
    right, same_structure = jax.tree.flatten(other.learners)
    assert structure == same_structure
    for leaf, same in zip(left, right, strict=True):
        np.testing.assert_array_equal(leaf, same)


@pytest.fixture(scope="module")
def undisturbed():
    return run()


@pytest.fixture
def checkpoint(tmp_path):
    return Checkpoint(tmp_path / "new" / "state.safetensors", "these data, this learner")


def test_the_undisturbed_run_has_all_that_could_be_lost(undisturbed):
    assert undisturbed.steps.tolist() == [4, 8, 12, 14]
    assert undisturbed.best_steps[2] == 0
    assert undisturbed.best_scores[2] == -np.inf
    assert not np.isfinite(undisturbed.losses[:, 2]).any()
    # One run is at its best before an interruption, and one after.
    assert min(undisturbed.best_steps[:2]) <= 8 < max(undisturbed.best_steps[:2])
    without = run(training=replace(TRAINING, dropout=False))
    assert np.abs(without.losses[:, :2] - undisturbed.losses[:, :2]).min() > 1e-4


@pytest.mark.parametrize("after", [1, 2, 3, 4])
def test_an_interrupted_training_goes_on_as_if_nothing_had_been(undisturbed, checkpoint, after):
    interrupted(checkpoint, after)
    seen = []
    resumed = run(checkpoint=checkpoint, on_validation=lambda *told: seen.append(told))
    assert_same(resumed, undisturbed)
    assert [step for step, _, _ in seen] == [4, 8, 12, 14][after:]
    for (_, losses, scores), place in zip(seen, range(after, 4), strict=True):
        np.testing.assert_array_equal(losses, undisturbed.losses[place])
        np.testing.assert_array_equal(scores, undisturbed.scores[place])


def test_a_training_may_be_interrupted_again_and_again(undisturbed, checkpoint):
    for _ in range(3):
        interrupted(checkpoint, 1)
    assert_same(run(checkpoint=checkpoint), undisturbed)


def test_a_checkpoint_changes_nothing_but_the_file(undisturbed, checkpoint):
    kept = run(checkpoint=checkpoint)
    assert_same(kept, undisturbed)
    assert list(checkpoint.path.parent.iterdir()) == [checkpoint.path]


def test_patience_is_counted_from_before_the_interruption(checkpoint):
    impatient = replace(TRAINING, max_steps=100, evaluate_every=2, patience=3)
    whole = run(training=impatient)
    assert 3 <= len(whole.steps) < 50
    interrupted(checkpoint, len(whole.steps) - 1, training=impatient)
    assert_same(run(training=impatient, checkpoint=checkpoint), whole)


def test_real_sequences_go_on_likewise(checkpoint):
    vocabulary = Vocabulary(tuple("abcdefghijkl"))
    rows = windows(Sequences.from_lists(np.asarray(CYCLES), vocabulary), LENGTH)
    interrupted(checkpoint, tokens=rows)
    assert_same(run(tokens=rows, checkpoint=checkpoint), run(tokens=rows))


def test_wall_time_counts_from_before_the_interruption(checkpoint):
    interrupted(checkpoint, 1)
    _, arrays = checkpoint.load(({},))
    assert 0 < arrays["seconds"] < 100
    checkpoint.save(({},), arrays | {"seconds": np.array(arrays["seconds"] + 1000)})
    assert 1000 < run(checkpoint=checkpoint).seconds < 1100


def test_another_training_begins_afresh(undisturbed, checkpoint):
    interrupted(Checkpoint(checkpoint.path, "other data"), 3)
    steps = []
    fresh = run(checkpoint=checkpoint, on_validation=lambda step, *_: steps.append(step))
    assert steps == [4, 8, 12, 14]
    assert_same(fresh, undisturbed)


def test_another_training_need_not_even_fit(undisturbed, checkpoint):
    Checkpoint(checkpoint.path, "another learner").save(({"weight": jnp.ones(3)},), {})
    assert_same(run(checkpoint=checkpoint), undisturbed)


def test_a_learner_of_other_sizes_is_refused(checkpoint):
    interrupted(checkpoint)
    with pytest.raises(ValueError, match=r"does not fit the learner.*delete it") as caught:
        run(make=wider, checkpoint=checkpoint)
    assert str(checkpoint.path) in str(caught.value)
    assert "float32 [3, 12, 6], where float32 [3, 12, 8] is needed" in str(caught.value)


def test_another_number_of_runs_is_refused(checkpoint):
    interrupted(checkpoint)
    with pytest.raises(ValueError, match="does not fit the learner"):
        train(
            dropping,
            CYCLES,
            DOWNWARDS,
            TRAINING,
            rates=[0.02],
            seeds=[3],
            checkpoint=checkpoint,
        )


def header_of(raw):
    """Where it lies, by the format's description: a length in eight bytes, then JSON."""
    (size,) = struct.unpack("<Q", raw[:8])
    return range(8, 8 + size)


def assert_damaged(checkpoint, raw):
    checkpoint.path.write_bytes(raw)
    with pytest.raises(ValueError, match="delete it, and the training begins again") as caught:
        run(checkpoint=checkpoint)
    assert str(checkpoint.path) in str(caught.value)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Bytes of a checkpoint."""
    checkpoint = Checkpoint(tmp_path_factory.mktemp("kept") / "state", "these data, this learner")
    interrupted(checkpoint)
    return checkpoint.path.read_bytes()


@pytest.mark.parametrize("share", [0, 1e-3, 0.05, 0.3, 0.999])
def test_a_truncated_file_is_refused_by_its_name(checkpoint, kept, share):
    checkpoint.path.parent.mkdir()
    assert_damaged(checkpoint, kept[: int(share * len(kept))])


def test_a_file_with_something_behind_is_refused_by_its_name(checkpoint, kept):
    checkpoint.path.parent.mkdir()
    assert_damaged(checkpoint, kept + b"\0")


@pytest.mark.parametrize(
    "where",
    [
        "{",
        '"F32"',
        "shape",
        "data_offsets",
        "0.embedding",
        "1.0.count",
        pytest.param(
            "best_scores",
        ),
        pytest.param(
            "seconds",
        ),
    ],
)
def test_a_flipped_bit_in_the_header_is_refused_by_its_name(checkpoint, kept, where):
    checkpoint.path.parent.mkdir()
    place = kept.index(where.encode()) + len(where) // 2
    assert place in header_of(kept)
    assert_damaged(checkpoint, flipped(kept, place, 1))


def flipped(raw, place, bit):
    changed = bytearray(raw)
    changed[place] ^= 1 << bit
    return bytes(changed)


def test_no_flipped_bit_of_a_header_gives_other_weights(tmp_path):
    """It is an error that names the file, or nothing, or what was saved."""
    checkpoint = Checkpoint(tmp_path / "state.safetensors", "these")
    trees = ({"weight": jnp.arange(6.0).reshape(2, 3), "count": jnp.array([3, 4])}, jnp.eye(2))
    checkpoint.save(trees, {})
    raw, errors = checkpoint.path.read_bytes(), 0
    for place in (*range(8), *header_of(raw)):
        for bit in (place % 8, (place + 5) % 8):
            checkpoint.path.write_bytes(flipped(raw, place, bit))
            try:
                loaded = checkpoint.load(trees)
            except ValueError as error:
                told, loaded = str(error), None
                errors += 1
            else:
                told = str(checkpoint.path)
            assert str(checkpoint.path) in told
            for one, same in zip(jax.tree.leaves(loaded), jax.tree.leaves(trees), strict=False):
                np.testing.assert_array_equal(one, same)
    assert errors > 0.9 * 2 * len(header_of(raw))


def test_what_is_kept_is_read_again(tmp_path):
    checkpoint = Checkpoint(tmp_path / "state.safetensors", "these")
    assert checkpoint.load(({},)) is None
    trees = ({"weight": jnp.arange(6.0), "rate": 0.5}, [jnp.array([True, False])])
    checkpoint.save(trees, {"steps": np.array([1, 2]), "scores": np.array([np.nan, -np.inf])})
    like = jax.tree.map(lambda leaf: leaf if isinstance(leaf, float) else ~leaf.astype(bool), trees)
    with pytest.raises(ValueError, match=r"0\.weight is float32"):
        checkpoint.load(like)
    like = ({"weight": jnp.zeros(6), "rate": 0.25}, [jnp.array([False, False])])
    (weights, flags), arrays = checkpoint.load(like)
    np.testing.assert_array_equal(weights["weight"], np.arange(6.0))
    np.testing.assert_array_equal(flags[0], [True, False])
    assert weights["rate"] == 0.25  # Is no array, so that it is not kept.
    assert set(arrays) == {"steps", "scores"}
    np.testing.assert_array_equal(arrays["steps"], [1, 2])
    np.testing.assert_array_equal(arrays["scores"], [np.nan, -np.inf])
    assert Checkpoint(checkpoint.path, "those").load(like) is None
