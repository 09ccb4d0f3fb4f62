import json
import math
from dataclasses import asdict

import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

from farzi.data import Vocabulary
from farzi.distilled import Factored
from farzi.files import write_atomically
from farzi.storage import TENSORS, VOCABULARY, DistilledData, load
from farzi.training import LearnerRecipe

LEARNER = LearnerRecipe(steps=30, rate=0.01, eps=1e-4, batch_size=7)


def distilled(temperature=0.5):
    generator = np.random.default_rng(0)
    latents = generator.normal(size=(2, 3, 4)).astype(np.float32)
    decoder = generator.normal(size=(4, 5)).astype(np.float32)
    factors = Factored(jnp.asarray(latents), jnp.asarray(decoder), temperature)
    return DistilledData(factors, Vocabulary(("a", "b", "ä", "<script>", "e f")), LEARNER)


def test_what_is_loaded_is_what_was_saved_in_half_precision(tmp_path):
    data = distilled()
    data.save(tmp_path / "new" / "folder")
    loaded = load(tmp_path / "new" / "folder")
    assert loaded.vocabulary == data.vocabulary
    assert loaded.factors.temperature == 0.5
    assert loaded.learner == LEARNER
    assert loaded.factors.latents.dtype == jnp.float32
    np.testing.assert_array_equal(
        loaded.factors.latents, np.asarray(data.factors.latents).astype(np.float16)
    )
    np.testing.assert_allclose(loaded.probabilities(), data.probabilities(), atol=5e-3)


def test_bytes_are_those_of_the_file(tmp_path):
    data = distilled()
    data.save(tmp_path)
    assert data.bytes == (tmp_path / TENSORS).stat().st_size


def test_saving_again_changes_nothing(tmp_path):
    data = distilled()
    data.save(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    load(tmp_path).save(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_numbers_that_float16_cannot_hold_are_refused_before_anything_is_written(tmp_path):
    factors = Factored(jnp.full((1, 2, 3), 1e6), jnp.ones((3, 5)))
    data = DistilledData(factors, distilled().vocabulary, LEARNER)
    with pytest.raises(ValueError, match=r"beyond 65504.*outer_rate"):
        data.save(tmp_path / "out")
    assert not list(tmp_path.rglob("*.safetensors"))


@pytest.mark.parametrize("name", [TENSORS, VOCABULARY])
def test_a_missing_file_is_named(tmp_path, name):
    distilled().save(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(FileNotFoundError, match=name):
        load(tmp_path)


@pytest.mark.parametrize("name", [TENSORS, VOCABULARY])
@pytest.mark.parametrize("content", [b"", b"\xff\xfe nonsense", b"{"])
def test_a_damaged_file_is_refused(tmp_path, name, content):
    distilled().save(tmp_path)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match="damaged"):
        load(tmp_path)


@pytest.mark.parametrize("tokens", [["a"], {"a": 1}, [1, 2, 3, 4, 5], ["a", "a", "b", "c", "d"]])
def test_a_vocabulary_that_does_not_fit_is_refused(tmp_path, tokens):
    distilled().save(tmp_path)
    (tmp_path / VOCABULARY).write_text(json.dumps(tokens))
    with pytest.raises(ValueError, match=r"fit|list of tokens|twice"):
        load(tmp_path)


def tensors(about, latents=1.0):
    arrays = {"latents": np.full((1, 2, 3), latents), "decoder": np.ones((3, 5))}
    arrays = {name: array.astype(np.float16) for name, array in arrays.items()}
    return safetensors.numpy.save(arrays, {"farzi": json.dumps(about)})


def test_a_later_format_is_refused_by_name(tmp_path):
    distilled().save(tmp_path)
    (tmp_path / TENSORS).write_bytes(tensors({"format": 99, "temperature": 1.0}))
    with pytest.raises(ValueError, match="format 99"):
        load(tmp_path)


@pytest.mark.parametrize("about", [[], "format", {}, {"temperature": 1.0}])
def test_tensors_of_another_program_are_refused(tmp_path, about):
    distilled().save(tmp_path)
    (tmp_path / TENSORS).write_bytes(tensors(about))
    with pytest.raises(ValueError, match="reads formats up to 3"):
        load(tmp_path)


@pytest.mark.parametrize("temperature", [0, -1, math.nan, math.inf, "warm", None])
def test_an_impossible_temperature_is_refused(tmp_path, temperature):
    distilled().save(tmp_path)
    (tmp_path / TENSORS).write_bytes(tensors({"format": 1, "temperature": temperature}))
    with pytest.raises(ValueError, match="temperature"):
        load(tmp_path)


@pytest.mark.parametrize("learner", [None, 3, {"steps": 30}, asdict(LEARNER) | {"rate": "fast"}])
def test_a_training_that_is_not_stated_in_full_is_refused(tmp_path, learner):
    distilled().save(tmp_path)
    about = {"format": 1, "temperature": 1.0, "learner": learner}
    (tmp_path / TENSORS).write_bytes(tensors(about))
    with pytest.raises(ValueError, match=r"states the (steps|rate) "):
        load(tmp_path)


def test_data_and_vocabulary_have_to_fit():
    with pytest.raises(ValueError, match="5 tokens but the vocabulary has 2"):
        DistilledData(distilled().factors, Vocabulary(("a", "b")), LEARNER)


def test_numbers_that_are_not_finite_are_refused(tmp_path):
    distilled().save(tmp_path)
    (tmp_path / TENSORS).write_bytes(tensors({"format": 1, "temperature": 1.0}, math.nan))
    with pytest.raises(ValueError, match="not finite"):
        load(tmp_path)


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file"
    write_atomically(path, b"old")
    with pytest.raises(TypeError):
        write_atomically(path, "no bytes")  # pyright: ignore[reportArgumentType]
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
