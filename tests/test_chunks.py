import jax
import jax.numpy as jnp
import numpy as np
import pytest

from farzi.models import chunks
from farzi.models.chunks import in_chunks

VOCABULARY, WIDTH = 7, 3
TABLE = jax.random.normal(jax.random.key(0), (VOCABULARY, WIDTH))
PLACES = jax.random.normal(jax.random.key(1), (2, 5, WIDTH))


def normaliser(places):
    return jax.nn.logsumexp(places @ TABLE.T, axis=-1)


def mean_row(places):
    return jax.nn.softmax(places @ TABLE.T, axis=-1) @ TABLE


@pytest.mark.parametrize("function", [normaliser, mean_row])
@pytest.mark.parametrize("chunk", [1, 3, 5, 9, 10, 100])
def test_chunks_change_nothing(function, chunk):
    made = jax.jit(lambda x: in_chunks(function, x, vocabulary=VOCABULARY, chunk=chunk))(PLACES)
    np.testing.assert_allclose(made, function(PLACES), rtol=1e-6)


def loops(places, vocabulary):
    """Passes through each loop of the program."""
    program = jax.make_jaxpr(lambda x: in_chunks(mean_row, x, vocabulary=vocabulary))(places)
    return [each.params["length"] for each in program.eqns if each.primitive.name == "scan"]


def test_what_fits_is_left_whole(monkeypatch):
    monkeypatch.setattr(chunks, "FEWEST", 1)
    monkeypatch.setattr(chunks, "LARGEST", 10 * VOCABULARY)
    assert loops(PLACES, VOCABULARY) == []
    assert loops(PLACES, VOCABULARY + 1) == [2]
    assert loops(PLACES, 2 * VOCABULARY) == [2]
    assert loops(PLACES, 5 * VOCABULARY) == [5]
    assert loops(PLACES[:, :0], VOCABULARY) == []


def test_a_chunk_stays_large_enough_to_be_worth_its_while(monkeypatch):
    monkeypatch.setattr(chunks, "LARGEST", 10 * VOCABULARY)
    assert loops(PLACES, 1000 * VOCABULARY) == []
    monkeypatch.setattr(chunks, "FEWEST", 4)
    assert loops(PLACES, 1000 * VOCABULARY) == [3]


def test_no_array_of_all_places_and_the_vocabulary_outlives_a_gradient_or_its_derivative():
    """What the compiler states for ever more places in chunks of one size."""
    vocabulary, width, chunk = 1000, 4, 20

    def working_memory(places):
        def loss(table, latents, decoder):
            mean = in_chunks(
                lambda rows: jax.nn.softmax(rows @ decoder, axis=-1) @ table,
                latents,
                vocabulary=vocabulary,
                chunk=chunk,
            )
            normalisers = in_chunks(
                lambda rows: jax.nn.logsumexp(rows @ table.T, axis=-1),
                jnp.tanh(mean),
                vocabulary=vocabulary,
                chunk=chunk,
            )
            return jnp.sum(normalisers**2)

        def second_order(table, latents, decoder):
            gradient, derivative = jax.linearize(
                lambda table: jax.grad(loss, argnums=(0, 1, 2))(table, latents, decoder), table
            )
            # The direction is known only once the gradient is, as in an inner loop.
            return derivative(jnp.sin(gradient[0]))

        shapes = [(vocabulary, width), (places, width), (width, vocabulary)]
        inputs = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
        program = jax.jit(second_order).lower(*inputs).compile()
        return program.memory_analysis().temp_size_in_bytes

    few, many = 200, 1000
    one_array = 4 * vocabulary * (many - few)
    assert working_memory(many) - working_memory(few) < 0.1 * one_array
