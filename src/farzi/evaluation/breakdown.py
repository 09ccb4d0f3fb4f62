"""Scores beyond the average: by how popular an item is, and by how long a history is."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats

from farzi.evaluation.outcome import Outcome
from farzi.evaluation.task import Task, question_scores
from farzi.metrics import Questions

GROUPS = 4


def breakdown(outcome: Outcome, task: Task) -> dict[str, list[dict[str, Any]]]:
    """HR@10 and NDCG@10 within groups of questions that are about equally large.

    Args:
        outcome: of an arm.
        task: what it was tested on.

    Returns:
        `popularity`, by the target's number of training events, and `history`, by the number of
        events before the question: a list of groups with `from` and `to` (inclusive), `questions`,
        `hr@10` and `ndcg@10`, means over the seeds. Empty for text.
    """
    if not isinstance(task.test, Questions) or task.histories is None:
        return {}
    rank = outcome.values["rank"]
    hits, gains = (rank <= 10).mean(axis=0), question_scores(outcome.values)
    counts = np.bincount(task.train.flat(), minlength=len(task.train.vocabulary))
    keys = {"popularity": counts[np.asarray(task.test.targets)], "history": task.histories}
    return {
        name: [
            {
                "from": int(key[inside].min()),
                "to": int(key[inside].max()),
                "questions": int(inside.sum()),
                "hr@10": float(hits[inside].mean()),
                "ndcg@10": float(gains[inside].mean()),
            }
            for inside in _groups(key)
        ]
        for name, key in keys.items()
    }


def _groups(key: np.ndarray) -> list[np.ndarray]:
    """Masks of the quantiles; equal keys stay together, so there may be fewer."""
    edges = np.unique(np.quantile(key, np.linspace(0, 1, GROUPS + 1)[1:-1], method="lower"))
    number = np.searchsorted(edges, key, side="left")
    return [number == group for group in np.unique(number)]


def paired(outcome: Outcome, other: Outcome) -> dict[str, float] | None:
    """How much better an arm is than another on the same questions, each compared with itself.

    Args:
        outcome: of the arm.
        other: of the other.

    Returns:
        `difference` of the mean score of a question (NDCG@10, or nats a token), the half width
        `ci95` of its interval over the questions, and `p` of Student's paired test of no
        difference. The scores are means over seeds, so this says nothing about other seeds. None if
        they do not differ anywhere.
    """
    differences = question_scores(outcome.values) - question_scores(other.values)
    if len(differences) < 2 or not differences.any():
        return None
    error = stats.sem(differences)
    freedom = len(differences) - 1
    return {
        "difference": float(differences.mean()),
        "ci95": float(error * stats.t.ppf(0.975, freedom)),
        # Where all differ by the same, there is no doubt.
        "p": float(2 * stats.t.sf(abs(differences.mean()) / error, freedom)) if error else 0.0,
    }
