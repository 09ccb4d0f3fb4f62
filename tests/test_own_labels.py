"""Real inputs with distilled labels: start, loss, hypergradient, distillation, storage."""

import dataclasses
import json

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import safetensors
import safetensors.numpy
import toy_log
import toy_problem as toy

from farzi.data import Vocabulary, leave_last_out, windows
from farzi.distillation import MetaMatching, Recipe, distill
from farzi.distilled import Factored, OwnLabels, from_teacher
from farzi.hypergradients import StoreStates
from farzi.losses import next_token_loss
from farzi.models import logits
from farzi.storage import TENSORS, DistilledData, load
from farzi.training import LearnerRecipe

SPLIT = leave_last_out(toy_log.log())
RECIPE = dataclasses.replace(toy_log.RECIPE, labels="own", start="real")


def teacher(width=8):
    """With weights so large that what it expects is far from even."""
    learner = toy_log.sasrec(jax.random.key(0))
    return eqx.tree_at(lambda one: one.embedding, learner, 3 * learner.embedding)


def ids():
    rows = windows(SPLIT.train, 4)
    return rows[rows.full[:5]]


def expected():
    return np.asarray(logits(teacher(), jnp.asarray(ids()[:, :-1])), np.float64)


def test_at_full_rank_the_start_is_what_the_teacher_expects():
    start = from_teacher(ids(), teacher(), rank=8)
    wanted = jax.nn.softmax(expected(), axis=-1)
    np.testing.assert_allclose(start.labels.probabilities(), wanted, atol=2e-5)
    np.testing.assert_array_equal(start.inputs, ids())
    latents, decoder = np.abs(start.labels.latents).mean(), np.abs(start.labels.decoder).mean()
    assert latents == pytest.approx(decoder, rel=1e-4)


def test_at_a_lower_rank_it_is_the_best_in_weighted_squares():
    """Against the singular values of the scores, written out."""
    scores = expected().reshape(-1, toy_log.TOKENS)
    likely = np.exp(scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)).mean(axis=0)
    wanted = (scores - (scores @ likely)[:, None]) * np.sqrt(likely)
    sizes = np.linalg.svd(wanted, compute_uv=False)
    for rank in (1, 3):
        start = from_teacher(ids(), teacher(), rank=rank)
        reached = np.asarray(start.labels.latents @ start.labels.decoder).reshape(
            wanted.shape
        ) * np.sqrt(likely)
        error = np.sum((reached - wanted) ** 2)
        assert error == pytest.approx(np.sum(sizes[rank:] ** 2), rel=1e-3)


def test_more_numbers_than_the_teacher_has_are_refused():
    with pytest.raises(ValueError, match=r"rank is 9 .* only 8"):
        from_teacher(ids(), teacher(), rank=9)


def labelled(mask=None):
    factors = [jax.random.normal(jax.random.key(i), shape) for i, shape in enumerate(((3, 4, 2),))]
    decoder = jax.random.normal(jax.random.key(9), (2, toy_log.TOKENS))
    return OwnLabels(jnp.asarray(ids()[:3]), Factored(*factors, decoder, loss_mask=mask))


def test_the_loss_is_cross_entropy_with_the_labels():
    data, learner = labelled(), teacher()
    scores = jax.nn.log_softmax(logits(learner, data.inputs[:, :-1]))
    wanted = -jnp.mean(jnp.sum(data.labels.probabilities() * scores, axis=-1))
    for by_latents in (False, True):
        loss = next_token_loss(learner, data.tokens(by_latents=by_latents), chunk=5)
        assert float(loss) == pytest.approx(float(wanted), rel=1e-5)


def test_labels_that_are_left_out_do_not_count():
    mask = jnp.asarray(np.random.default_rng(0).integers(2, size=(3, 4)), bool)
    data, learner = labelled(mask), teacher()
    scores = jax.nn.log_softmax(logits(learner, data.inputs[:, :-1]))
    losses = -jnp.sum(data.labels.probabilities() * scores, axis=-1)
    wanted = jnp.sum(jnp.where(mask, losses, 0)) / float(mask.sum())
    for by_latents in (False, True):
        loss = next_token_loss(learner, data.tokens(by_latents=by_latents))
        assert float(loss) == pytest.approx(float(wanted), rel=1e-5)


