"""`farzi evaluate`: kinds of training data x architectures x seeds, compared on equal terms."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from jaxtyping import PRNGKeyArray
from rich.console import Console
from rich.progress import Progress

from farzi import results, storage
from farzi.commands.summary import write_summary
from farzi.distillation import OuterStep, distill, teachers_needed
from farzi.evaluation import (
    Arm,
    Outcome,
    Task,
    breakdown,
    distilled_arm,
    evaluate,
    full_arm,
    paired,
    sensitivity,
    subset_arm,
)
from farzi.files import write_atomically
from farzi.models import Learner
from farzi.progress import Stage, stages
from farzi.sections import Config, LearnerConfig
from farzi.storage import METRICS, DistilledData

DISTILLED, OF = "distilled", "distilled_of.json"


def run(config: Config, out: Path, *, console: Console | None = None) -> dict[str, Any]:
    """Train every architecture on every arm, and write `results.json`, a table and pictures.

    Args:
        config: data, learners, arms and how each is trained.
        out: folder; what it has is not done again.
        console: where progress and the table go.

    Returns:
        The content of `results.json`.

    Raises:
        ValueError: if something does not fit.
    """
    began = time.monotonic()
    console = console or Console()
    task = config.data.task(config.recipe.context)
    with stages(console) as progress:
        comparison = _Comparison(config, task, out, progress)
        content = comparison.content()
    content |= {"total_seconds": time.monotonic() - began, **results.circumstances()}
    results.write(out / "results.json", content)
    write_summary(out, content)
    for learner in dict.fromkeys(arm["architecture"] for arm in content["arms"]):
        arms = [arm for arm in content["arms"] if arm["architecture"] == learner]
        console.print(results.table(arms, f"{learner}, trained on …", content["main_metric"]))
    console.print(f"Every number is in {out / 'results.json'}, read {out / 'summary.md'} first.")
    return content


@dataclass(frozen=True, eq=False)
class _Set:
    """Distilled data that are judged: their name, what they are, and what making them took."""

    name: str
    data: DistilledData
    seconds: float | None


class _Comparison:
    """All trainings of a comparison; each is kept in a folder of its own."""

    def __init__(self, config: Config, task: Task, out: Path, progress: Progress):
        self._config, self._task, self._out, self._progress = config, task, out, progress
        own = config.learner
        named = config.evaluate.architectures or (own.architecture,)
        self._learners = [own if name == own.architecture else own.of(name) for name in named]

    def content(self) -> dict[str, Any]:
        """What `results.json` says of it."""
        config, task = self._config, self._task
        full = [self._full(learner) for learner in self._learners]
        reference = full[0].trained
        teachers = [reference.run(index) for index in range(config.evaluate.seeds)]
        teacher = teachers[0]
        sets = self._sets(teachers)
        arms = self._arms(sets, teacher)
        entries: list[dict[str, Any]] = []
        studied: list[dict[str, Any]] = []
        for learner, reference in zip(self._learners, full, strict=True):
            outcomes = [reference, *(self._few(arm, learner) for arm in arms)]
            entries += [self._entry(outcome, outcomes, learner) for outcome in outcomes]
            every = [full_arm(task, config.recipe.context, config.train.training()), *arms]
            studied += [
                self._sensitivity(arm, outcome.rate, learner)
                for arm, outcome in zip(every, outcomes, strict=True)
                if arm.kind in config.evaluate.sensitivity
            ]
        return {
            "dataset": config.data.words,
            "task": task.words,
            "main_metric": task.main_metric,
            "context": config.recipe.context,
            "arms": entries,
            "distillations": [self._cost(one, entries, full[0]) for one in sets],
            "sensitivity": studied,
        }

    def _full(self, learner: LearnerConfig) -> Outcome:
        config = self._config
        arm = full_arm(self._task, config.recipe.context, config.train.training())
        return self._judge(arm, learner, config.train.rates)

    def _few(self, arm: Arm, learner: LearnerConfig) -> Outcome:
        return self._judge(arm, learner, self._config.evaluate.few_rates)

    def _judge(self, arm: Arm, learner: LearnerConfig, rates: tuple[float, ...]) -> Outcome:
        name = f"{learner.architecture}, {arm.name}"
        stage = Stage(self._progress, name, 2 * arm.training.max_steps)
        outcome = evaluate(
            arm,
            self._maker(learner),
            self._task,
            rates=rates,
            seeds=range(self._config.evaluate.seeds),
            folder=self._folder(learner, arm),
            on_progress=lambda step, loss, score: stage.update(
                step, loss=loss, score=self._task.validation.told(score)
            ),
        )
        stage.finish()
        return outcome

    def _maker(self, learner: LearnerConfig) -> Callable[[PRNGKeyArray], Learner]:
        tokens, context = self._config.data.tokens, self._config.recipe.context
        return lambda key: learner.make(tokens, context, key=key)

    def _folder(self, learner: LearnerConfig, arm: Arm) -> Path:
        return self._out / learner.architecture / arm.name.replace(" ", "-")

    def _sets(self, teachers: list[Learner]) -> list[_Set]:
        """The distilled data: those that are named, or made here."""
        config = self._config
        if DISTILLED not in config.evaluate.arms:
            return []
        folders = [Path(folder) for folder in config.evaluate.distilled]
        if not folders:
            folders = [self._distill(teachers)]
        found = []
        for folder in folders:
            data = storage.load(folder)
            data.check_vocabulary(self._task.train.vocabulary)
            name = DISTILLED if len(folders) == 1 else f"{DISTILLED} {folder.name}"
            seconds = None
            if (folder / METRICS).is_file():
                seconds = json.loads((folder / METRICS).read_bytes()).get("seconds")
            found.append(_Set(name, data, seconds))
        return found

    def _distill(self, teachers: list[Learner]) -> Path:
        """The folder of data distilled here; what was is not distilled again."""
        config, folder = self._config, self._out / DISTILLED
        of = {
            "recipe": results.settings(config.recipe),
            "learner": asdict(config.learner),
            "train": asdict(config.train),
            "teachers": len(teachers),
            "content": self._task.content,
        }
        stated = json.dumps(of, indent=1).encode() + b"\n"
        if (folder / OF).is_file() and (folder / OF).read_bytes() == stated:
            return folder
        stage = Stage(self._progress, "distil", config.recipe.outer_steps)

        def show(step: OuterStep) -> None:
            score = None if step.score is None else self._task.validation.told(step.score)
            stage.update(step.step, loss=step.loss, score=score)

        # Without dropout: the inner loops read no real sequences.
        learner = replace(self._learners[0], dropout=0.0)
        distillation = distill(
            self._task.train,
            self._task.validation,
            self._maker(learner),
            config.recipe,
            teacher=teachers,
            on_step=show,
        )
        stage.finish()
        distillation.save(folder)
        write_atomically(folder / OF, stated)
        return folder

    def _arms(self, sets: list[_Set], teacher: Learner) -> list[Arm]:
        """All but the full data: each subset once for each size of the distilled data."""
        config, arms = self._config, list[Arm]()
        few = config.recipe.learner.training(config.evaluate.few_steps)
        sizes = {(config.recipe.sequences, config.recipe.length): few}
        if sets:
            sizes = {}
        for one in sets:
            few = one.data.learner.training(config.evaluate.few_steps)
            arms.append(distilled_arm(one.data, few, one.name))
            count = len(one.data.factors)
            sizes.setdefault((count, one.data.factors.events // count - 1), few)
        for (count, length), few in sizes.items():
            size = "" if len(sizes) == 1 else f" {count}x{length}"
            for kind in config.evaluate.arms:
                if kind in ("full", DISTILLED):
                    continue
                arms.append(
                    subset_arm(
                        kind,
                        self._task,
                        count,
                        length,
                        replace(few, dropout=True),  # As all real sequences.
                        teacher=teacher,
                        name=kind + size,
                    )
                )
        return arms

    def _entry(
        self, outcome: Outcome, outcomes: list[Outcome], learner: LearnerConfig
    ) -> dict[str, Any]:
        """An arm as `results.json` has it, compared with the full data; the distilled with all."""
        others = {outcomes[0].name: outcomes[0]}
        if outcome.name.startswith(DISTILLED):
            others = {one.name: one for one in outcomes if not one.name.startswith(DISTILLED)}
        return results.arm_entry(outcome, outcomes[0], learner.words) | {
            "breakdown": breakdown(outcome, self._task),
            "paired": {
                name: paired(outcome, other)
                for name, other in others.items()
                if other is not outcome
            },
        }

    def _sensitivity(self, arm: Arm, rate: float, learner: LearnerConfig) -> dict[str, Any]:
        found = sensitivity(
            arm,
            self._maker(learner),
            self._task,
            rate=rate,
            optimizers=self._config.evaluate.optimizers,
            rates=self._config.evaluate.optimizer_rates,
            file=self._folder(learner, arm) / "sensitivity.json",
        )
        told = {name: found[name] for name in ("optimizers", "orders")}
        return {"arm": arm.name, "architecture": learner.words} | told

    def _cost(self, one: _Set, entries: list[dict[str, Any]], full: Outcome) -> dict[str, Any]:
        """What distilling took, and after how many trainings that is won back."""
        own = next(entry for entry in entries if entry["arm"] == one.name)
        saved = full.seconds - own["train_seconds"]
        teacher = full.seconds * teachers_needed(self._config.recipe, self._config.evaluate.seeds)
        spent = None if one.seconds is None else one.seconds + teacher
        return {
            "arm": one.name,
            "seconds": one.seconds,
            "teacher_seconds": teacher,
            "seconds_saved_by_a_training": saved,
            "break_even": spent / saved if spent is not None and saved > 0 else None,
        }
