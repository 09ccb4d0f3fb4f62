"""Only what the loss mask says is asked for: by loss, inner loop, outer loss, and metrics."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import toy_log
import toy_problem as toy

from farzi import storage
from farzi.data import Cuts, Sequences, Vocabulary, leave_last_out, windows
from farzi.distillation import MetaMatching, distill
from farzi.distilled import Factored
from farzi.hypergradients import StoreStates
from farzi.losses import next_token_loss
from farzi.metrics import Questions, Text, language, language_metrics
from farzi.models import Masked, hard_tokens, logits
from farzi.training import Training, train

TOKENS = Vocabulary(tuple("abcdefghijkl"))


def conversations(count=40, seed=0):
    """Five random tokens, which cannot be learned, then the first of them counted upwards."""
    rng = np.random.default_rng(seed)
    prompts = rng.integers(toy_log.TOKENS, size=(count, 5))
    answers = (prompts[:, -1:] + np.arange(1, 5)) % toy_log.TOKENS
    ids = np.concatenate([prompts, answers], axis=1).astype(np.int32)
    return Sequences.from_offsets(
        ids.reshape(-1), 9 * np.arange(count + 1), TOKENS, np.tile(np.arange(9) >= 5, count)
    )


def masked(kind):
    generator = np.random.default_rng(0)
    ids = jnp.asarray(generator.integers(toy_log.TOKENS, size=(3, 6)))
    mask = jnp.asarray(generator.random((3, 6)) < 0.4)
    if kind == "hard":
        return Masked(ids.at[2, 4:].set(-1), mask)
    latents, decoder = generator.normal(size=(3, 6, 2)), generator.normal(size=(2, toy_log.TOKENS))
    factored = Factored(jnp.asarray(latents), jnp.asarray(decoder), loss_mask=mask)
    return factored.tokens(by_latents=kind == "latents")


def distributions(tokens):
    """The tokens without their mask, as distributions."""
    if isinstance(tokens, Factored):
        return tokens.probabilities()
    inner = tokens.tokens
    return inner if inner.ndim == 3 else jax.nn.one_hot(inner, toy_log.TOKENS)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("kind", ["hard", "soft", "latents"])
def test_the_loss_is_the_mean_over_what_is_asked_for(kind):
    learner, tokens = toy_log.bigrams(jax.random.key(0)), masked(kind)
    soft = np.asarray(distributions(tokens), np.float64)
    scores = jax.nn.log_softmax(logits(learner, jnp.asarray(soft))[:, :-1])
    losses = -np.sum(soft[:, 1:] * scores, axis=-1)
    asked = np.asarray(tokens.loss_mask)[:, 1:] & (soft[:, 1:].sum(axis=-1) > 0)
    assert 3 < asked.sum() < asked.size
    wanted = float(losses[asked].mean())
    assert float(next_token_loss(learner, tokens)) == pytest.approx(wanted, rel=1e-12)
    assert float(next_token_loss(learner, tokens, chunk=4)) == pytest.approx(wanted, rel=1e-12)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("by_latents", [False, True])
def test_the_hypergradient_knows_the_masks(by_latents):
    generator = np.random.default_rng(1)
    mask = jnp.asarray([[False, False, True, True], [False, True, True, False]])
    data = Factored(
        jnp.asarray(generator.normal(size=(2, 4, 2))),
        jnp.asarray(generator.normal(size=(2, toy_log.TOKENS))),
        loss_mask=mask,
    )
    starts = eqx.filter_vmap(toy_log.bigrams)(jax.random.split(jax.random.key(0), 1))
    order = jnp.zeros((1, 3, 2), jnp.int32).at[:, :, 1].set(1)
    sequences = conversations(2)
    real = jax.tree.map(lambda leaf: leaf[None], hard_tokens(windows(sequences, 8), np.arange(2)))
    objective = eqx.filter_jit(
        MetaMatching(optax.adam(0.02, **toy.ADAM), 3, StoreStates(), by_latents=by_latents)
    )

    def loss(moved):
        factored = Factored(moved[0], moved[1], loss_mask=mask)
        return objective(factored, starts, order, real).loss

    gradient = objective(data, starts, order, real).gradient
    assert gradient.loss_mask is None
    _, numeric, rounding = toy.central_differences(loss, (data.latents, data.decoder))
    norm = float(jnp.linalg.norm(numeric[0]) + jnp.linalg.norm(numeric[1]))
    difference = toy.distance((gradient.latents, gradient.decoder), numeric)
    assert difference < rounding + 1e-6 * norm


def test_windows_carry_the_mask_and_leave_out_rows_that_ask_nothing():
    rows = windows(conversations(3), 3)
    assert len(rows) == 3 * 2  # Of three rows each, the first lies within the prompt.
    mask = rows.loss_mask(slice(None))
    np.testing.assert_array_equal(mask[0::2], np.tile([False, False, False, True], (3, 1)))
    assert mask[1::2].all()
    assert windows(toy_log.log(), 3).loss_mask(slice(None)) is None


def test_prompts_are_not_learned():
    """Trained alike but for the mask, only the learner without it knows what prompts look like."""
    sequences = conversations()
    same_prompts = np.array(sequences.values).reshape(-1, 9)
    same_prompts[:, :4] = 7
    sequences = dataclasses.replace(sequences, values=same_prompts.reshape(-1))
    split = leave_last_out(sequences)
    questions = Questions.of(split.validation, 8)
    training = Training(batch_size=16, max_steps=150, evaluate_every=150)

    def losses(sequences):
        rows = windows(sequences, 8)
        learner = train(toy_log.sasrec, rows, questions, training, rates=[0.03], seeds=[0]).run(0)
        prompts = dataclasses.replace(
            sequences, loss_mask=np.tile(np.arange(9) < 4, len(sequences))
        )
        return [
            language_metrics(learner, Text.of(asked, 8))["loss"] for asked in (split.train, prompts)
        ]

    answers, prompts = losses(split.train)
    answers_too, prompts_learned = losses(dataclasses.replace(split.train, loss_mask=None))
    assert answers < 0.3
    assert answers_too < 0.3
    assert prompts > 2
    assert prompts_learned < 0.1


def test_distilled_conversations_keep_the_mask_of_what_they_start_from(tmp_path):
    split = leave_last_out(conversations())
    recipe = dataclasses.replace(
        toy_log.RECIPE, length=6, start="real", outer_steps=2, validate_every=2
    )
    teacher = toy_log.sasrec(jax.random.key(0))
    outcome = distill(split.train, split.validation, toy_log.sasrec, recipe, teacher=teacher)
    mask = np.asarray(outcome.data.factors.loss_mask)
    # Rows are cut from the ends, so each holds the last five of the prompt and two asked for.
    np.testing.assert_array_equal(mask, np.tile([False] * 5 + [True] * 2, (4, 1)))
    outcome.data.save(tmp_path / "distilled")
    loaded = storage.load(tmp_path / "distilled")
    np.testing.assert_array_equal(loaded.factors.loss_mask, mask)
    tokens = loaded.tokens()
    assert isinstance(tokens, Masked)
    np.testing.assert_array_equal(tokens.loss_mask, mask)


def test_perplexity_counts_tokens_and_not_batches(monkeypatch):
    sequences = dataclasses.replace(conversations(7), loss_mask=None)
    learner = toy_log.bigrams(jax.random.key(0))
    text = Text.of(sequences, 5, stride=5)
    whole = language_metrics(learner, text)
    assert whole["tokens"] == 7 * 8
    for batch in (1, 5, 100):
        monkeypatch.setattr(language, "BATCH", batch)
        jax.clear_caches()
        assert language_metrics(learner, text) == pytest.approx(whole, rel=1e-6)
        assert -float(text.score(learner)) == pytest.approx(whole["loss"], rel=1e-5)
    assert whole["loss"] == pytest.approx(
        float(_mean_loss(learner, windows(sequences, 8))), rel=1e-5
    )
    assert whole["perplexity"] == pytest.approx(np.exp(whole["loss"]))
    asked = language_metrics(learner, Text.of(conversations(7), 5))
    assert asked["tokens"] == 7 * 4


def _mean_loss(learner, rows):
    return next_token_loss(learner, hard_tokens(rows, np.arange(len(rows))))


def test_nothing_to_predict_and_broken_learners_are_refused():
    learner = toy_log.bigrams(jax.random.key(0))
    with pytest.raises(ValueError, match="no token is asked for"):
        Text.of(conversations(2).trim(8), 5)
    broken = eqx.tree_at(lambda one: one.matrix, learner, learner.matrix * jnp.nan)
    with pytest.raises(ValueError, match="not finite; train with a smaller"):
        language_metrics(broken, Text.of(conversations(2), 5))


def test_parts_are_what_is_held_out():
    sequences = conversations(3)
    cuts = Cuts(sequences.ends - [0, 9, 4], sequences.ends - [0, 9, 1])
    assert [len(ids) for ids in cuts.part(sequences, "validation")] == [3]
    assert [len(ids) for ids in cuts.part(sequences, "test")] == [9, 1]


def test_a_mask_has_one_entry_for_each_value():
    sequences = conversations(2)
    with pytest.raises(ValueError, match="3 entries for 18 values"):
        dataclasses.replace(sequences, loss_mask=np.ones(3, bool))


def test_a_start_from_noise_asks_for_every_place():
    split = leave_last_out(conversations())
    recipe = dataclasses.replace(toy_log.RECIPE, outer_steps=1, validate_every=1)
    outcome = distill(split.train, split.validation, toy_log.sasrec, recipe)
    assert outcome.data.factors.loss_mask is None
