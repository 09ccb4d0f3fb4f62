"""What the learners reach on all of the real data: each recipe of `recipes/`, prepared and trained.

    python benchmarks/full_data.py [--recipes ml-100k magazine] [--data ../shared/data]

A recipe is run as its user would: `farzi prepare`, then `farzi train`, in a working folder in which
a training that was interrupted goes on. Beside it stands a first-order Markov chain, ranked in the
same way. Writes full_data.json and .md to the folder of results; recipes that are not run keep the
numbers that they had. Where a data set is missing, the recipe is skipped, and told where the data
are from.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import tyro
from circumstances import ROOT, commit, cores

from farzi.config import read
from farzi.evaluation import Task
from farzi.metrics import Questions, Text, ranking_metrics, ranks
from farzi.metrics.language import summary

RESULTS = ROOT / "docs" / "results" / "full_data.json"
MOVIELENS = "https://grouplens.org/datasets/movielens/100k/, as RecBole's .inter"
SOURCES: dict[str, tuple[str, list[str], str]] = {
    "ml-100k": ("ml-100k/ml-100k.inter", [], MOVIELENS),
    "ml-1m": ("ml-1m/ml-1m.txt", [], "https://github.com/kang205/SASRec"),
    "magazine": (
        "magazine/Magazine_Subscriptions.csv",
        ["--columns", "item,user,rating,time", "--min-user-events", "3"],
        "https://nijianmo.github.io/amazon/",
    ),
    "ptb": ("ptb/ptb.*.txt", ["--text", "words"], "Mikolov's simple-examples.tgz"),
}
"""Of each prepared folder: the file, how it is prepared, and where it is from."""
SHOWN = ("hr@10", "hr@100", "ndcg@10", "perplexity", "accuracy")


@dataclass(frozen=True)
class Options:
    """Train recipes on all of their data.

    Attributes:
        recipes: names of files in recipes/; all if none is given.
        data: folder with the data sets.
        work: for prepared data and trainings.
    """

    recipes: tuple[str, ...] = ()
    data: Path = ROOT.parent / "shared" / "data"
    work: Path = ROOT / ".cache" / "full_data"


def main(options: Options) -> None:
    """Run the recipes, one after the other, and write the table after each."""
    names = options.recipes or tuple(sorted(path.stem for path in ROOT.glob("recipes/*.toml")))
    for name in names:
        recipe = ROOT / "recipes" / f"{name}.toml"
        if not prepared(recipe, options.data, options.work):
            continue
        began, trained, now = time.monotonic(), Path("trained") / name, commit("src", "recipes")
        farzi(options.work, "train", str(recipe), "--out", str(trained))
        found = json.loads((options.work / trained / "results.json").read_text())
        found["command_seconds"] = time.monotonic() - began
        found["commit"] = now
        found["cores"] = cores()
        found["markov_chain"] = markov_chain(_task(recipe, options.work))
        table = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        table[name] = {key: value for key, value in found.items() if key != "dataset"}
        RESULTS.write_text(json.dumps(dict(sorted(table.items())), indent=1) + "\n")
        RESULTS.with_suffix(".md").write_text(_page(table))
        print(RESULTS.with_suffix(".md").read_text(), flush=True)


def prepared(recipe: Path, data: Path, work: Path) -> bool:
    """Prepare a recipe's data unless they are prepared; tells whether there are any."""
    work.mkdir(parents=True, exist_ok=True)
    folder = read(recipe).data.folder
    if folder is None:  # Packaged.
        return True
    source, how, origin = SOURCES[Path(folder).name]
    if not list(data.glob(source)):
        print(f"{recipe.stem} is skipped: there is no {data / source}; it is from {origin}.")
        return False
    if not (work / folder).exists():
        farzi(work, "prepare", str(data / source), *how, "--out", folder)
    return True


def farzi(work: Path, *arguments: str) -> None:
    """Run the command in the working folder."""
    subprocess.run([sys.executable, "-m", "farzi", *arguments], cwd=work, check=True)


def _task(recipe: Path, work: Path) -> Task:
    config = read(recipe)
    data = config.data
    if data.folder is not None:
        data = dataclasses.replace(data, folder=str(work / data.folder))
    return data.task(config.recipe.context)


