from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from farzi.report import ReportData, write_report
from farzi.report.statements import break_even, cost, storage
from farzi.report.transitions import (
    correlation,
    expected_transitions,
    most_frequent,
    row_shares,
    total_variation,
)
from farzi.report.wording import duration, file_size, interval, percent, readable

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
METRICS = ("hr@10", "hr@100", "ndcg@10", "ndcg@100", "mrr")


class Page(HTMLParser):
    """What the tests look at: elements, the text in them, and which were left open."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.stack: list[str] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, {key: value or "" for key, value in attrs}))
        if tag not in ("meta", "img", "link", "br"):
            self.stack.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, {key: value or "" for key, value in attrs}))

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag

    def handle_data(self, data):
        if self.stack and self.stack[-1] != "style":
            self.texts.append((self.stack[-1], data))

    @property
    def text(self) -> str:
        return re.sub(r"[ \n]+", " ", "".join(data for _, data in self.texts))

    def named(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


def arm(name: str, score: float, **given: Any) -> dict[str, Any]:
    seeds = [score - 0.01, score, score + 0.01]
    values = {
        "arm": name,
        "architecture": "SASRec",
        "sequences": 4037,
        "events": 320614,
        "events_share": 1.0,
        "bytes": 1282456,
        "bytes_share": 1.0,
        "metrics": {m: {"mean": score, "ci95": 0.0248, "seeds": seeds} for m in METRICS},
        "retention": dict.fromkeys(METRICS, score / 0.52),
        "train_seconds": 21.4,
        "learning_rate": 0.001,
        "train_steps": 1840.0,
    }
    return values | given


def results(**given: Any) -> dict[str, Any]:
    few = {"sequences": 3, "events": 15, "events_share": 0.000047}
    arms = [
        arm("full", 0.52),
        arm("distilled", 0.5012, **few, bytes=70656, bytes_share=0.0551, train_seconds=2.9),
        arm("random", 0.371, **few, bytes=60, bytes_share=0.000047, train_seconds=2.7),
    ]
    distillation = {"seconds": 340.0, "outer_steps": 50, "inner_steps": 20, "peak_bytes": 1.31e9}
    return {
        "dataset": "flights",
        "task": "next destination",
        "arms": arms,
        "distillation": distillation,
        "total_seconds": 640.0,
        "versions": {"farzi": "0.1.0", "numpy": "2.4.6"},
        "device": "cpu",
        "seed": 7,
    } | given


def report_data(
    tokens: tuple[str, ...] | None = None, sequences: int = 3, time: int = 5, **given: Any
) -> ReportData:
    tokens = tokens or tuple(f"T{i:02d}" for i in range(30))
    generator = np.random.default_rng(0)
    size = len(tokens)
    curve = {"steps": [10, 20, 40, 80], "ndcg@10": [0.1, 0.2, 0.3, 0.29]}
    values = {
        "results": results(),
        "tokens": tokens,
        "synthetic": generator.dirichlet(np.full(size, 0.2), size=(sequences, time)),
        "real_transitions": generator.integers(1, 50, (size, size)).astype(float),
        "outer_losses": 3.0 - 0.01 * np.arange(100) + 0.1 * generator.normal(size=100),
        "validations": [{"step": s, "ndcg@10": 0.2 + s / 1000, "loss": 3.0} for s in (0, 50, 100)],
        "curves": {"full": curve, "distilled": curve, "random": curve},
    }
    return ReportData(**(values | given))


def write(folder: Path, data: ReportData) -> str:
    write_report(folder / "report.html", data)
    return (folder / "report.html").read_text("utf-8")


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> str:
    return write(tmp_path_factory.mktemp("report"), report_data())


@pytest.fixture(scope="module")
def page(source) -> Page:
    return Page(source)


# The page


def test_a_page_is_whole_html_with_language_title_and_headings(source, page):
    assert source.startswith("<!DOCTYPE html>")
    assert page.stack == []
    assert page.named("html") == [{"lang": "en"}]
    assert len(page.named("h1")) == len(page.named("main")) == 1
    assert len(page.named("section")) == len(page.named("h2")) == 7
    assert {s["aria-labelledby"] for s in page.named("section")} == {
        h["id"] for h in page.named("h2")
    }


def test_nothing_is_fetched_and_nothing_runs(source, page):
    assert not {"script", "link", "iframe", "img", "object"} & {tag for tag, _ in page.elements}
    for tag, attributes in page.elements:
        for name in ("src", "href", "xlink:href", "srcset", "action"):
            assert attributes.get(name, "#").startswith("#"), (tag, attributes)
        assert not any(name.startswith("on") for name in attributes)
    assert "http://" not in source
    assert "https://" not in source
    assert "@import" not in source
    assert set(re.findall(r"url\((.)", source)) <= {"#"}
    assert len(source) < 1_500_000


def test_every_picture_says_in_words_what_it_shows(page):
    pictures = page.named("svg")
    assert len(pictures) == 6
    for picture in pictures:
        assert picture["role"] == "img"
        assert len(picture["aria-label"]) > 40
        assert {"width", "height"}.isdisjoint(picture)
    assert len(page.named("figcaption")) == 6


def test_ids_are_unique_and_references_lead_somewhere(source, page):
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    wanted = re.findall(r"url\(#([^)]+)\)", source) + re.findall(r'href="#([^"]+)"', source)
    assert wanted
    assert set(wanted) <= set(ids)
    for _, attributes in page.elements:
        if "aria-labelledby" in attributes:
            assert attributes["aria-labelledby"] in ids


def test_pictures_take_the_colours_of_the_page_in_light_and_dark(source):
    style = (resources.files("farzi.report") / "style.css").read_text("utf-8")
    svgs = "".join(re.findall(r"<svg.*?</svg>", source, re.DOTALL))
    light, dark = style.split("prefers-color-scheme: dark")
    variables = set(re.findall(r"var\((--[\w-]+)\)", svgs))
    assert {"--ink", "--line", "--full", "--distilled", "--random", "--heat"} <= variables
    for variable in variables:
        assert f"{variable}: #" in light
        assert f"{variable}: #" in dark
    assert not re.findall(r"(?:fill|stroke): #", svgs)


def test_text_stands_out_from_its_background_in_light_and_dark():
    style = (resources.files("farzi.report") / "style.css").read_text("utf-8")
    light, dark = (
        dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", part))
        for part in style.split("prefers-color-scheme: dark")
    )
    pairs = [(f"t{i}", f"c{i}") for i in range(5)] + [("ink", "page"), ("muted", "page")]
    for colours in (light, dark):
        for text, background in [*pairs, ("distilled", "page")]:
            assert contrast(colours[text], colours[background]) >= 4.5, (text, background)
        for line in ("full", "random", "fourth", "fifth", "heat"):
            assert contrast(colours[line], colours["page"]) >= 3, line


def contrast(first: str, second: str) -> float:
    """Contrast ratio by WCAG 2."""

    def luminance(colour: str) -> float:
        channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        linear = np.where(
            channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4
        )
        return float(linear @ [0.2126, 0.7152, 0.0722])

    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


# What it says


def test_it_begins_with_two_sentences_that_give_the_main_numbers(page):
    lead = next(data for _, data in page.texts if "condensed" in data)
    assert lead == (
        "320,614 real events in 4,037 sequences (flights) were condensed into 3 synthetic "
        "sequences of 5 events each, 0.0047\xa0% of the original events. A model trained on these "
        "alone reaches 96.4\xa0% of the score of one trained on everything (HR@10 0.501 against "
        "0.520); 3 real sequences picked at random reach 71.3\xa0%."
    )


def test_the_table_shows_the_results(page):
    cells = [data for tag, data in page.texts if tag in ("td", "th", "small")]
    start = cells.index("Distilled")
    assert cells[start : start + 12] == [
        "Distilled", "0.5012\xa0±\xa00.0248", "96.4\xa0%", "0.5012\xa0±\xa00.0248", "96.4\xa0%",
        "3", "15", "0.0047\xa0%", "70.7\xa0kB", "5.5\xa0%", "2.9\xa0s", "Random sample",
    ]  # fmt: skip


def test_it_explains_its_terms(page):
    assert "the true one is among its first ten: blind guessing would reach 0.333." in page.text
    assert "100\xa0% means that nothing was lost." in page.text


def test_it_says_frankly_that_bytes_are_saved_less_than_events(page):
    assert "holds 0.0047\xa0% of the events but takes 5.5\xa0% of the bytes" in page.text
    assert "a probability for each of the 30 tokens" in page.text
    assert "It is larger than the original" not in page.text


def test_it_says_so_where_the_synthetic_data_is_larger_or_relatively_smaller():
    content = results()
    content["arms"][1] |= {"bytes_share": 1.7}
    assert "It is larger than the original" in (storage(content, 30) or "")
    content["arms"][1] |= {"bytes_share": 0.00001}
    assert "takes 0.0010\xa0% of the original's bytes" in (storage(content, 30) or "")


def test_it_says_after_how_many_trainings_the_distillation_has_paid(page):
    # 340 / (21.4 - 2.9) = 18.4
    assert "5\xa0min 40\xa0s. One training takes 21.4\xa0s" in page.text
    assert "paid for itself after 19 trainings." in page.text
    content = results()
    content["arms"][1]["train_seconds"] = 30.0
    assert "in time it never pays for itself." in (cost(content) or "")


def test_the_training_of_the_model_it_started_from_is_part_of_the_cost():
    content = results()
    content["distillation"]["teacher_seconds"] = 18.0
    # (340 + 18) / (21.4 - 2.9) = 19.4
    text = cost(content) or ""
    assert "after 18.0\xa0s for training the model" in text
    assert "paid for itself after 20 trainings." in text


def test_break_even_at_equal_speed_is_never():
    assert break_even(10.0, 2.0, 2.0) is None
    assert break_even(10.0, 2.0, 1.0) == 10


def test_sequences_show_the_likeliest_token_and_its_probability(tmp_path):
    synthetic = np.array([[[0.9, 0.06, 0.04], [0.2, 0.5, 0.3]]])
    data = report_data(
        ("tea", "milk", "rum"), synthetic=synthetic, real_transitions=np.eye(3), validations=[]
    )
    source = write(tmp_path, data)
    places = re.findall(r'<li class="c(\d)" title="([^"]*)"><bdi>(\w+)</bdi><small>(\d+)', source)
    assert places == [
        ("4", "tea 90.0\xa0%, milk 6.0\xa0%, rum 4.0\xa0%", "tea", "90"),
        ("2", "milk 50.0\xa0%, rum 30.0\xa0%, tea 20.0\xa0%", "milk", "50"),
    ]
    assert "has a probability of 70.0\xa0% on average" in Page(source).text


def test_long_and_many_sequences_are_cut_and_the_caption_says_so(tmp_path):
    source = write(tmp_path, report_data(("a", "b"), sequences=40, time=200))
    assert source.count('<ol class="places">') == 6
    assert source.count("<bdi>a</bdi>") + source.count("<bdi>b</bdi>") == 6 * 60
    text = Page(source).text
    assert "The first 6 of 40 sequences, the first 60 of 200 places each." in text


def test_recipe_split_and_stages_are_tables_where_given(page, tmp_path):
    assert "Recipe" not in page.text
    content = results()
    content["distillation"] |= {
        "recipe": {"rank": 16, "inner": {"rate": 0.01, "hard": False}, "start": None},
        "split": {"test": 4001},
        "stages": {"search": 61.0},
    }
    cells = [
        data
        for tag, data in Page(write(tmp_path, report_data(results=content))).texts
        if tag in ("td", "th", "caption")
    ]
    joined = "|".join(cells)
    assert "Recipe|rank|16|inner.rate|0.01|inner.hard|no|start|\N{EN DASH}|" in joined
    assert "Split|test|4001" in joined
    assert "Stages|search|1\xa0min 01\xa0s" in joined
    assert "Versions|farzi|0.1.0|numpy|2.4.6" in joined


# Hostile and poor data


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
    ],
)
def test_what_does_not_fit_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        report_data(**given)


# The file


def test_the_same_data_give_the_same_bytes(tmp_path, source):
    code = """
