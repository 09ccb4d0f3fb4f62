"""What decides how good distilled data are: studies on the packaged flights, with pictures.

    python benchmarks/studies.py [STUDY ...]     # all of them if none is named
    python benchmarks/studies.py --draw          # the page anew, of what was measured before

Every study changes one thing about the same small distillation: 29 sequences of 11 events, which is
0.1 % of the flights, by 300 outer steps. Scores are those of the TEST questions, by learners that
chose rate and length of training on validation; no recipe was chosen by these tables. Each study
writes a file to docs/results/studies/, and all of them together docs/results/studies.md.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import tempfile
from collections.abc import Callable
from functools import cache, cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from circumstances import ROOT, commit, cores
from jaxtyping import PRNGKeyArray
from studies_page import write_page

from farzi import storage
from farzi.data import Split, flights, leave_last_out
from farzi.demo import Plan
from farzi.distillation import Distillation, Recipe, distill
from farzi.evaluation import Arm, Outcome, Task, distilled_arm, evaluate, full_arm, subset_arm
from farzi.evaluation.arms import Amount
from farzi.metrics import Questions
from farzi.models import Labelled, Learner, logits
from farzi.results import interval
from farzi.sections.learner import LearnerConfig
from farzi.storage import DistilledData
from farzi.training import Training, train

FOLDER = ROOT / "docs" / "results" / "studies"
PLAN = Plan()
BASE = Recipe(sequences=29, inner_batch=None, outer_steps=300)
METRICS = ("hr@10", "ndcg@10")
Row = dict[str, Any]


class Flights:
    """The flights, learners trained on all of them, and what is measured of other data.

    Args:
        split: the flights, or something made of them.
        architecture: of the learners.
    """

    def __init__(self, split: Split, architecture: str = "sasrec") -> None:
        self.split = split
        self.task = Task.of(split, BASE.context)
        config = LearnerConfig(architecture=architecture, width=32, layers=1)  # pyright: ignore
        self.config = config

    def make_learner(self, key: PRNGKeyArray) -> Learner:
        """With random weights."""
        return self.config.make(len(self.split.train.vocabulary), BASE.context, key=key)

    @cached_property
    def full(self) -> Outcome:
        """Trained on all of them."""
        return self.judged(full_arm(self.task, BASE.context, PLAN.all))

    @cached_property
    def teachers(self) -> list[Learner]:
        """All that were."""
        return [self.full.trained.run(index) for index in range(PLAN.seeds)]

    def judged(self, arm: Arm, scale: float = 1.0) -> Outcome:
        """An arm, by learners whose rates lie around those of the inner loop, `scale` higher."""
        rates = [rate * scale for rate in PLAN.rates]
        return evaluate(arm, self.make_learner, self.task, rates=rates, seeds=range(PLAN.seeds))

    def distilled(self, **settings: Any) -> Distillation:
        """By the base recipe with other settings; the same ones are distilled once."""
        recipe = dataclasses.replace(BASE, **settings)
        return distill(
            self.split.train,
            self.split.validation,
            self.make_learner,
            recipe,
            teacher=self.teachers,
        )

    def subset(self, kind: str, count: int) -> Arm:
        """As many real sequences."""
        few = BASE.learner.training(PLAN.few)
        return subset_arm(kind, self.task, count, BASE.length, few, teacher=self.teachers[0])

    def row(self, label: str, outcome: Outcome, full: Outcome | None = None, **more: Any) -> Row:
        """What is kept of an outcome, as a share of the full data's scores."""
        full = full or self.full
        found: Row = {"label": label}
        for name in METRICS:
            mean, half = interval(outcome.metrics[name])
            reference = float(np.mean(full.metrics[name]))
            found[name] = {"kept": mean / reference, "ci95": (half or 0.0) / reference}
        amount, whole = outcome.amount, full.amount
        found["events_share"] = amount.events / whole.events
        found["bytes_share"] = amount.bytes / whole.bytes
        learners = [outcome.trained.run(index) for index in range(PLAN.seeds)]
        asked = leave_last_out(self.split.train).test
        inside = Questions.of(asked, BASE.context)
        assert isinstance(self.task.test, Questions)
        for name, questions in (("train_loss", inside), ("test_loss", self.task.test)):
            found[name] = float(np.mean([_loss(learner, questions) for learner in learners]))
        return found | more


def measured(at: Flights, label: str, **settings: Any) -> Row:
    """A row of a distillation, without early stopping too."""
    outcome = at.distilled(**settings)
    recipe = dataclasses.replace(BASE, **settings)
    arm = stored(outcome.data, recipe)
    row = at.row(label, at.judged(arm, recipe.inner_rate / BASE.inner_rate))
    for times in (1, 2, 5):
        row[f"at_{times}T"] = _without_early_stopping(at, arm, recipe, times)
    return row | {"seconds": outcome.seconds, "best_step": outcome.best_step}


