"""The pictures of a comparison: scores of all arms, and scores within groups of questions."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes

from farzi.report.pictures import MARKERS, colour_of, draw_scores
from farzi.report.svg import picture
from farzi.report.tables import arm_labels

GROUPED = {
    "popularity": "training events of the item",
    "history": "events before the question",
}


def draw(content: dict[str, Any]) -> dict[str, str]:
    """Inline SVG of each picture, by its name.

    Args:
        content: of `results.json`.
    """
    metric = content["main_metric"]
    drawn = {}
    for learner in dict.fromkeys(arm["architecture"] for arm in content["arms"]):
        arms = [arm for arm in content["arms"] if arm["architecture"] == learner]
        labels = arm_labels(arms)
        means = "; ".join(
            f"{label}: {arm['metrics'][metric]['mean']:.3f}"
            for label, arm in zip(labels, arms, strict=True)
        )
        alt = f"{metric} of {learner} trained on each arm. {means}."
        short = learner.split(" ")[0].lower()
        drawn[f"scores-{short}"] = draw_scores(arms, labels, metric, None, alt)
        for name, title in GROUPED.items():
            if arms[0]["breakdown"]:
                drawn[f"{name}-{short}"] = _draw_groups(arms, name, title)
    return drawn


def _draw_groups(arms: list[dict[str, Any]], name: str, title: str) -> str:
    """NDCG@10 within each group, one line an arm."""
    groups = arms[0]["breakdown"][name]
    places = range(len(groups))
    labels = [f"{group['from']:,}-{group['to']:,}" for group in groups]
    names = [arm["arm"] for arm in arms]

    def lines(axes: Axes) -> None:
        for place, arm in enumerate(arms):
            axes.plot(
                places,
                [group["ndcg@10"] for group in arm["breakdown"][name]],
                color=colour_of(arm["arm"], names),
                linestyle=("-", "--", ":", "-.")[place // len(MARKERS) % 4],
                marker=MARKERS[place % len(MARKERS)],
                markersize=5,
                linewidth=2,
                label=arm["arm"],
            )
        axes.set_xticks(places, labels)
        axes.set_ylim(bottom=0)
        axes.grid(axis="y")
        axes.set_xlabel(title)
        axes.set_title(f"NDCG@10, {arms[0]['architecture']}", pad=10)
        axes.figure.legend(loc="outside lower left", ncols=3)

    told = "; ".join(
        f"{arm['arm']}: " + ", ".join(f"{one['ndcg@10']:.3f}" for one in arm["breakdown"][name])
        for arm in arms
    )
    alt = f"NDCG@10 by {title}, in groups of {', '.join(labels)}. {told}."
    return picture(name, alt, lines, height=330 + 20 * (len(arms) // 3))
