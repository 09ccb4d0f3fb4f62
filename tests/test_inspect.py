"""`farzi inspect`, on data whose content is known."""

import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pytest

from farzi.commands.inspect import draw, entropy, inspect, nearest
from farzi.data import Sequences, Vocabulary
from farzi.distilled import Factored, OwnLabels
from farzi.storage import DistilledData
from farzi.training import LearnerRecipe

LEARNER = LearnerRecipe(steps=30, rate=0.01, eps=1e-4, batch_size=2)
WORDS = ("ant", "bee", "cow", "<b>")
REAL = Sequences.from_lists(
    [np.array(row) for row in ([0, 1, 2], [0, 1, 2], [3, 2, 1], [1, 0, 0])], Vocabulary(WORDS)
)


def sharp(*rows):
    """Latents that give these tokens a probability of nearly one."""
    return Factored(jnp.asarray(20 * np.eye(4, dtype=np.float32)[np.array(rows)]), jnp.eye(4))


def own():
    labels = sharp([1, 2], [2, 1])
    return DistilledData(
        OwnLabels(jnp.array([[0, 1, 2], [3, 2, 1]], jnp.int32), labels), Vocabulary(WORDS), LEARNER
    )


def test_labels_of_their_own_are_told_beside_what_is_read():
    told = inspect(own(), REAL)
    assert "2 sequences of 3 events over 4 tokens" in told
    assert "asked for distilled labels" in told
    assert "rank 4" in told
    lines = [line.split() for line in told.splitlines()]
    assert ["2", "bee", "bee", "100%,", "ant", "0%,", "cow", "0%"] in lines
    assert ["1", "100%", "ant", "bee", "cow"] in lines  # The nearest real sequence.
    assert ["1", "ant", "bee", "cow"] in lines  # Drawn.
    assert ["2", "0.00", "1.0", "100%"] in lines
    # ant is followed by bee twice in the real data and once by ant; in the distilled by bee.
    header = next(line for line in lines if line[:2] == ["real", "/"])
    row = next(line for line in lines if line[0:1] == ["ant"] and "/" in line[-1])
    assert row[1 + header[4:].index("bee")] == "67/100"


def test_soft_sequences_have_no_token_that_is_read():
    data = DistilledData(sharp([0, 1, 2]), Vocabulary(WORDS), LEARNER)
    told = inspect(data, sequences=1, top=1)
    assert "Learners read soft tokens" in told
    assert ["1", "ant", "100%"] in [line.split() for line in told.splitlines()]
    assert "real sequence" not in told


def test_entropy_is_in_bits():
    even = np.full((1, 4), 0.25)
    np.testing.assert_allclose(entropy(np.concatenate([even, np.eye(4)[:1]])), [2, 0])


def test_tokens_are_drawn_as_often_as_they_are_likely():
    distributions = np.tile([0.1, 0.0, 0.6, 0.3], (20_000, 1))
    counts = np.bincount(draw(distributions, np.random.default_rng(0)), minlength=4)
    np.testing.assert_allclose(counts / 20_000, distributions[0], atol=0.015)
    assert counts[1] == 0


def test_the_nearest_real_sequence_has_the_highest_mean_probability():
    generator = np.random.default_rng(0)
    distributions = generator.dirichlet(np.ones(4), size=3)
    means = [distributions[np.arange(3), ids].mean() for ids in REAL]
    ids, mean = nearest(distributions, REAL)
    assert mean == pytest.approx(max(means))
    np.testing.assert_array_equal(ids, REAL[int(np.argmax(means))])
    assert nearest(np.ones((9, 4)) / 4, REAL)[0] is None


def test_data_about_other_tokens_are_refused():
    other = Sequences.from_lists([np.array([0, 1])], Vocabulary(("x", "y")))
    with pytest.raises(ValueError, match="not the same"):
        inspect(own(), other)


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "farzi", "inspect", *arguments], capture_output=True, text=True
    )


def test_the_command(tmp_path):
    own().save(tmp_path / "distilled")
    ran = command(str(tmp_path / "distilled"), "--sequences", "1")
    assert ran.returncode == 0, ran.stderr
    assert "Sequence 1" in ran.stdout
    assert "Sequence 2" not in ran.stdout
    for wrong, message in (
        ([str(tmp_path)], "holds no distilled.safetensors"),
        ([str(tmp_path / "distilled"), "--real", str(tmp_path)], str(tmp_path)),
        ([str(tmp_path / "distilled"), "--real", "flights"], "not the same"),
        ([str(tmp_path / "distilled"), "--top", "0"], "--top is 0"),
    ):
        ran = command(*wrong)
        assert ran.returncode == 1
        assert ran.stderr.startswith("farzi: ")
        assert message in ran.stderr
        assert "Traceback" not in ran.stderr
