"""Compares training data: each arm trains the same learner under the same rules."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import equinox as eqx
import numpy as np
import polars as pl

from farzi.data import Sequences, Windows
from farzi.metrics import Questions, rank_targets, ranking_metrics
from farzi.models import Tokens
from farzi.training import MakeLearner, Trained, Training, train


@dataclass(frozen=True, eq=False)
class Arm:
    """One kind of training data, and how a learner is trained on it.

    Attributes:
        name: `full`, `distilled`, `random`, ...
        tokens: what `farzi.train` takes.
        sequences, events: how much that is.
        bytes: how much that is on disk.
        training: optimiser, batch size, and when a training is validated and stops. Every arm has
            the same search over learning rates.
    """

    name: str
    tokens: Tokens | Windows
    sequences: int
    events: int
    bytes: int
    training: Training


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came of an arm.

    Attributes:
        arm: the arm.
        rate: learning rate chosen on validation.
        metrics: test metrics of each seed, by name.
        trained: the final runs.
        seconds: wall time of the final runs over their number, validations included; they train
            side by side in one program.
        search_seconds: wall time of the search over rates, compiling included.
    """

    arm: Arm
    rate: float
    metrics: dict[str, list[float]]
    trained: Trained
    seconds: float
    search_seconds: float


def evaluate(
    arm: Arm,
    make_learner: MakeLearner,
    validation: Questions,
    test: Questions,
    *,
    rates: Sequence[float],
    seeds: Sequence[int],
    on_progress: Callable[[int, float, float], None] | None = None,
) -> Outcome:
    """Choose the learning rate on validation, then train from fresh starts and test those.

    The rates are tried in one program, each from the same start; the seeds then run at the best
    one. Every run is tested once, as it was at its best validation.

    Args:
        arm: the training data.
        make_learner: builds the learner.
        validation: chooses rate and length of training.
        test: gives the metrics.
        rates: learning rates to try; as many as seeds compile one program instead of two.
        seeds: of the final runs.
        on_progress: called after each validation with the steps done, of twice the longest
            training, the lowest training loss and the highest validation score.

    Raises:
        FloatingPointError: if a run came to no finite score.
    """

    def run(rates: Sequence[float], seeds: Sequence[int], done: int) -> Trained:
        def report(step: int, losses: np.ndarray, scores: np.ndarray) -> None:
            if on_progress is not None:
                on_progress(done + step, float(np.nanmin(losses)), float(np.max(scores)))

        return train(
            make_learner,
            arm.tokens,
            validation,
            arm.training,
            rates=rates,
            seeds=seeds,
            on_validation=report,
        )

    began = time.monotonic()
    search = run(rates, [_SEARCH_SEED] * len(rates), 0)
    search_seconds = time.monotonic() - began
    rate = float(rates[int(np.argmax(search.best_scores))])
    began = time.monotonic()
    trained = run([rate] * len(seeds), seeds, arm.training.max_steps)
    seconds = (time.monotonic() - began) / len(seeds)
    if not np.isfinite(trained.best_scores).all():
        raise FloatingPointError(
            f"training on {arm.name} data with a learning rate of {rate} gave no finite score from "
            "every start; offer smaller rates."
        )
    tested = [test_metrics(trained, index, test) for index in range(len(seeds))]
    metrics = {name: [one[name] for one in tested] for name in tested[0]}
    return Outcome(arm, rate, metrics, trained, seconds, search_seconds)


_SEARCH_SEED = 10**9 + 10**6
"""Start of the search over rates; above the seeds of the final runs and of validations."""


def test_metrics(trained: Trained, index: int, test: Questions) -> dict[str, float]:
    """Test metrics of one run."""
    return ranking_metrics(np.asarray(_rank_targets(trained.run(index), test)))


_rank_targets = eqx.filter_jit(rank_targets)


def stored_bytes(sequences: Sequences) -> int:
    """Bytes of the sequences as a Parquet file of ids, in the smallest type and compressed."""
    smallest = np.min_scalar_type(len(sequences.vocabulary) - 1)
    ids = sequences.flat().astype(smallest)
    rows = np.repeat(np.arange(len(sequences)), sequences.lengths)
    frame = pl.DataFrame({"row": rows, "tokens": ids}).group_by("row", maintain_order=True).all()
    buffer = io.BytesIO()
    frame.select("tokens").write_parquet(buffer, compression="zstd", compression_level=19)
    return buffer.tell()
