"""What the sources and documents point at exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXTS = [
    path
    for folder in ("src", "docs", "benchmarks", "scripts", "tests", "README.md")
    for path in [ROOT / folder, *(ROOT / folder).rglob("*")]
    if path.suffix in (".py", ".md")
]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_that_a_text_names_exist(path):
    named = re.findall(
        r"\b(?:docs|tests|scripts|benchmarks)/[\w/-]+\.(?:md|py|json)", path.read_text()
    )
    assert [name for name in named if not (ROOT / name).exists()] == []
