"""What a run shows on the terminal while it works."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text


class _Speed(ProgressColumn):
    """Steps a second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.1f} steps/s", style="dim")


class Stage:
    """One line of progress: a bar, the loss, the validation score, steps a second, time left."""

    def __init__(self, progress: Progress, name: str, steps: int):
        self._progress = progress
        self._task = progress.add_task(name, total=steps, loss="", score="")

    def update(self, step: int, *, loss: float | None = None, score: str | None = None) -> None:
        """Show how far the stage is; what is not given stays as it was."""
        shown = {}
        if loss is not None:
            shown["loss"] = f"loss {loss:.3f}"
        if score is not None:
            shown["score"] = f"validation {score}"
        self._progress.update(self._task, completed=step, **shown)

    def finish(self) -> None:
        """Fill the bar: a stage that stops early has nothing left to do."""
        done = self._progress.tasks[self._task].completed
        self._progress.update(self._task, total=done, completed=done)


@contextmanager
def stages(console: Console) -> Iterator[Progress]:
    """A progress display; where the console is no terminal it stays silent."""
    with Progress(
        TextColumn("[bold]{task.description:<28}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        _Speed(),
        TextColumn("{task.fields[loss]}"),
        TextColumn("{task.fields[score]}"),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    ) as progress:
        yield progress
