"""The results of a comparison for a reader: a page of tables, and pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from farzi import results
from farzi.files import write_atomically
from farzi.report import comparison_pictures as pictures
from farzi.report.svg import standalone


def write_summary(out: Path, content: dict[str, Any]) -> None:
    """Write `summary.md`, and the pictures that it shows, to a folder.

    Args:
        out: the folder.
        content: of `results.json`.
    """
    drawn = pictures.draw(content)
    for name, svg in drawn.items():
        write_atomically(out / f"{name}.svg", standalone(svg).encode())
    write_atomically(out / "summary.md", _page(content, drawn).encode())


def _page(content: dict[str, Any], drawn: dict[str, str]) -> str:
    metric = content["main_metric"]
    parts = [
        f"# {content['dataset']}: {content['task']}",
        _scores(content),
        _pictures(drawn, "scores"),
        _paired(content["arms"]),
        *(
            f"## By {title}\n\n{_breakdown(content['arms'], key)}\n\n{_pictures(drawn, key)}"
            for key, title in (
                ("popularity", "popularity of the item (its training events)"),
                ("history", "length of the history (events before the question)"),
            )
            if content["arms"][0]["breakdown"]
        ),
        _transfer(content["arms"], metric),
        _sensitivity(content["sensitivity"], metric),
        _cost(content["distillations"]),
        f"{content['device']}; {content['total_seconds']:.0f} s since this run began. Intervals "
        "(±) are 95 % over learners' starts, not over other draws or distillations.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _scores(content: dict[str, Any]) -> str:
    arms = content["arms"]
    names = list(arms[0]["metrics"])
    lines = _head(
        "trained on", "learner", "sequences", "events", "bytes",
        *(results.METRIC_NAMES.get(name, name) for name in names), "retention", "rate", "steps",
        "one training",
    )  # fmt: skip
    for arm in arms:
        lines.append(
            _row(
                arm["arm"],
                arm["architecture"],
                f"{arm['sequences']:,}",
                f"{arm['events_share']:.2%}",
                f"{arm['bytes_share']:.1%}",
                *(results.score(arm["metrics"][name], name) for name in names),
                _percent(arm["retention"][content["main_metric"]]),
                f"{arm['learning_rate']:g}",
                f"{arm['train_steps']:.0f}",
                f"{arm['train_seconds']:.1f} s",
            )
        )
    seeds = len(arms[0]["metrics"][content["main_metric"]]["seeds"])
    shown = results.METRIC_NAMES.get(content["main_metric"], content["main_metric"])
    return "\n".join(lines) + f"\n\nMeans of {seeds} starts; retention is that of {shown}."


def _paired(arms: list[dict[str, Any]]) -> str:
    lines = _head("trained on", "learner", "against", "difference of a question's score", "p")
    for arm in arms:
        for other, found in arm["paired"].items():
            if found is not None:
                difference = f"{found['difference']:+.4f} ± {found['ci95']:.4f}"
                p = f"{found['p']:.2g}" if found["p"] else "< 1e-300"
                lines.append(_row(arm["arm"], arm["architecture"], other, difference, p))
    note = (
        "The same questions, each compared with itself (NDCG@10, or nats a token), means over the "
        "starts; Student's paired test."
    )
    return f"## Paired comparison\n\n{note}\n\n" + "\n".join(lines)


def _breakdown(arms: list[dict[str, Any]], key: str) -> str:
    groups = arms[0]["breakdown"][key]
    lines = _head(
        "NDCG@10",
        "learner",
        *(f"{group['from']:,} to {group['to']:,} ({group['questions']:,})" for group in groups),
    )
    for arm in arms:
        scores = (f"{group['ndcg@10']:.3f}" for group in arm["breakdown"][key])
        lines.append(_row(arm["arm"], arm["architecture"], *scores))
    return "\n".join(lines)


def _transfer(arms: list[dict[str, Any]], metric: str) -> str:
    """Retention of what was made for one learner, with others."""
    learners = list(dict.fromkeys(arm["architecture"] for arm in arms))
    if len(learners) < 2:
        return ""
    kept = {(arm["arm"], arm["architecture"]): arm["retention"][metric] for arm in arms}
    lines = _head("retention", *learners)
    for name in dict.fromkeys(arm["arm"] for arm in arms):
        lines.append(_row(name, *(_percent(kept.get((name, learner))) for learner in learners)))
    note = "Each learner is compared with itself trained on all data."
    return f"## Transfer to other architectures\n\n{note}\n\n" + "\n".join(lines)


def _sensitivity(studied: list[dict[str, Any]], metric: str) -> str:
    if not studied:
        return ""
    rates = [entry["rate"] for entry in next(iter(studied[0]["optimizers"].values()))]
    shown = results.METRIC_NAMES.get(metric, metric)
    lines = _head("trained on", "learner", "optimiser", *(f"{rate:g}" for rate in rates))
    for one in studied:
        for name, entries in one["optimizers"].items():
            scores = (_decimal(entry["score"], metric) for entry in entries)
            lines.append(_row(one["arm"], one["architecture"], f"`{name}`", *scores))
    orders = [
        f"{one['arm']}, {one['architecture']}: " + ", ".join(
            _decimal(score, metric) for score in one["orders"]
        )
        for one in studied
    ]  # fmt: skip
    return (
        f"## Sensitivity\n\n{shown} by learning rate, one start.\n\n"
        + "\n".join(lines)
        + "\n\nThe same weights, other orders of the batches:\n\n- "
        + "\n- ".join(orders)
    )


def _cost(distillations: list[dict[str, Any]]) -> str:
    if not distillations:
        return ""
    lines = []
    for one in distillations:
        if one["seconds"] is None:
            lines.append(f"- {one['arm']}: how long it took is not known.")
            continue
        even = one["break_even"]
        won = (
            "a training on it is no faster than one on all data"
            if even is None
            else f"won back after {even:,.1f} trainings"
        )
        lines.append(
            f"- {one['arm']}: {one['seconds']:.0f} s, and {one['teacher_seconds']:.0f} s for the "
            f"learner that it starts from; {won}."
        )
    return "## Cost of the distillation\n\n" + "\n".join(lines)


def _pictures(drawn: dict[str, str], kind: str) -> str:
    return "\n".join(f"![{name}]({name}.svg)" for name in drawn if name.startswith(kind))


def _head(*cells: str | None) -> list[str]:
    return [_row(*cells), _row(*("---" for _ in cells))]


def _row(*cells: str | None) -> str:
    return f"| {' | '.join((cell or '').replace('|', '&#124;') for cell in cells)} |"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"


def _decimal(score: float | None, metric: str) -> str:
    return "" if score is None else f"{score:.{1 if metric == 'perplexity' else 3}f}"
