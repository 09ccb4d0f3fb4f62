"""Dense and Tucker data: what they start from, what learners read, and how they are stored."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy
import toy_log

from farzi.data import leave_last_out
from farzi.distillation import Recipe, distill
from farzi.distilled import Dense, Factored, OwnLabels, Tucker, from_noise, reparametrised
from farzi.losses import next_token_loss
from farzi.storage import TENSORS, load

SPLIT = leave_last_out(toy_log.log())
TUCKER = {"parametrisation": "tucker", "sequence_rank": 3, "time_rank": 2}
KINDS = [({"parametrisation": "dense"}, Dense), (TUCKER, Tucker)]


def start(mask=None):
    data = from_noise(4, 5, toy_log.TOKENS, rank=3, key=jax.random.key(0))
    return Factored(data.latents, data.decoder, 0.5, mask)


def test_dense_data_are_the_same_distributions():
    np.testing.assert_allclose(
        Dense.of(start()).probabilities(), start().probabilities(), rtol=1e-5
    )


def test_tucker_with_all_components_is_the_same():
    whole = Tucker.of(start(), 4, 5)
    np.testing.assert_allclose(whole.probabilities(), start().probabilities(), rtol=1e-4)
    sizes = [
        float(jnp.sqrt(jnp.mean(part**2)))
        for part in (whole.core, whole.sequence_factors, whole.time_factors)
    ]
    assert sizes == pytest.approx([sizes[0]] * 3, rel=1e-4)


def test_tucker_with_fewer_is_near():
    """Of latents that have that many, it is exact; otherwise no worse than the tail it leaves."""
    latents = np.asarray(start().latents / 0.5)
    cut = Tucker.of(start(), 3, 4)
    missed = np.sum((np.asarray(cut.latents) - latents) ** 2)
    tails = [
        np.sum(np.linalg.svd(unfolded, compute_uv=False)[kept:] ** 2)
        for unfolded, kept in (
            (latents.reshape(4, -1), 3),
            (latents.swapaxes(0, 1).reshape(5, -1), 4),
        )
    ]
    assert max(tails) <= missed * (1 + 1e-4)
    assert missed <= sum(tails) * (1 + 1e-4)
    exact = Tucker.of(cut.factored(), 3, 4)
    np.testing.assert_allclose(exact.latents, cut.latents, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("sequences", "time", "name"), [(5, 5, "sequence"), (4, 6, "time")])
def test_tucker_cannot_have_more_components_than_there_are(sequences, time, name):
    with pytest.raises(ValueError, match=f"{name}_rank is . but there are only .; lower it"):
        Tucker.of(start(), sequences, time)


@pytest.mark.parametrize(("settings", "kind"), KINDS)
@pytest.mark.parametrize("masked", [False, True])
def test_learners_read_them(settings, kind, masked):
    mask = jnp.arange(20).reshape(4, 5) % 3 > 0 if masked else None
    data = reparametrised(start(mask), **settings)
    assert isinstance(data, kind)
    assert len(data) == 4
    assert (data.events, data.vocabulary) == (20, toy_log.TOKENS)
    whole = Factored(jnp.log(data.probabilities()), jnp.eye(toy_log.TOKENS), loss_mask=mask)
    learner = toy_log.bigrams(jax.random.key(1))
    wanted = float(next_token_loss(learner, whole.tokens()))
    for by_latents in (False, True, None):
        loss = next_token_loss(learner, data.tokens(by_latents=by_latents))
        assert float(loss) == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize(("settings", "kind"), KINDS)
@pytest.mark.parametrize("labels", ["next", "own"])
@pytest.mark.parametrize("numbers", ["float16", "int8"])
def test_distilled_stored_and_loaded(tmp_path, settings, kind, labels, numbers):
    start = "real" if labels == "own" else "noise"
    recipe = dataclasses.replace(
        toy_log.RECIPE, outer_steps=2, numbers=numbers, labels=labels, start=start, **settings
    )
    outcome = distill(
        SPLIT.train,
        SPLIT.validation,
        toy_log.bigrams,
        recipe,
        teacher=toy_log.bigrams(jax.random.key(2)),
    )
    outcome.data.save(tmp_path)
    loaded = load(tmp_path)
    assert isinstance(loaded.soft, kind)
    assert isinstance(loaded.factors, OwnLabels) == (labels == "own")
    assert loaded.numbers == numbers
    np.testing.assert_allclose(
        loaded.probabilities(),
        outcome.data.probabilities(),
        atol=0.05 if numbers == "int8" else 0.01,
    )
    assert loaded.stored() == (tmp_path / TENSORS).read_bytes()


@pytest.mark.parametrize(
    ("settings", "name", "shape"),
    [
        ({"parametrisation": "dense"}, "logits", (4, 5, toy_log.TOKENS + 1)),
        (TUCKER, "core", (3, 2, 5)),
        (TUCKER, "sequence_factors", (4, 2)),
        (TUCKER, "time_factors", (5,)),
    ],
)
def test_shapes_that_do_not_fit_are_refused(tmp_path, settings, name, shape):
    recipe = dataclasses.replace(toy_log.RECIPE, outer_steps=1, numbers="float16", **settings)
    outcome = distill(SPLIT.train, SPLIT.validation, toy_log.bigrams, recipe)
    outcome.data.save(tmp_path)
    file = tmp_path / TENSORS
    with safetensors.safe_open(file, framework="numpy") as opened:
        arrays = {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118
        about = opened.metadata()
    arrays[name] = np.zeros(shape, np.float16)
    file.write_bytes(safetensors.numpy.save(arrays, about))
    with pytest.raises(ValueError, match="do not fit each other"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"parametrisation": "tucker", "time_rank": 2}, "sequence_rank is not set"),
        ({"time_rank": 2}, "time_rank is set, but is for"),
        ({"parametrisation": "dense", "sequence_rank": 2}, "sequence_rank is set, but"),
    ],
)
def test_ranks_are_for_tucker(settings, message):
    with pytest.raises(ValueError, match=message):
        Recipe(**settings)