def stored(data: DistilledData, recipe: Recipe) -> Arm:
    """What users will load."""
    with tempfile.TemporaryDirectory() as folder:
        data.save(folder)
        return distilled_arm(storage.load(folder), recipe.learner.training(PLAN.few))


@cache
def plain() -> Flights:
    """The flights as they are."""
    return Flights(leave_last_out(flights()))


@cache
def point(**settings: Any) -> Row:
    """A distillation of the flights as they are, measured once for all studies that show it."""
    return measured(plain(), "", **settings)


def objective() -> list[Row]:
    """Objectives, with Adam and with SGD in the inner loop."""
    sgd = {"inner_optimizer": "sgd", "inner_rate": 0.3}
    return [
        point(objective=name, **inside) | {"series": inside.get("inner_optimizer", "adam"), "x": x}
        for name, x in (
            ("meta-matching", "meta-matching"),
            ("trajectory-matching", "trajectory m."),
            ("gradient-matching", "gradient m."),
        )
        for inside in ({}, sgd)
    ]


def parametrisation() -> list[Row]:
    """Parametrisations at about equal bytes, by the number of sequences of the factored one."""
    tucker = {"parametrisation": "tucker", "time_rank": 8}
    few, many = {"inner_batch": None}, {"inner_batch": 36}
    runs: list[tuple[str, int, dict[str, Any]]] = [
        ("factored", 29, few),
        ("dense", 29, few | {"parametrisation": "dense", "sequences": 6}),
        ("tucker", 29, few | tucker | {"sequence_rank": 24}),
        ("factored", 145, many | {"sequences": 145}),
        ("dense", 145, many | {"parametrisation": "dense", "sequences": 24}),
        ("tucker", 145, many | tucker | {"sequences": 145, "sequence_rank": 96}),
    ]
    return [
        point(**settings) | {"series": name, "x": f"bytes of {count}"}
        for name, count, settings in runs
    ]


def inner_steps() -> list[Row]:
    """T, the steps of an inner loop."""
    return [point(inner_steps=steps) | {"x": steps} for steps in (15, 30, 60, 120)]


def rank() -> list[Row]:
    """Numbers stored for each place."""
    return [point(rank=rank) | {"x": rank} for rank in (2, 4, 8, 16, 32)]


def size() -> list[Row]:
    """Sequences, and real ones beside them: hard, and with the labels of a teacher."""
    at, rows = plain(), []
    for count in (7, 15, 29, 58, 145):
        batch = 36 if count > 36 else None
        rows.append(point(sequences=count, inner_batch=batch) | {"series": "distilled", "x": count})
        for kind in ("random", "random-soft", "facility-location-soft"):
            outcome = at.judged(at.subset(kind, count))
            rows.append(at.row("", outcome, series=kind, x=count))
    return rows


def trajectories() -> list[Row]:
    """Experts whose checkpoints are a third of the starts; 0: fresh random weights only."""
    rows = [point() | {"x": 0}]
    for experts in (1, 2, 4, 8):
        rows.append(point(experts=experts, expert_share=1 / 3) | {"x": experts})
    return rows


def noise() -> list[Row]:
    """Shares of the training events replaced by random destinations; scores on clean questions."""
    clean, rows = plain(), []
    for share in (0.0, 0.05, 0.1, 0.2, 0.3):
        generator = np.random.default_rng([401, int(100 * share)])
        train_part = clean.split.train
        replaced = generator.random(len(train_part.values)) < share
        any_token = generator.integers(len(train_part.vocabulary), size=len(replaced))
        # Contexts of questions have an array of their own, so they stay as they were.
        values = np.where(replaced, any_token, train_part.values).astype(np.int32)
        noisy = dataclasses.replace(train_part, values=values)
        at = Flights(dataclasses.replace(clean.split, train=noisy)) if share else clean
        rows.append(at.row("", at.full, clean.full, series="all flights", x=share))
        for name, arm in (
            ("distilled", stored(at.distilled().data, BASE)),
            ("random-soft", at.subset("random-soft", BASE.sequences)),
            ("random", at.subset("random", BASE.sequences)),
        ):
            rows.append(at.row("", at.judged(arm), clean.full, series=name, x=share))
    return rows


def transfer() -> list[Row]:
    """Distilled for one architecture, learned by another, against all flights learned by that."""
    names = ("sasrec", "gru4rec", "fmlp")
    split = plain().split
    every = {name: Flights(split, name) for name in names}
    rows = []
    for made_for in names:
        arm = stored(every[made_for].distilled().data, BASE)
        rows += [
            every[name].row("", every[name].judged(arm), series=f"for {made_for}", x=name)
            for name in names
        ]
    for name in names:
        outcome = every[name].judged(every[name].subset("random-soft", BASE.sequences))
        rows.append(every[name].row("", outcome, series="random-soft", x=name))
    return rows


