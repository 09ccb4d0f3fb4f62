"""Trajectory and gradient matching, against central differences of the plain loss."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import toy_log
import toy_problem as toy

from farzi.data import leave_last_out
from farzi.distillation import Recipe, distill
from farzi.distillation.gradient_matching import GradientMatching, angle
from farzi.distillation.pool import Pool, expert_pool
from farzi.distillation.trajectory_matching import TrajectoryMatching, relative_distance
from farzi.distilled import from_noise
from farzi.hypergradients import StoreStates
from farzi.losses import next_token_loss
from farzi.training import Training

STEPS = 4
OPTIMIZERS = {
    "adam": optax.adam(0.02, eps=1e-4, eps_root=1e-8),
    "sgd": optax.sgd(0.1, momentum=0.9),
}


@pytest.fixture
def setting(x64):
    """Data, two starts, two other learners, rows and real tokens."""
    data = from_noise(3, 5, toy_log.TOKENS, rank=2, key=jax.random.key(0))
    starts, targets = (
        eqx.filter_vmap(toy_log.bigrams)(jax.random.split(jax.random.key(seed), 2))
        for seed in (1, 2)
    )
    rng = np.random.default_rng(0)
    order = jnp.asarray(rng.integers(3, size=(2, STEPS, 2)))
    real = jnp.asarray(rng.integers(toy_log.TOKENS, size=(2, 6, 5)))
    return data, starts, targets, order, real


def one(stacked, index):
    return jax.tree.map(lambda leaf: leaf[index], stacked)


def trained(optimizer, start, tokens, rows):
    """A training loop without anything of the library but the loss."""
    memory = optimizer.init(start)
    for step in rows:
        gradient = jax.grad(next_token_loss)(start, tokens[step])
        updates, memory = optimizer.update(gradient, memory, start)
        start = optax.apply_updates(start, updates)
    return start


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_trajectory_matching_is_the_derivative_of_the_distance(setting, name):
    data, starts, targets, order, _ = setting
    optimizer = OPTIMIZERS[name]

    def far(data):
        shares = []
        for index in range(2):
            start, target = one(starts, index), one(targets, index)
            end = trained(optimizer, start, data.probabilities(), order[index])
            ends, begins, aims = (
                jnp.concatenate([leaf.ravel() for leaf in jax.tree.leaves(learner)])
                for learner in (end, start, target)
            )
            shares.append(jnp.sum((ends - aims) ** 2) / jnp.sum((begins - aims) ** 2))
        return (shares[0] + shares[1]) / 2

    objective = TrajectoryMatching(optimizer, STEPS, StoreStates())
    matched = eqx.filter_jit(objective)(data, starts, order, targets)
    loss, numeric, rounding = toy.central_differences(far, data)
    norm = float(optax.tree.norm(numeric))
    assert float(matched.loss) == pytest.approx(float(loss), rel=1e-10)
    assert toy.distance(matched.gradient, numeric) < rounding + 1e-6 * norm


def test_distance_is_none_at_the_target_and_one_at_the_start(setting):
    _, starts, targets, _, _ = setting
    stretch = one(starts, 0), one(targets, 0)
    assert float(relative_distance(stretch[0], stretch)) == pytest.approx(1)
    assert float(relative_distance(stretch[1], stretch)) == 0


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_gradient_matching_is_the_derivative_where_it_stands(setting, name):
    """Of the mean angle at the points on the way, with these points as they are."""
    data, starts, _, order, real = setting
    optimizer, whole = OPTIMIZERS[name], data.probabilities()
    points = [
        [trained(optimizer, one(starts, index), whole, order[index][:step]) for step in (0, 2)]
        for index in range(2)
    ]

    def apart(data):
        found = []
        for index in range(2):
            for learner in points[index]:
                pulls = [
                    jax.tree.leaves(jax.grad(next_token_loss)(learner, tokens))
                    for tokens in (data.probabilities(), real[index])
                ]
                for ours, theirs in zip(*pulls, strict=True):
                    sizes = jnp.linalg.norm(ours) * jnp.linalg.norm(theirs)
                    found.append(1 - jnp.vdot(ours, theirs) / sizes)
        return sum(found) / len(found)

    objective = GradientMatching(optimizer, STEPS, matches=2)
    matched = eqx.filter_jit(objective)(data, starts, order, real)
    loss, numeric, rounding = toy.central_differences(apart, data)
    norm = float(optax.tree.norm(numeric))
    assert float(matched.loss) == pytest.approx(float(loss), rel=1e-10)
    assert toy.distance(matched.gradient, numeric) < rounding + 1e-6 * norm


def test_an_angle_knows_no_length(x64):
    gradient = {"table": jnp.arange(1.0, 7).reshape(2, 3), "bias": jnp.array([2.0, -1.0])}
    assert float(angle(gradient, optax.tree.scale(3.0, gradient))) == pytest.approx(0, abs=1e-12)
    assert float(angle(gradient, optax.tree.scale(-0.1, gradient))) == pytest.approx(2)


def test_a_stretch_stays_within_one_run():
    checkpoints = expert_pool(
        toy_log.bigrams,
        jnp.asarray(np.tile(np.arange(9) % toy_log.TOKENS, (8, 1))),
        Training(max_steps=6, evaluate_every=2),
        rate=0.01,
        trajectories=2,
        share=0.0,
        with_start=True,
    )
    tables = np.asarray(checkpoints.checkpoints.embedding)
    assert len(tables) == 2 * 4  # Two runs; the start and after 2, 4 and 6 steps.
    starts, targets = checkpoints.stretches(64, 2, jax.random.key(0))
    where = [
        [int(np.argmax((tables == table).all(axis=(1, 2)))) for table in np.asarray(one.embedding)]
        for one in (starts, targets)
    ]
    assert set(where[0]) == {0, 1, 2, 3}
    assert [start + 4 for start in where[0]] == where[1]
    with pytest.raises(ValueError, match="5 checkpoints; give a pool of longer runs"):
        checkpoints.stretches(1, 4, jax.random.key(0))
    with pytest.raises(ValueError, match="2 checkpoints; give a pool"):
        Pool(toy_log.bigrams).stretches(1, 1, jax.random.key(0))


@pytest.mark.parametrize(
    "settings",
    [
        {"objective": "gradient-matching"},
        {"objective": "trajectory-matching", "expert_steps": 24, "expert_every": 6},
        {"inner_optimizer": "sgd", "inner_rate": 0.1},
    ],
)
def test_every_objective_is_lowered(settings):
    recipe = dataclasses.replace(toy_log.RECIPE, outer_steps=30, **settings)
    split = leave_last_out(toy_log.log())
    outcome = distill(split.train, split.validation, toy_log.bigrams, recipe)
    losses = [step.loss for step in outcome.history]
    assert np.mean(losses[-5:]) < np.mean(losses[:5])


def test_starts_may_be_experts():
    split = leave_last_out(toy_log.log())
    first = []
    for share in (0.0, 1.0):
        recipe = dataclasses.replace(
            toy_log.RECIPE, outer_steps=1, expert_share=share, expert_steps=60, expert_every=30
        )
        outcome = distill(split.train, split.validation, toy_log.bigrams, recipe)
        first.append(outcome.history[0].loss)
    assert first[1] < first[0] - 0.5


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"expert_share": 1.5}, "a number from 0 to 1"),
        ({"objective": "trajectory-matching", "expert_share": 0.5}, "leave it out"),
        ({"objective": "trajectory-matching", "expert_stretch": 11}, "fewer checkpoints; lower"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Recipe(**settings)
