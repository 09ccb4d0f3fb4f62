"""Reports of hostile names, of too little data, and of what does not fit."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from toy_report import METRICS, Page, arm, report_data, results, write

HOSTILE = (
    "<script>alert(1)</script>",
    "$\\frac",
    "$x_1$",
    "x" * 500,
    "مرحبا بالعالم",
    "\u202eoverride",
    "👩‍🚀🛫",
    "日本語",
    "two\nlines",
    " ",
    "",
    "\ud800",
    "\x00",
    "</style><img src=http://example.com/a.png>",
    '" onload="alert(1)',
    "{{ 7 * 7 }}",
)
TAIL = np.array([10_000_000 - 29] + [1] * 29)


def test_hostile_tokens_and_names_stay_text(tmp_path):
    content = results(
        dataset="<b>me</b> & {{ you }}", task="<i>", device="<u>", versions={"<s>": "<q>"}
    )
    content["arms"].append(arm("<em>$", 0.4, architecture="<a href=http://example.com>"))
    curves = {"<em>$": {"steps": [1, 2], "ndcg@10": [0.1, 0.2]}}
    data = report_data(HOSTILE, sequences=6, time=60, results=content, curves=curves)
    # Each token is somewhere the likeliest, so that all are printed in a cell.
    winners = np.arange(6 * 60).reshape(6, 60) % len(HOSTILE)
    data = replace(data, synthetic=np.eye(len(HOSTILE))[winners])
    source = write(tmp_path, data)
    page = Page(source)
    assert page.stack == []
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "img", "b", "em", "q", "u"}
    for _, attributes in page.elements:
        assert not any(name.startswith("on") for name in attributes)
    shown = {data for tag, data in page.texts if tag in ("bdi", "text")}
    assert {"<script>ale…", "$\\frac", "$x_1$", "xxxxxxxxxxx…", "👩‍🚀🛫", "日本語"} <= shown
    assert {"two↵lines", "␣", "\ufffd", "override", "{{ 7 * 7 }}"} <= shown
    assert "x" * 50 not in source
    assert page.text.count("<b>me</b> & {{ you }}") >= 2


@pytest.mark.parametrize(
    "given",
    [
        {"tokens": ("a",), "sequences": 1, "time": 1},
        {"tokens": ("a", "b"), "sequences": 1, "time": 2},
        {"outer_losses": np.array([])},
        {"outer_losses": np.array([3.1])},
        {"outer_losses": np.array([np.nan, np.inf, 3.0])},
        {"outer_losses": np.full(3, np.nan)},
        {"outer_losses": np.full(200, 3.0)},
        {"validations": []},
        {"validations": [{"step": 3, "ndcg@10": 0.0}]},
        {"validations": [{"step": 3, "ndcg@10": float("nan")}, {"step": 4}]},
        {"curves": {}},
        {"curves": {"full": {"steps": [], "ndcg@10": []}}},
        {"curves": {"full": {"steps": [0, 300], "ndcg@10": [0.1, 0.2]}}},
        {"curves": {"full": {"steps": [1, 90000], "ndcg@10": [0.1, None]}}},
        {"curves": {"full": {"steps": [1, 90000], "ndcg@10": [0.1, 0.3]}}},
        {"real_transitions": np.zeros((30, 30))},
        {"synthetic": np.full((2, 4, 30), 1 / 30, dtype=np.float32)},
        {"real_lengths": np.array([], int), "real_counts": np.zeros(30, int)},
        {"real_lengths": np.zeros(3, int), "real_counts": np.zeros(30, int)},
        {"real_lengths": np.full(6, 10), "real_counts": np.full(30, 2)},
        {"real_lengths": np.array([60]), "real_counts": np.eye(30, dtype=np.uint32)[7] * 60},
        {"real_lengths": np.array([1, 1, 0, 8, 9_999_990]), "real_counts": TAIL},
    ],
)
def test_poor_data_still_makes_a_page(tmp_path, given):
    source = write(tmp_path, report_data(**given))
    page = Page(source)
    assert page.stack == []
    assert "nan" not in re.sub(r"<[^>]*>", "", source).lower()
    assert all(len(picture["aria-label"]) > 40 for picture in page.named("svg"))


@pytest.mark.parametrize("name", ["full", "distilled", "random", "coreset"])
def test_a_single_arm_makes_a_page(tmp_path, name):
    content = results(arms=[arm(name, 0.4)])
    page = Page(write(tmp_path, report_data(results=content)))
    assert "3 synthetic sequences of 5 events each" in page.text
    assert "0.4000\xa0±\xa00.0248" in page.text
    assert "paid for itself" not in page.text


def test_no_arms_make_a_page(tmp_path):
    page = Page(write(tmp_path, report_data(results=results(arms=[]))))
    assert "How well a model learns from these alone was not measured." in page.text


@pytest.mark.parametrize("half", [None, float("nan")])
def test_one_seed_has_no_interval(tmp_path, half):
    content = results()
    for entry in content["arms"]:
        entry["metrics"] = {
            m: {"mean": 0.4123, "ci95": half, "seeds": [0.4123]} for m in METRICS
        }  # fmt: skip
    page = Page(write(tmp_path, report_data(results=content)))
    assert "±" not in "".join(data for tag, data in page.texts if tag == "td")
    assert ("td", "0.4123") in page.texts
    assert "1 seed" in page.text


@pytest.mark.parametrize("retention", [None, {}, {"hr@10": None}])
def test_missing_retention_is_left_out(tmp_path, retention):
    content = results()
    content["arms"][1]["retention"] = retention
    content["arms"][2].pop("retention")
    page = Page(write(tmp_path, report_data(results=content)))
    assert "A model trained on these alone reaches an HR@10 of 0.501." in page.text
    assert "None" not in page.text


def test_several_architectures_are_told_apart(tmp_path):
    content = results()
    content["arms"] += [arm("full", 0.6, architecture="GRU4Rec")]
    page = Page(write(tmp_path, report_data(results=content)))
    assert "Full data, GRU4Rec" in page.text
    assert "HR@10 0.501 against 0.520" in page.text


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"synthetic": np.ones((2, 3, 29)) / 29}, "synthetic has the shape"),
        ({"synthetic": np.ones((0, 3, 30)) / 30}, "synthetic is empty"),
        ({"synthetic": np.ones((2, 3, 30))}, "does not sum to 1"),
        ({"synthetic": np.full((2, 3, 30), np.nan)}, "does not sum to 1"),
        ({"real_transitions": np.ones((30, 29))}, "real_transitions has the shape"),
        ({"real_counts": np.ones(29)}, "real_counts has the shape"),
        ({"real_counts": np.ones(30), "real_lengths": np.full(3, 9)}, "to 27 events"),
        ({"real_counts": np.ones(30), "real_lengths": np.full((3, 1), 10)}, r"shape \(3, 1\)"),
    ],
)
def test_what_does_not_fit_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        report_data(**given)
