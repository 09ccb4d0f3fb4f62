import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from farzi.distillation import Pool
from farzi.distillation.pool import expert_pool
from farzi.losses import next_token_loss
from farzi.models import SASRec, logits
from farzi.training import Training

COUNT, KEPT = 40, 3
all_logits = eqx.filter_jit(eqx.filter_vmap(logits, in_axes=(eqx.if_array(0), None)))


def sasrec(key):
    return SASRec(7, width=4, layers=1, length=5, key=key)


@pytest.fixture(scope="module")
def checkpoints():
    return eqx.filter_vmap(sasrec)(jax.random.split(jax.random.key(9), KEPT))


def draw(pool, seed):
    return pool.draw(COUNT, jax.random.key(seed))


def source(starts, checkpoints):
    """For each start the number of the checkpoint that it is, array for array, or -1."""
    same = jnp.ones((COUNT, KEPT), bool)
    kept_arrays = jax.tree.leaves(eqx.filter(checkpoints, eqx.is_array))
    for start, kept in zip(
        jax.tree.leaves(eqx.filter(starts, eqx.is_array)), kept_arrays, strict=True
    ):
        # A norm's scale is all ones in every learner, so it says nothing.
        if float(jnp.std(kept, axis=0).max()) > 0:
            pairs = start.reshape(COUNT, 1, -1) == kept.reshape(1, KEPT, -1)
            same = same & pairs.all(axis=-1)
    return jnp.where(same.any(axis=1), same.argmax(axis=1), -1)


def test_without_checkpoints_all_starts_are_fresh(checkpoints):
    starts = draw(Pool(sasrec), seed=0)
    assert starts.embedding.shape == (COUNT, 7, 4)
    assert len(np.unique(starts.embedding[:, 0, 0])) == COUNT
    assert (source(starts, checkpoints) == -1).all()


def test_a_start_is_a_learner(checkpoints):
    for pool in (Pool(sasrec), Pool(sasrec, checkpoints, 0.5)):
        starts = draw(pool, seed=0)
        scores = all_logits(starts, jnp.array([[1, 2, 3]]))
        assert scores.shape == (COUNT, 1, 3, 7)
        assert np.isfinite(scores).all()


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_share_of_the_starts_are_whole_checkpoints(checkpoints, share):
    starts = draw(Pool(sasrec, checkpoints, share), seed=0)
    drawn = source(starts, checkpoints)
    if share in (0, 1):
        assert (drawn >= 0).mean() == share
    else:
        # Five standard deviations of a binomial share.
        spread = 5 * (share * (1 - share) / COUNT) ** 0.5
        assert (drawn >= 0).mean() == pytest.approx(share, abs=spread)
        assert 0 < (drawn >= 0).sum() < COUNT
    if share:
        assert set(drawn[drawn >= 0].tolist()) == set(range(KEPT))


def test_draws_follow_the_key(checkpoints):
    pool = Pool(sasrec, checkpoints, 0.5)
    first, again = (draw(pool, seed=1) for _ in range(2))
    other = draw(pool, seed=2)
    np.testing.assert_array_equal(first.embedding, again.embedding)
    assert not np.array_equal(first.embedding, other.embedding)


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_share_is_a_share(checkpoints, share):
    with pytest.raises(ValueError, match="use a number from 0 to 1"):
        Pool(sasrec, checkpoints, share)


def test_a_share_of_nothing():
    with pytest.raises(ValueError, match="no checkpoints; give some or a share of 0"):
        Pool(sasrec, share=0.5)


def test_experts_leave_checkpoints_along_their_way():
    cycles = (jnp.arange(7)[:, None] + jnp.arange(6)[None]) % 7
    training = Training(batch_size=7, max_steps=60, evaluate_every=20)
    pool = expert_pool(sasrec, cycles, training, rate=0.02, trajectories=2, share=1.0)
    losses = eqx.filter_jit(eqx.filter_vmap(next_token_loss, in_axes=(eqx.if_array(0), None)))(
        pool.checkpoints, cycles
    ).reshape(3, 2)
    assert (jnp.diff(losses, axis=0) < 0).all()
    assert float(jnp.abs(losses[:, 0] - losses[:, 1]).min()) > 0
    assert pool.share == 1
