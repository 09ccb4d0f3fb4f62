"""What came of training on an arm, in memory and in a folder."""

from __future__ import annotations

import io
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np
import polars as pl
import safetensors
import safetensors.numpy

from farzi.evaluation.arms import Amount
from farzi.files import write_atomically
from farzi.models.named import named_arrays, with_arrays
from farzi.training import MakeLearner, Trained

FORMAT = 1
_DAMAGE = (
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    OSError,
    safetensors.SafetensorError,
    pl.exceptions.PolarsError,
)
OUTCOME, LEARNERS, VALUES = "outcome.json", "learners.safetensors", "values.parquet"


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came of an arm.

    On disk a folder: `outcome.json` has what is below but for `values`, which `values.parquet` has
    in columns such as `rank_0` for the first seed, one row a question, and the learners, whose
    arrays `learners.safetensors` has by their names, each with a first axis of seeds.

    Attributes:
        name: of the arm.
        amount: of its data.
        rate: learning rate chosen on validation.
        metrics: test metrics of each seed, by name.
        values: what they are computed from: of each seed and each question or row of text,
            `[seeds, questions]`.
        trained: the final runs.
        search_seconds: wall time of the search over rates.
    """

    name: str
    amount: Amount
    rate: float
    metrics: dict[str, list[float]]
    values: dict[str, np.ndarray]
    trained: Trained
    search_seconds: float

    @property
    def seconds(self) -> float:
        """Wall time of the final runs over their number: they train side by side in one program."""
        return self.trained.seconds / len(self.trained.best_steps)

    def save(self, folder: Path, of: str) -> None:
        """Write the folder; `outcome.json` last, so that where it is, all is.

        Args:
            folder: made if it is not there.
            of: whatever decided on the outcome, as text; see `load`.
        """
        trained = self.trained
        # What is there is of another run until all is new.
        (folder / OUTCOME).unlink(missing_ok=True)
        write_atomically(folder / LEARNERS, safetensors.numpy.save(named_arrays(trained.learners)))
        columns = {
            f"{name}_{seed}": column
            for name, rows in self.values.items()
            for seed, column in enumerate(rows)
        }
        frame = pl.DataFrame(columns)
        write_atomically(folder / VALUES, _parquet(frame))
        content = {
            "format": FORMAT,
            "of": of,
            "name": self.name,
            **asdict(self.amount),
            "learning_rate": self.rate,
            "metrics": self.metrics,
            "seconds": trained.seconds,
            "search_seconds": self.search_seconds,
            "best_steps": trained.best_steps.tolist(),
            "best_scores": trained.best_scores.tolist(),
            "steps": trained.steps.tolist(),
            "scores": _finite(trained.scores),
            "losses": _finite(trained.losses),
        }
        write_atomically(folder / OUTCOME, json.dumps(content, indent=1).encode() + b"\n")

    @classmethod
    def load(cls, folder: Path, of: str | None, make_learner: MakeLearner) -> Outcome | None:
        """What `save` wrote; None if there is nothing, or of something else.

        Args:
            folder: where it was saved.
            of: whatever decided on the outcome, as text; None takes any.
            make_learner: builds a learner of the same sizes.

        Raises:
            ValueError: if a file is damaged.
        """
        if not (folder / OUTCOME).is_file():
            return None
        try:
            content = json.loads((folder / OUTCOME).read_bytes())
            if of not in (None, content.get("of")) or content.get("format") != FORMAT:
                return None
            seeds = len(content["best_steps"])
            keys = jax.random.split(jax.random.key(0), seeds)
            like = eqx.filter_eval_shape(eqx.filter_vmap(make_learner), keys)
            arrays = safetensors.numpy.load((folder / LEARNERS).read_bytes())
            learners = with_arrays(like, arrays)
            values = _values(pl.read_parquet(folder / VALUES), seeds)
            trained = Trained(
                learners,
                best_steps=np.array(content["best_steps"]),
                best_scores=np.array(content["best_scores"]),
                steps=np.array(content["steps"]),
                scores=np.array(content["scores"], float),
                losses=np.array(content["losses"], float),
                seconds=content["seconds"],
            )
            return cls(
                content["name"],
                Amount(*(content[name] for name in ("sequences", "events", "bytes"))),
                content["learning_rate"],
                content["metrics"],
                values,
                trained,
                content["search_seconds"],
            )
        except _DAMAGE as error:
            cause = str(error).rstrip(".")
            raise ValueError(
                f"{folder} is damaged ({cause}); delete it, and it is made again."
            ) from None


def _parquet(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


def _values(frame: pl.DataFrame, seeds: int) -> dict[str, np.ndarray]:
    names = dict.fromkeys(column.rpartition("_")[0] for column in frame.columns)
    return {
        name: np.stack([frame[f"{name}_{seed}"].to_numpy() for seed in range(seeds)])
        for name in names
    }


def _finite(array: np.ndarray) -> list[Any]:
    """As JSON has it, which knows no infinity: None, read again as NaN."""
    return [[one if np.isfinite(one) else None for one in row] for row in array.tolist()]
