"""Metrics against those of ranx, recorded by tests/record_ranking_peers.py."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from farzi.metrics import ranking_metrics, ranks

RECORDED = np.load(Path(__file__).with_name("ranking_peers.npz"))
METRICS = ("hr@10", "hr@100", "ndcg@10", "ndcg@100", "mrr")


@pytest.fixture(scope="module")
def rank():
    """What farzi makes of the recorded scores."""
    scores = jnp.asarray(RECORDED["scores"], jnp.float32)
    return np.asarray(ranks(scores, jnp.asarray(RECORDED["targets"])))


def test_the_recorded_rankings_are_on_both_sides_of_every_bound(rank):
    assert len(rank) == 200
    assert {1, 2, 10, 11, 100, 101} <= set(rank.tolist())
    assert all(len(set(row)) == len(row) for row in RECORDED["scores"].tolist())


@pytest.mark.parametrize("metric", METRICS)
def test_every_question_is_worth_what_the_peer_says(rank, metric):
    each = [ranking_metrics(one)[metric] for one in rank[:, None]]
    np.testing.assert_allclose(each, RECORDED[f"each/{metric}"], rtol=1e-12)


@pytest.mark.parametrize("metric", METRICS)
def test_means_are_those_of_the_peer(rank, metric):
    wanted = float(RECORDED[f"mean/{metric}"])
    assert 0 < wanted < 1
    assert ranking_metrics(rank)[metric] == pytest.approx(wanted, rel=1e-12)
