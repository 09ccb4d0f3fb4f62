"""The objective against central differences of training written out in the test, in float64."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import toy_problem as toy

from farzi.distillation import MetaMatching
from farzi.distilled import LARGEST, Factored
from farzi.hypergradients import Checkpointed, StoreStates
from farzi.hypergradients.budget import program_bytes
from farzi.losses import next_token_loss
from farzi.models import SASRec

pytestmark = pytest.mark.usefixtures("x64")

VOCABULARY, TIME, STEPS, STARTS = 6, 4, 5, 2
OPTIMIZER = optax.adam(0.02, eps=1e-4, eps_root=1e-8)


def sasrec(key):
    return SASRec(VOCABULARY, width=4, layers=1, length=TIME, key=key)


@functools.cache
def starts():
    return eqx.filter_vmap(sasrec)(jax.random.split(jax.random.key(0), STARTS))


def distilled():
    """36 numbers: three sequences of four soft tokens."""
    latents, decoder = jax.random.split(jax.random.key(1))
    return Factored(
        jax.random.normal(latents, (3, TIME, 2)),
        jax.random.normal(decoder, (2, VOCABULARY)),
        temperature=0.7,
    )


def order():
    """Two of the three sequences in each step, or one of them twice."""
    rows = [[0, 1], [2, 0], [1, 1], [0, 2], [1, 0]]
    return jnp.array([rows, rows[::-1]])


def real():
    """Real sequences for each start, the last one short."""
    tokens = np.random.default_rng(0).integers(VOCABULARY, size=(STARTS, 3, TIME + 1))
    tokens[:, -1, 3:] = -1
    return jnp.array(tokens)


def end_loss(params, fixed, data, order, real):
    """Real loss of one learner after training on the distilled data."""

    def loss(params, tokens):
        return next_token_loss(eqx.combine(params, fixed), tokens)

    def step(carry, rows):
        params, memory = carry
        probabilities = jax.nn.softmax(data.latents @ data.decoder / data.temperature)
        gradient = jax.grad(loss)(params, probabilities[rows])
        updates, memory = OPTIMIZER.update(gradient, memory, params)
        return (optax.apply_updates(params, updates), memory), None

    (params, _), _ = jax.lax.scan(step, (params, OPTIMIZER.init(params)), order)
    return loss(params, real)


def mean_end_loss(data):
    params, fixed = eqx.partition(starts(), eqx.is_array)

    def one(params, order, real):
        return end_loss(params, fixed, data, order, real)

    return jnp.mean(jax.vmap(one)(params, order(), real()))


def match(adjoint, learners, clip=None, **options):
    objective = MetaMatching(OPTIMIZER, STEPS, adjoint, clip, **options)
    return eqx.filter_jit(objective)(distilled(), learners, order(), real())


def test_gradient_is_the_central_difference():
    matched = match(StoreStates(), starts())
    loss, numeric, rounding = toy.central_differences(mean_end_loss, distilled())
    norm = float(optax.tree.norm(numeric))
    assert float(matched.loss) == pytest.approx(loss, rel=1e-12)
    assert isinstance(matched.gradient, Factored)
    assert rounding < 1e-6 * norm
    assert toy.distance(matched.gradient, numeric) < rounding + 1e-6 * norm


class Bigrams(eqx.Module):
    """The smallest learner: the next token depends on this one only."""

    embedding: jax.Array
    matrix: jax.Array

    def __call__(self, embedded, *, key=None):
        return embedded @ self.matrix


@pytest.mark.parametrize("chunk", [None, 5])
def test_by_latents_the_gradient_is_the_same(chunk):
    by_probabilities = match(StoreStates(), starts(), by_latents=False)
    by_latents = match(StoreStates(), starts(), by_latents=True, chunk=chunk)
    assert float(by_latents.loss) == pytest.approx(float(by_probabilities.loss), rel=1e-12)
    assert isinstance(by_latents.gradient, Factored)
    assert toy.relative_error(by_latents.gradient, by_probabilities.gradient) < 1e-10
    assert toy.relative_error(by_latents.adjoint_norms, by_probabilities.adjoint_norms) < 1e-10


def shapes(sequences, time, vocabulary, *, width, rank, steps, real):
    """Of what a hypergradient of one start reads, in float32."""

    def of(*shape, dtype=jnp.float32):
        return jax.ShapeDtypeStruct(shape, dtype)

    data = jax.eval_shape(Factored, of(sequences, time, rank), of(rank, vocabulary))
    learners = Bigrams(of(1, vocabulary, width), of(1, width, width))
    order = of(1, steps, sequences, dtype=jnp.int32)
    return data, learners, order, of(1, *real, dtype=jnp.int32)


def test_the_size_of_the_probabilities_decides():
    def program(vocabulary):
        inputs = shapes(3, TIME, vocabulary, width=4, rank=2, steps=STEPS, real=(3, TIME + 1))
        return str(jax.make_jaxpr(MetaMatching(OPTIMIZER, STEPS, StoreStates()))(*inputs))

    largest = LARGEST // (3 * TIME)
    assert f"f32[3,{TIME},{largest}]" in program(largest)
    assert f"f32[3,{TIME},{largest + 1}]" not in program(largest + 1)


def compiled(sequences, time, vocabulary, *, steps, adjoint, chunk=None):
    """A program of the size of real ones; nothing is run."""
    objective = MetaMatching(OPTIMIZER, steps, adjoint, chunk=chunk, by_latents=True)
    inputs = shapes(sequences, time, vocabulary, width=64, rank=16, steps=steps, real=(64, 51))
    return jax.jit(objective).lower(*inputs).compile()


def test_memory_does_not_grow_by_the_vocabulary_for_each_token():
    vocabulary, few, many = 2000, 5, 25

    def needed(sequences):
        return program_bytes(
            compiled(sequences, 20, vocabulary, steps=2, adjoint=StoreStates(), chunk=50)
        )

    one_array = 4 * (many - few) * 20 * vocabulary
    # Hidden states and latents do grow, by a few hundred numbers a token and not by 2,000.
    assert needed(many) - needed(few) < 0.5 * one_array


def test_a_vocabulary_of_50_000():
    """50 x 50 soft tokens to be predicted; benchmarks/large_vocabulary.py really runs it."""
    assert program_bytes(compiled(50, 51, 50_000, steps=20, adjoint=Checkpointed())) < 4e9


def test_strategy_and_clip_reach_the_inner_loops():
    tables, matrices = jax.random.split(jax.random.key(2))
    learners = Bigrams(
        jax.random.normal(tables, (STARTS, VOCABULARY, 4)),
        jax.random.normal(matrices, (STARTS, 4, 4)),
    )
    exact = match(StoreStates(), learners)
    clip = float(exact.adjoint_norms.min()) / 2
    clipped = match(Checkpointed(), learners, clip)
    assert float(clipped.loss) == pytest.approx(float(exact.loss), rel=1e-12)
    assert float(optax.tree.norm(clipped.gradient)) < float(optax.tree.norm(exact.gradient))
    # The last step is the first to be taken back, so nothing has been clipped before it.
    assert exact.adjoint_norms.shape == (STEPS,)
    assert float(clipped.adjoint_norms[-1]) == pytest.approx(float(exact.adjoint_norms[-1]))
    assert float(clipped.adjoint_norms[0]) != pytest.approx(float(exact.adjoint_norms[0]))
