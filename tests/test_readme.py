"""What README says can be typed does run."""

import re
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_distilling_as_in_the_readme(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    asked = "farzi.Recipe(outer_steps=400)"
    assert asked in BLOCKS[0]
    names = {}
    exec(BLOCKS[0].replace(asked, "farzi.Recipe(outer_steps=1, inner_steps=3)"), names)
    stored = names["farzi"].load("distilled").probabilities()
    assert stored.shape == (145, 11, 104)
    assert names["learner"].embedding.shape == (104, 32)
    # Chance is 0.044: the mean of 1 / log2(1 + rank) over the first ten of 104 ranks, 0 beyond.
    assert names["runs"].best_scores[0] > 0.1


def test_the_hypergradient_as_in_the_readme():
    names = {}
    exec(BLOCKS[1], names)
    assert names["gradient"].shape == (3, 3)
    assert np.isfinite(names["gradient"]).all()
    assert float(names["loss"]) == pytest.approx(4.0, abs=0.5)


@pytest.mark.parametrize("link", re.findall(r"\]\((?!http)(.*?)\)", README))
def test_links_lead_somewhere(link):
    assert (ROOT / link).exists()