def test_what_is_taught_begins_with_the_first_token():
    taught = np.asarray(labelled().probabilities())
    assert taught.shape == (3, 5, toy_log.TOKENS)
    np.testing.assert_allclose(taught.sum(axis=-1), 1, rtol=1e-5)
    np.testing.assert_array_equal(taught[:, 0].argmax(axis=-1), ids()[:3, 0])


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("by_latents", [False, True])
def test_gradient_is_the_central_difference(by_latents):
    optimizer = optax.adam(0.02, eps=1e-4, eps_root=1e-8)
    starts = eqx.filter_vmap(toy_log.bigrams)(jax.random.split(jax.random.key(0), 1))
    order = jnp.array([[[0, 1], [2, 0], [1, 1]]])
    real = jnp.asarray(ids()[None])
    data = labelled()

    def objective(labels):
        match = MetaMatching(optimizer, 3, StoreStates(), by_latents=by_latents)
        return match(OwnLabels(data.inputs, labels), starts, order, real)

    matched = eqx.filter_jit(objective)(data.labels)
    assert isinstance(matched.gradient, OwnLabels)
    _, numeric, rounding = toy.central_differences(lambda one: objective(one).loss, data.labels)
    norm = float(optax.tree.norm(numeric))
    assert rounding < 1e-6 * norm
    assert toy.distance(matched.gradient.labels, numeric) < rounding + 1e-6 * norm


@pytest.fixture(scope="module")
def outcome():
    return distill(SPLIT.train, SPLIT.validation, toy_log.sasrec, RECIPE, teacher=teacher(), seed=3)


def test_distillation_moves_labels_and_leaves_inputs(outcome):
    losses = [step.loss for step in outcome.history]
    assert np.mean(losses[-3:]) < np.mean(losses[:3]) - 0.1
    rows = {tuple(row) for row in windows(SPLIT.train, RECIPE.length)[:]}
    assert {tuple(row) for row in np.asarray(outcome.data.factors.inputs)} <= rows


@pytest.mark.parametrize("numbers", ["int8", "float16"])
def test_what_is_loaded_is_what_was_saved(outcome, tmp_path, numbers):
    data = dataclasses.replace(outcome.data, numbers=numbers)
    data.save(tmp_path)
    loaded = load(tmp_path)
    assert loaded.numbers == numbers
    np.testing.assert_array_equal(loaded.factors.inputs, data.factors.inputs)
    for name, axes in (("latents", (0, 1)), ("decoder", (1,))):
        saved, found = (np.asarray(getattr(one.soft, name)) for one in (data, loaded))
        largest = np.abs(saved).max(axis=axes, keepdims=True)
        allowed = 0.5001 * largest / 127 if numbers == "int8" else 2**-11 * largest
        assert (np.abs(found - saved) <= allowed).all()
    before = (tmp_path / TENSORS).read_bytes()
    assert loaded.bytes == len(before)
    loaded.save(tmp_path)
    assert (tmp_path / TENSORS).read_bytes() == before


def test_int8_takes_half_the_bytes():
    latents, decoder = jnp.ones((50, 40, 8)), jnp.zeros((8, 500))
    data = DistilledData(
        Factored(latents, decoder), Vocabulary(tuple(map(str, range(500)))), LEARNER, "int8"
    )
    half = dataclasses.replace(data, numbers="float16")
    assert half.bytes - data.bytes == pytest.approx(50 * 40 * 8 + 8 * 500, rel=0.01)


LEARNER = LearnerRecipe(steps=30, rate=0.01, eps=1e-4, batch_size=7)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"inputs": np.full((4, 5), 12, np.uint8)}, "inputs of uint8"),
        ({"inputs": np.zeros((4, 4), np.uint8)}, "inputs of uint8"),
        ({"inputs": np.zeros((4, 5), np.float32)}, "inputs of float32"),
        ({"latents_scale": None}, "latents_scale of shape None"),
        ({"decoder_scale": np.ones(3, np.float32)}, r"decoder_scale of shape \(3,\)"),
        ({"decoder_scale": np.full(4, np.nan, np.float32)}, "not finite"),
        ({"latents": np.zeros((4, 4, 4), np.float16)}, "float16 and int8"),
        ({"latents": np.zeros((4, 4, 4), np.float64)}, "float64 and int8"),
    ],
)
def test_what_does_not_fit_is_refused(outcome, tmp_path, changed, message):
    outcome.data.save(tmp_path)
    with safetensors.safe_open(tmp_path / TENSORS, framework="numpy") as file:
        about = file.metadata()
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    arrays = {name: array for name, array in (arrays | changed).items() if array is not None}
    assert json.loads(about["farzi"])["format"] == 3
    (tmp_path / TENSORS).write_bytes(safetensors.numpy.save(arrays, about))
    with pytest.raises(ValueError, match=message):
        load(tmp_path)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"start": "noise"}, "no start from noise"),
        ({"confidence": 0.7}, "confidence is set"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Recipe(**settings)
