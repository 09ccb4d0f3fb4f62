"""Tables of the report as text: the arms of the evaluation, and how all was made."""

from __future__ import annotations

from typing import Any

from farzi.report.statements import retention_of
from farzi.report.wording import (
    MISSING,
    arm_name,
    counted,
    duration,
    file_size,
    interval,
    number,
    percent,
    readable,
)

METRICS = ("hr@10", "hr@100", "ndcg@10", "ndcg@100", "mrr")


def arm_labels(arms: list[dict[str, Any]]) -> list[str]:
    """Names of the arms, with the architecture where there are several."""
    several = len({arm.get("architecture") for arm in arms}) > 1
    return [
        arm_name(arm["arm"]) + (f", {readable(str(arm['architecture']), 16)}" if several else "")
        for arm in arms
    ]


def arm_rows(arms: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Cells of the tables of arms, as text."""
    return [
        {
            "label": label,
            "kind": "distilled" if arm["arm"] == "distilled" else "other",
            "architecture": setting(arm.get("architecture")),
            "scores": [
                (interval(arm["metrics"].get(m)), percent(retention_of(arm, m))) for m in METRICS
            ],
            "sequences": number(arm.get("sequences")),
            "events": number(arm.get("events")),
            "events_share": percent(arm.get("events_share")),
            "bytes": file_size(arm.get("bytes")),
            "bytes_share": percent(arm.get("bytes_share")),
            "seconds": duration(arm.get("train_seconds")),
            "steps": number(arm.get("train_steps")),
            "rate": setting(arm.get("learning_rate")),
            "seeds": counted(len((arm["metrics"].get("hr@10") or {}).get("seeds") or []), "seed"),
        }
        for arm, label in zip(arms, arm_labels(arms), strict=True)
    ]


def provenance(results: dict[str, Any]) -> list[dict[str, Any]]:
    """Small tables of how all this was made."""
    made = results.get("distillation", {})
    run = {
        "Total time": duration(results.get("total_seconds")),
        "Distillation": duration(made.get("seconds")),
        "Outer steps": number(made.get("outer_steps")),
        "Inner steps": number(made.get("inner_steps")),
        "Memory of a step": file_size(made.get("peak_bytes")),
        "Device": setting(results.get("device")),
        "Seed": setting(results.get("seed")),
    }
    stages = {key: duration(value) for key, value in (made.get("stages") or {}).items()}
    given = {
        "Run": run,
        "Stages": stages,
        "Recipe": flat(made.get("recipe") or {}),
        "Split": flat(made.get("split") or {}),
        "Versions": flat(results.get("versions") or {}),
    }
    return [
        {"title": title, "rows": [(readable(str(key), 40), value) for key, value in rows.items()]}
        for title, rows in given.items()
        if rows
    ]


def flat(table: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """A table of tables as one, keys joined by dots, values as text."""
    rows: dict[str, str] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            rows |= flat(value, f"{prefix}{key}.")
        else:
            rows[f"{prefix}{key}"] = setting(value)
    return rows


def setting(value: Any) -> str:
    """A setting as text, a float with four significant digits."""
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else readable(str(value), 80)
