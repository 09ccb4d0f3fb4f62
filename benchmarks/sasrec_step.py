"""One training step of SASRec: farzi beside RecBole and plain PyTorch, in one run.

    python benchmarks/sasrec_step.py --torch PYTHON

PYTHON is that of an environment with RecBole 1.2 (it needs NumPy below 2, so one of its own:
`pip install torch recbole "numpy<2" "pandas<2.2" "scipy<1.13"`). All have the same size, Adam, and
full softmax over all items on generated sequences. farzi and the plain PyTorch model (in the manner
of github.com/pmixer/SASRec.pytorch, see sasrec_step_worker.py) predict at every place. RecBole's
own model predicts the last place alone, so that it needs a step for each event of a sequence that
the others learn in one: time for a predicted event is what compares. Each candidate has a process
to itself; they take turns, and the table has medians. Writes sasrec_step.json and .md to the folder
of results.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro
from circumstances import ROOT, commit, machine, versions

RESULTS = ROOT / "docs" / "results" / "sasrec_step.json"
WORKER = Path(__file__).with_name("sasrec_step_worker.py")
SIZES = {"batch": 128, "length": 50, "width": 64, "layers": 2, "dropout": 0.2}
VOCABULARIES = {"ml-100k": 1682, "ml-1m": 3416}


@dataclass(frozen=True)
class Options:
    """Time a training step.

    Attributes:
        torch: Python of an environment with PyTorch and RecBole.
        repeats: turns of each candidate.
        steps: in a turn.
        farzi: size of a vocabulary, for the process that measures farzi.
    """

    torch: Path | None = None
    repeats: int = 3
    steps: int = 10
    farzi: int | None = None


def main(options: Options) -> None:
    """Measure all candidates, or be the process that measures farzi."""
    if options.farzi is not None:
        print(json.dumps(measure(options.farzi, options.steps)))
        return
    if options.torch is None:
        raise SystemExit("name the Python of an environment with RecBole, with --torch.")
    own = [sys.executable, __file__, "--steps", str(options.steps), "--farzi"]
    peer = [str(options.torch), str(WORKER), json.dumps(SIZES | {"steps": options.steps})]
    found: dict[str, Any] = {}
    for data, vocabulary in VOCABULARIES.items():
        commands = {
            "farzi": [*own, str(vocabulary)],
            "PyTorch": [*peer, str(vocabulary), "plain"],
            "RecBole": [*peer, str(vocabulary), "recbole"],
        }
        taken: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(options.repeats):
            for name, command in commands.items():
                answer = subprocess.run(command, capture_output=True, text=True, check=True)
                taken[name].append(json.loads(answer.stdout.splitlines()[-1])["seconds"])
        found[data] = {name: statistics.median(times) for name, times in taken.items()}
        print(data, found[data], flush=True)
    content = {
        "sizes": SIZES | {"vocabularies": VOCABULARIES},
        "seconds_a_step": found,
        "commit": commit("src", "benchmarks"),
        "machine": machine("CPU"),
        "versions": versions("jax", "equinox", "optax"),
    }
    RESULTS.write_text(json.dumps(content, indent=1) + "\n")
    RESULTS.with_suffix(".md").write_text(page(content))
    print(page(content))


def measure(vocabulary: int, steps: int) -> dict[str, float]:
    """Seconds that a step takes, fetching its batch included, once everything is compiled."""
    import jax
    import numpy as np

    from farzi.data import Sequences, Vocabulary, windows
    from farzi.models import SASRec
    from farzi.training import Runs, Training

    def sasrec(key: jax.Array) -> SASRec:
        return SASRec(
            vocabulary,
            width=SIZES["width"],
            layers=SIZES["layers"],
            length=SIZES["length"],
            dropout=SIZES["dropout"],
            key=key,
        )

    generator = np.random.default_rng(0)
    ids = generator.integers(vocabulary, size=(2000, SIZES["length"] + 1))
    tokens = tuple(map(str, range(vocabulary)))
    rows = windows(Sequences.from_lists(ids, Vocabulary(tokens)), SIZES["length"])
    runs = Runs.start(sasrec, Training(batch_size=SIZES["batch"]), rates=[1e-3], seeds=[0])
    runs, _ = runs.advance(rows, steps)
    began = time.perf_counter()
    runs, _ = runs.advance(rows, steps)  # Waits for the losses.
    return {"seconds": (time.perf_counter() - began) / steps}


def page(content: dict[str, Any]) -> str:
    """The table."""
    sizes = content["sizes"]
    lines = [
        "# One training step of SASRec",
        "",
        f"Batches of {sizes['batch']} sequences of {sizes['length']} events, width "
        f"{sizes['width']}, {sizes['layers']} layers, dropout {sizes['dropout']}, Adam, full "
        f"softmax. {content['machine']}, commit `{content['commit']}`. RecBole's step predicts one "
        "event of each sequence, the others all. Made by `python benchmarks/sasrec_step.py`.",
        "",
        "| items of | candidate | a step | a predicted event | of farzi's |",
        "|---|---|--:|--:|--:|",
    ]
    for data, candidates in content["seconds_a_step"].items():
        events = dict.fromkeys(candidates, sizes["batch"] * sizes["length"])
        events["RecBole"] = sizes["batch"]
        own = candidates["farzi"] / events["farzi"]
        for name, seconds in candidates.items():
            event = seconds / events[name]
            lines.append(
                f"| {data} | {name} | {1e3 * seconds:.0f} ms | {1e6 * event:.1f} µs "
                f"| {event / own:.2f} |"
            )
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main(tyro.cli(Options))
