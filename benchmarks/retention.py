"""How much of the full data's scores distilled data keep: recipes that have [evaluate], judged.

    python benchmarks/retention.py [--recipes magazine ml-100k-fmlp] [--data ../shared/data]

Each is run as its user would: `farzi prepare`, then `farzi evaluate`, in a working folder in which
what is done is not done again. Writes retention.json and .md to the folder of results; recipes that
are not run keep the numbers that they had.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro
from circumstances import ROOT, commit, cores
from full_data import farzi, prepared

RESULTS = ROOT / "docs" / "results" / "retention.json"
METRICS = ("hr@10", "hr@100", "ndcg@10", "accuracy", "perplexity")


@dataclass(frozen=True)
class Options:
    """Judge the distilled data of recipes.

    Attributes:
        recipes: names of files in recipes/; all that have a section [evaluate] if none is given.
        data: folder with the data sets.
        work: for prepared data, trainings and distilled data.
    """

    recipes: tuple[str, ...] = ()
    data: Path = ROOT.parent / "shared" / "data"
    work: Path = ROOT / ".cache" / "full_data"


def main(options: Options) -> None:
    """Run the recipes, one after the other, and write the table after each."""
    with_section = (
        path.stem
        for path in sorted(ROOT.glob("recipes/*.toml"))
        if "[evaluate]" in path.read_text()
    )
    for name in options.recipes or with_section:
        recipe = ROOT / "recipes" / f"{name}.toml"
        if not prepared(recipe, options.data, options.work):
            continue
        folder, now = Path("evaluated") / name, commit("src")
        farzi(options.work, "evaluate", str(recipe), "--out", str(folder))
        found = json.loads((options.work / folder / "results.json").read_text())
        table = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        table[name] = _short(found) | {"commit": now, "cores": cores()}
        RESULTS.write_text(json.dumps(dict(sorted(table.items())), indent=1) + "\n")
        RESULTS.with_suffix(".md").write_text(_page(dict(sorted(table.items()))))
        print(RESULTS.with_suffix(".md").read_text(), flush=True)


def _short(found: dict[str, Any]) -> dict[str, Any]:
    """What is kept of a comparison: its breakdowns and curves stay with whoever runs it."""
    kept = ("arm", "architecture", "sequences", "events", "bytes", "events_share", "bytes_share")
    more = ("metrics", "retention", "learning_rate", "train_steps", "train_seconds")
    arms = [{key: arm[key] for key in (*kept, *more)} for arm in found["arms"]]
    return {"arms": arms, "distillations": found["distillations"]}


def _page(table: dict[str, Any]) -> str:
    lines = [
        "# What distilled data keep of the full data's scores",
        "",
        "Test scores as a share of the full data's, and in brackets half the 95 % interval over "
        "five fresh starts, as a share of the same; for perplexity the full data's as a share of "
        "the arm's. The interval says nothing of other draws of a subset or other distillations. "
        "Recipes: `recipes/`; made by `python benchmarks/retention.py`. Times are no benchmark: "
        "the machine did other things too.",
    ]
    for name, found in table.items():
        full = found["arms"][0]["metrics"]
        shown = [metric for metric in METRICS if metric in full]
        reached = ", ".join(f"{metric} {full[metric]['mean']:.4g}" for metric in shown)
        lines += [
            "",
            f"## [{name}](../../recipes/{name}.toml)",
            "",
            f"{found['arms'][0]['architecture']}; full data: {reached}. Commit "
            f"`{found['commit']}`, {found['cores']} cores.",
            "",
            "| data | sequences | events | bytes | " + " | ".join(shown) + " |",
            "|---|--:|--:|--:|" + "--:|" * len(shown),
        ]
        for arm in found["arms"][1:]:
            cells = [_cell(arm, full, metric) for metric in shown]
            lines.append(
                f"| {arm['arm']} | {arm['sequences']} | {arm['events_share']:.2%} "
                f"| {arm['bytes_share']:.1%} | " + " | ".join(cells) + " |"
            )
        for cost in found["distillations"]:
            even = cost["break_even"]
            lines += [
                "",
                f"Distilling took {cost['seconds']:.0f} s after {cost['teacher_seconds']:.0f} s "
                "for the teachers; "
                + (
                    "it is never won back."
                    if even is None
                    else f"won back after {even:.1f} trainings on all data."
                ),
            ]
    return "\n".join([*lines, ""])


def _cell(arm: dict[str, Any], full: dict[str, Any], metric: str) -> str:
    half = arm["metrics"][metric]["ci95"]  # None of a single start.
    known = "" if half is None else f" ({half / full[metric]['mean']:.3f})"
    return f"{arm['retention'][metric]:.3f}{known}"


if __name__ == "__main__":
    main(tyro.cli(Options))
