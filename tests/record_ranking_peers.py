"""Records what ranx makes of random rankings, for tests/test_ranking_peers.py.

    python tests/record_ranking_peers.py        # needs numpy and ranx, not farzi

Scores, targets and the metrics of ranx (Bassani 2022, https://github.com/AmenRa/ranx) go to
tests/ranking_peers.npz, so that the tests need no ranx.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import numpy as np
from ranx import Qrels, Run, evaluate

RECORDED = Path(__file__).with_name("ranking_peers.npz")
QUESTIONS, TOKENS = 200, 150
METRICS = {"hr": "hit_rate", "ndcg": "ndcg"}


def main() -> None:
    """Write the file."""
    generator = np.random.default_rng(0)
    # Places from the lowest score to the highest, so that none is there twice.
    scores = np.array([generator.permutation(TOKENS) for _ in range(QUESTIONS)], np.uint8)
    targets = generator.integers(TOKENS, size=QUESTIONS).astype(np.int32)
    # Half of the targets lie near a bound: among the first twelve, or the eight around the 100th.
    near = np.resize(np.concatenate([np.arange(1, 13), np.arange(97, 105)]), QUESTIONS // 2)
    for question, rank in enumerate(near):
        targets[question] = np.flatnonzero(scores[question] == TOKENS - rank)[0]
    run = Run(
        {
            f"q{question:03}": {f"t{token}": float(score) for token, score in enumerate(row)}
            for question, row in enumerate(scores)
        }
    )
    names = [f"q{question:03}" for question in range(QUESTIONS)]
    relevant = Qrels({name: {f"t{target}": 1} for name, target in zip(names, targets, strict=True)})
    asked = {f"{own}@{k}": f"{peer}@{k}" for own, peer in METRICS.items() for k in (10, 100)}
    asked["mrr"] = "mrr"
    means = evaluate(relevant, run, list(asked.values()))
    recorded = {"scores": scores, "targets": targets, "peer": np.array(f"ranx {version('ranx')}")}
    for own, peer in asked.items():
        each = run.scores[peer]
        recorded[f"each/{own}"] = np.array([each[name] for name in names])
        recorded[f"mean/{own}"] = np.array(means[peer])
    np.savez_compressed(RECORDED, **recorded)


if __name__ == "__main__":
    main()
