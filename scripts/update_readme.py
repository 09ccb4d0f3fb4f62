"""Put the outcome of a demo into README.md: its table and its picture.

    make demo && python scripts/update_readme.py farzi-demo

Copies `results.json` to docs/results/, so that the numbers in README can be checked.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from farzi.report.svg import standalone

ROOT = Path(__file__).parent.parent
NAMES = {"full": "all flights", "distilled": "**distilled**", "random": "random sequences"}


def main(folder: str) -> None:
    """Rewrite what stands between the markers of README.md."""
    if subprocess.run(["git", "diff", "--quiet", "HEAD", "--", "src"], cwd=ROOT).returncode:
        sys.exit("src/ has changes that are not committed; commit them and run the demo again.")
    content = json.loads((Path(folder) / "results.json").read_text())
    page = (Path(folder) / "report.html").read_text()
    target = ROOT / "docs" / "results"
    target.mkdir(parents=True, exist_ok=True)
    (target / "demo.json").write_text(json.dumps(content, indent=2) + "\n")
    picture = re.search(r"<svg viewBox=.*?</svg>", page, re.DOTALL)
    assert picture is not None, "the report has no picture"
    (target / "demo.svg").write_text(standalone(picture[0]))
    readme = ROOT / "README.md"
    filled = re.sub(
        r"(<!-- demo -->\n).*?(<!-- /demo -->)",
        lambda match: match[1] + table(content) + match[2],
        readme.read_text(),
        flags=re.DOTALL,
    )
    readme.write_text(filled)


def table(content: dict[str, Any]) -> str:
    """The arms as a Markdown table, and where the numbers are from."""
    lines = [
        "| trained on | sequences | events | bytes | HR@10 | retention | one training |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for arm in content["arms"]:
        hit = arm["metrics"]["hr@10"]
        lines.append(
            f"| {NAMES[arm['arm']]} | {arm['sequences']:,} "
            f"| {arm['events']:,} ({arm['events_share']:.2%}) "
            f"| {arm['bytes']:,} ({arm['bytes_share']:.0%}) "
            f"| {hit['mean']:.3f} ± {hit['ci95']:.3f} | {arm['retention']['hr@10']:.1%} "
            f"| {arm['train_seconds']:.1f} s |"
        )
    asked = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    seeds = len(content["arms"][0]["metrics"]["hr@10"]["seeds"])
    made = content["distillation"]
    return "\n".join(
        [
            *lines,
            "",
            "![HR@10 of each kind of training data](docs/results/demo.svg)",
            "",
            f"Commit `{commit.strip()}`, {content['device']}; {seeds} fresh starts an arm, mean ± "
            f"half the 95 % interval over them (not over other random draws or distillations). "
            f"Distilling took {made['seconds']:.0f} s, the whole demo "
            f"{content['total_seconds']:.0f} s. Every number: "
            "[docs/results/demo.json](docs/results/demo.json).",
            "",
        ]
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
