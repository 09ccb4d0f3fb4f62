"""The demo on the real flights, only shorter."""

import json

import numpy as np
import pytest
from rich.console import Console

from farzi import storage
from farzi.demo import Plan, run
from farzi.distillation import Recipe
from farzi.training import Training

PLAN = Plan(
    recipe=Recipe(
        sequences=20, inner_steps=6, outer_steps=4, warmup=1, real_batch=32, validate_every=2
    ),
    all=Training(max_steps=20, evaluate_every=10),
    few=6,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def content(folder):
    return run(folder, 0, plan=PLAN, console=Console(quiet=True))


def timeless(content):
    """The results without what may differ from run to run."""
    if isinstance(content, dict):
        return {key: timeless(value) for key, value in content.items() if "seconds" not in key}
    if isinstance(content, list):
        return [timeless(value) for value in content]
    return content


def test_results_have_the_promised_form(folder, content):
    assert json.loads((folder / "results.json").read_text()) == content
    assert set(content) == {
        "dataset", "task", "arms", "distillation", "total_seconds", "versions", "device", "seed",
    }  # fmt: skip
    assert [arm["arm"] for arm in content["arms"]] == ["full", "distilled", "random"]
    full, distilled, random = content["arms"]
    assert (full["events"], full["events_share"], full["retention"]["hr@10"]) == (320977, 1, 1)
    for arm in (distilled, random):
        assert (arm["sequences"], arm["events"]) == (20, 220)
        assert arm["events_share"] == pytest.approx(220 / 320977)
        assert arm["bytes_share"] == pytest.approx(arm["bytes"] / full["bytes"])
    for arm in content["arms"]:
        assert set(arm["metrics"]) == {"hr@10", "hr@100", "ndcg@10", "ndcg@100", "mrr"}
        for name, metric in arm["metrics"].items():
            assert len(metric["seeds"]) == 4
            assert metric["mean"] == pytest.approx(np.mean(metric["seeds"]))
            assert 0 <= metric["mean"] <= 1
            reference = full["metrics"][name]["mean"]
            assert arm["retention"][name] == pytest.approx(metric["mean"] / reference)
    cost = content["distillation"]
    assert (cost["outer_steps"], cost["inner_steps"]) == (4, 6)
    assert cost["peak_bytes"] > 1_000_000


def test_the_distilled_data_can_be_loaded(folder, content):
    data = storage.load(folder / "distilled")
    assert data.probabilities().shape == (20, 11, 104)
    assert content["arms"][1]["bytes"] == (folder / "distilled" / storage.TENSORS).stat().st_size


def test_the_report_states_the_results(folder, content):
    page = (folder / "report.html").read_text()
    assert f"{content['arms'][1]['retention']['hr@10']:.1%}"[:-1] in page
    assert "<svg" in page
    assert "The median length of a sequence is 51 events, the longest has 544." in page
    assert "tokens (10 of 104) take 42.1\xa0% of all events." in page


def test_the_same_seed_gives_the_same_results_but_for_times(tmp_path, content):
    again = run(tmp_path, 0, plan=PLAN, console=Console(quiet=True))
    assert timeless(again) == timeless(content)