import sys, warnings
warnings.simplefilter("error")
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from test_report import report_data, write_report
import matplotlib
matplotlib.rcParams["lines.linewidth"] = 9  # a user's own settings
write_report(Path(sys.argv[1]), report_data())
assert matplotlib.rcParams["lines.linewidth"] == 9
assert "matplotlib.pyplot" not in sys.modules
assert not any(name.split(".")[0] in ("jax", "equinox", "optax") for name in sys.modules)
"""
    path = tmp_path / "again.html"
    here = str(Path(__file__).parent)
    subprocess.run([sys.executable, "-c", code, str(path), here], check=True, timeout=300)
    assert path.read_text("utf-8") == source


def test_it_replaces_what_was_there_and_leaves_nothing_beside_it(tmp_path):
    path = tmp_path / "new" / "report.html"
    path.parent.mkdir()
    path.write_text("old")
    write_report(path, report_data())
    assert "condensed" in path.read_text("utf-8")
    assert list(path.parent.iterdir()) == [path]


def test_a_failure_leaves_the_old_report(tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("old")

    def fail(self: Path, content: bytes) -> int:
        self.open("wb").close()
        raise OSError("disk full")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(OSError, match="disk full"):
        write_report(path, report_data())
    assert path.read_text("utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


# Numbers and words


def test_expected_transitions_are_the_sum_over_neighbouring_places():
    synthetic = np.random.default_rng(1).dirichlet(np.ones(4), size=(3, 5))
    brute = np.zeros((4, 4))
    for sequence in synthetic:
        for before, after in pairwise(sequence):
            brute += np.outer(before, after)
    np.testing.assert_allclose(expected_transitions(synthetic), brute, rtol=1e-12)
    assert expected_transitions(synthetic).sum() == pytest.approx(3 * 4)


def test_hard_sequences_have_their_counts_as_expected_transitions():
    ids = np.array([[0, 1, 1, 2], [2, 0, 1, 1]])
    np.testing.assert_array_equal(
        expected_transitions(np.eye(3)[ids]), [[0, 2, 0], [0, 2, 1], [1, 0, 0]]
    )


def test_total_variation_by_hand():
    real = np.array([[3.0, 1.0], [2.0, 2.0]])
    assert total_variation(real, 5 * real) == pytest.approx(0)
    # Rows (3/4, 1/4) against (1/4, 3/4): 1/2. Nothing known of the second row: 1. Equal weights.
    assert total_variation(real, np.array([[1.0, 3.0], [0.0, 0.0]])) == pytest.approx(0.75)
    assert np.isnan(total_variation(np.zeros((2, 2)), real))


def test_row_shares_frequency_and_correlation():
    np.testing.assert_array_equal(
        row_shares(np.array([[1.0, 3.0], [0, 0]])), [[0.25, 0.75], [0, 0]]
    )
    counts = np.array([[0, 0, 0], [0, 9, 1], [0, 2, 0]])
    assert most_frequent(counts, 20).tolist() == [1, 2]
    assert most_frequent(counts, 1).tolist() == [1]
    first, second = np.random.default_rng(2).normal(size=(2, 4, 4))
    expected = np.corrcoef(first.ravel(), second.ravel())[0, 1]
    assert correlation(first, second) == pytest.approx(expected)
    assert np.isnan(correlation(np.ones(3), np.arange(3.0)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (percent(1.0), "100.0\xa0%"),
        (percent(12.5), "1,250.0\xa0%"),
        (percent(0.000012), "0.0012\xa0%"),
        (percent(float("nan")), "\N{EN DASH}"),
        (file_size(999_600), "1.00\xa0MB"),
        (file_size(0), "0\xa0B"),
        (file_size(None), "\N{EN DASH}"),
        (duration(59.96), "1\xa0min 00\xa0s"),
        (duration(3599.7), "1\xa0h 00\xa0min"),
        (interval(None), "\N{EN DASH}"),
        (readable("a" * 10, 10), "a" * 10),
        (readable("a" * 11, 10), "a" * 9 + "…"),
    ],
)
def test_quantities_in_words(text, expected):
    assert text == expected
