import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from farzi.distilled import Factored, factored, from_noise, from_real
from farzi.models import embed, is_soft
from farzi.models.learner import LatentTokens

VOCABULARY, WIDTH = 30, 16


def table():
    return jax.random.normal(jax.random.key(0), (VOCABULARY, WIDTH))


def real_rows():
    return np.random.default_rng(0).integers(VOCABULARY, size=(6, 9)).astype(np.int32)


def test_probabilities_are_the_softmax_of_the_product():
    factored = Factored(
        jax.random.normal(jax.random.key(1), (2, 3, 4)),
        jax.random.normal(jax.random.key(2), (4, 5)),
        temperature=0.5,
    )
    scores = np.einsum("str,rv->stv", factored.latents, factored.decoder) / 0.5
    wanted = np.exp(scores) / np.exp(scores).sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(factored.probabilities(), wanted, rtol=1e-5)
    assert factored.events == 6


@pytest.mark.parametrize("chunk", [None, 1, 7, 12])
def test_embedding_is_that_of_the_probabilities(chunk):
    noise = from_noise(3, 4, VOCABULARY, rank=8, key=jax.random.key(0))
    wanted = embed(table(), noise.probabilities())
    np.testing.assert_allclose(noise.embed(table(), chunk=chunk), wanted, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(
        embed(table(), noise, chunk=chunk), noise.embed(table(), chunk=chunk)
    )


def test_sequences_can_be_picked():
    noise = from_noise(3, 4, VOCABULARY, rank=8, key=jax.random.key(0))
    assert isinstance(noise, LatentTokens)
    assert is_soft(noise)
    assert len(noise) == 3
    rows = jnp.array([2, 0, 2])
    picked = dataclasses.replace(noise, temperature=0.5)[rows]
    wanted = dataclasses.replace(noise, temperature=0.5).probabilities()[rows]
    np.testing.assert_array_equal(picked.probabilities(), wanted)
    with pytest.raises(TypeError, match="not iterable"):
        iter(noise)


def test_small_probabilities_are_written_out_for_training(monkeypatch):
    noise = from_noise(3, 4, VOCABULARY, rank=8, key=jax.random.key(0))
    monkeypatch.setattr(factored, "LARGEST", 3 * 4 * VOCABULARY)
    np.testing.assert_array_equal(noise.tokens(), noise.probabilities())
    monkeypatch.setattr(factored, "LARGEST", 3 * 4 * VOCABULARY - 1)
    assert noise.tokens() is noise


def test_noise_has_the_shapes_asked_for():
    noise = from_noise(3, 4, 50, rank=8, key=jax.random.key(0))
    assert noise.latents.shape == (3, 4, 8)
    assert noise.decoder.shape == (8, 50)
    probabilities = noise.probabilities()
    assert probabilities.shape == (3, 4, 50)
    np.testing.assert_allclose(probabilities.sum(axis=-1), 1, rtol=1e-5)
    other = from_noise(3, 4, 50, rank=8, key=jax.random.key(1))
    assert not np.allclose(noise.latents, other.latents)


@pytest.mark.parametrize("confidence", [0.3, 0.7, 0.95])
def test_a_real_start_says_the_real_tokens(confidence):
    rows = real_rows()
    start = from_real(rows, table(), rank=12, confidence=confidence)
    probabilities = np.asarray(start.probabilities())
    assert (probabilities.argmax(axis=-1) == rows).mean() == 1
    own = np.take_along_axis(probabilities, rows[..., None], axis=-1)[..., 0]
    _, first = np.unique(rows, return_index=True)
    assert own.reshape(-1)[first].mean() == pytest.approx(confidence, abs=0.01)


def test_a_real_start_in_few_dimensions_says_most_real_tokens():
    rows = real_rows()
    start = from_real(rows, table(), rank=4, confidence=0.5)
    assert start.latents.shape == (6, 9, 4)
    assert start.decoder.shape == (4, VOCABULARY)
    probabilities = start.probabilities()
    assert (np.asarray(probabilities).argmax(axis=-1) == rows).mean() > 0.9


def test_one_direction_of_the_table_is_the_first_to_be_kept():
    direction = jax.random.normal(jax.random.key(3), (WIDTH,))
    signs = jnp.where(jnp.arange(VOCABULARY) % 2 == 0, 1.0, -1.0)
    two_kinds = 0.05 * table() + signs[:, None] * direction[None]
    decoder = from_real(real_rows(), two_kinds, rank=1, confidence=0.04).decoder
    assert (decoder[0, ::2] * decoder[0, 0] > 0).all()
    assert (decoder[0, 1::2] * decoder[0, 0] < 0).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"rank": WIDTH + 1},
            "rank is 17 but the learner's embeddings span only 16.*use a smaller rank",
        ),
        ({"rank": 4, "confidence": 1.0}, "confidence is 1.0, but must lie between chance"),
        ({"rank": 4, "confidence": 0.03}, r"between chance \(1 / 30\) and 1"),
    ],
)
def test_a_real_start_that_does_not_fit(options, message):
    with pytest.raises(ValueError, match=message):
        from_real(real_rows(), table(), **options)


def test_a_real_start_holds_no_padding():
    rows = real_rows()
    rows[0, -1] = -1
    with pytest.raises(ValueError, match="start from full windows only"):
        from_real(rows, table(), rank=4)