def markov_chain(task: Task) -> dict[str, float]:
    """Test metrics of counted transitions, ties by popularity; of text, smoothed with the counts.

    The weight of the transitions is that which is best on validation.
    """
    vocabulary = len(task.train.vocabulary)
    single = np.bincount(task.train.flat(), minlength=vocabulary) + 1e-3
    single = single / single.sum()
    # Sparse: the keys of the pairs that occur, in order, and their counts.
    pairs = np.concatenate([ids[:-1].astype(np.int64) * vocabulary + ids[1:] for ids in task.train])
    keys, counts = np.unique(pairs, return_counts=True)
    from_counts = np.bincount(keys // vocabulary, counts, minlength=vocabulary)
    if isinstance(task.test, Text):
        validation = task.validation
        assert isinstance(validation, Text)

        def losses(text: Text, weight: float) -> dict[str, np.ndarray]:
            tokens, asked = np.asarray(text.tokens), np.asarray(text.asked)[:, 1:]
            before, after = (tokens[:, part][asked] for part in (slice(-1), slice(1, None)))
            wanted = before.astype(np.int64) * vocabulary + after
            place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
            seen = np.where(keys[place] == wanted, counts[place], 0)
            chance = (seen + weight * single[after]) / (from_counts[before] + weight)
            return {"losses": -np.log(chance), "hits": np.zeros(1), "tokens": np.ones(len(after))}

        weights = np.geomspace(1, 1000, 13)
        best = min(weights, key=lambda one: losses(validation, one)["losses"].mean())
        return {"perplexity": summary(losses(task.test, best))["perplexity"]}
    dense = np.zeros((vocabulary, vocabulary), np.float32)
    dense[keys // vocabulary, keys % vocabulary] = counts
    test: Questions = task.test
    contexts, targets = np.asarray(test.contexts), np.asarray(test.targets)
    last = contexts[np.arange(len(contexts)), (contexts >= 0).sum(axis=1) - 1]
    scores = dense[last] + single[None].astype(np.float32)
    if test.seen is not None:
        for row, (seen, target) in enumerate(zip(np.asarray(test.seen), targets, strict=True)):
            scores[row, [token for token in set(seen.tolist()) if token not in (-1, target)]] = -1
    return ranking_metrics(np.asarray(ranks(jnp.asarray(scores), jnp.asarray(targets))))


def _page(table: dict[str, Any]) -> str:
    lines = [
        "# The learners on all of the real data",
        "",
        "Test scores, mean ± half the 95 % interval over the starts. All items are ranked, ties by "
        "expected rank; leave-last-out; items of the history are left out of the ranking. Text: a "
        "row is read by itself, and each token predicted from at least half a context. Recipes: "
        "`recipes/`; made by `python benchmarks/full_data.py`. Times are no benchmark: the machine "
        "did other things too.",
        "",
        "| recipe | learner | starts | context | " + " | ".join(SHOWN) + " | Markov chain | steps "
        "| one training | cores | commit |",
        "|---|---|--:|--:|" + "--:|" * (len(SHOWN) + 5),
    ]
    for name, found in sorted(table.items()):
        cells = []
        for metric in SHOWN:
            summary = found["metrics"].get(metric)
            decimals = 1 if metric == "perplexity" else 3
            if summary is None:
                cells.append("")
                continue
            half = summary["ci95"]
            shown = f"{summary['mean']:.{decimals}f}"
            cells.append(shown if half is None else f"{shown} ± {half:.{decimals}f}")
        chain = found["markov_chain"]
        against = (
            f"{chain['perplexity']:.0f}"
            if "perplexity" in chain
            else f"HR@10 {chain['hr@10']:.3f}, NDCG@10 {chain['ndcg@10']:.3f}"
        )
        steps = found["train_steps"]
        lines.append(
            f"| [{name}](../../recipes/{name}.toml) | {found['learner']} | {len(steps)} "
            f"| {found['context']} | {' | '.join(cells)} | {against} | {np.mean(steps):.0f} "
            f"| {found['train_seconds']:,.0f} s | {found['cores']} | `{found['commit']}` |"
        )
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main(tyro.cli(Options))