def numbers() -> list[Row]:
    """Types in which latents and decoder are stored; float32 as they were in memory."""
    at, rows = plain(), []
    for numbers in ("float16", "int8"):
        data = at.distilled(numbers=numbers).data
        if numbers == "float16":
            arm = distilled_arm(data, BASE.learner.training(PLAN.few))
            arm = dataclasses.replace(
                arm, amount=dataclasses.replace(arm.amount, bytes=_float32_bytes(data))
            )
            rows.append(at.row("", at.judged(arm), x="float32"))
        rows.append(at.row("", at.judged(stored(data, BASE)), x=numbers))
    return rows


def hard() -> list[Row]:
    """Labels drawn once for each copy of the sequences, instead of the distributions."""
    at = plain()
    data = at.distilled().data
    soft = data.tokens()
    few = BASE.learner.training(PLAN.few)
    rows = [at.row("", at.judged(stored(data, BASE)), series="soft", x="soft")]
    assert isinstance(soft, Labelled)
    probabilities = data.factors.probabilities()[:, 1:]
    for copies in (1, 4, 16, 64):
        keys = jax.random.split(jax.random.key(copies), copies)
        drawn = [jax.random.categorical(key, jnp.log(probabilities)) for key in keys]
        labels = jax.nn.one_hot(jnp.concatenate(drawn), probabilities.shape[-1])
        ids = jnp.tile(data.factors.inputs, (copies, 1))  # pyright: ignore
        amount = Amount(len(ids), ids.size, ids.size + labels.shape[0] * labels.shape[1])
        arm = Arm("hard", Labelled(ids, labels, None), amount, few, f"{copies}")
        rows.append(at.row("", at.judged(arm), series="drawn labels", x=copies))
        random = at.judged(at.subset("random", len(ids)))
        rows.append(at.row("", random, series="as many real sequences", x=copies))
    return rows


STUDIES: dict[str, Callable[[], list[Row]]] = {
    study.__name__: study
    for study in (
        size,
        objective,
        parametrisation,
        numbers,
        rank,
        inner_steps,
        trajectories,
        hard,
        noise,
        transfer,
    )
}


def main(names: list[str]) -> None:
    """Run the studies, and write the page after each."""
    if names != ["--draw"]:
        unknown = set(names) - set(STUDIES)
        if unknown:
            sys.exit(f"unknown study {sorted(unknown)}; there are {', '.join(STUDIES)}.")
        FOLDER.mkdir(parents=True, exist_ok=True)
        for name in names or STUDIES:
            now, rows = commit("src"), STUDIES[name]()
            content = {
                "what": (STUDIES[name].__doc__ or "").strip(),
                "commit": now,
                "cores": cores(),
                "rows": rows,
            }
            (FOLDER / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n")
            for row in rows:
                print(name, row, flush=True)
    found = {
        name: json.loads((FOLDER / f"{name}.json").read_text())
        for name in STUDIES
        if (FOLDER / f"{name}.json").exists()
    }
    write_page(found, FOLDER)


def _without_early_stopping(at: Flights, arm: Arm, recipe: Recipe, times: int) -> float:
    """Test NDCG@10 after some times the steps that the data were made for, as a share."""
    steps = times * recipe.inner_steps
    training: Training = dataclasses.replace(recipe.learner.training(steps), evaluate_every=steps)
    trained = train(
        at.make_learner,
        arm.tokens,
        at.task.validation,
        training,
        rates=[recipe.inner_rate] * PLAN.seeds,
        seeds=range(PLAN.seeds),
    )
    each = [at.task.test_values(trained.run(index)) for index in range(PLAN.seeds)]
    reached = np.mean([at.task.metrics(values)["ndcg@10"] for values in each])
    return float(reached / np.mean(at.full.metrics["ndcg@10"]))


@jax.jit
def _losses(scores: jax.Array, contexts: jax.Array, targets: jax.Array) -> jax.Array:
    last = jnp.sum(contexts >= 0, axis=1) - 1
    picked = jnp.take_along_axis(scores, last[:, None, None], axis=1)[:, 0]
    expected = jax.nn.log_softmax(picked)
    return -jnp.mean(jnp.take_along_axis(expected, targets[:, None], axis=1))


def _loss(learner: Learner, questions: Questions) -> float:
    """Mean negative log-likelihood of the targets, nats."""
    scores = logits(learner, questions.contexts)
    return float(_losses(scores, questions.contexts, questions.targets))


def _float32_bytes(data: DistilledData) -> int:
    factors = data.factors
    leaves = jax.tree.leaves(factors)
    return sum(4 * leaf.size if leaf.dtype == jnp.float32 else leaf.size for leaf in leaves)


if __name__ == "__main__":
    main(sys.argv[1:])
