"""What a report says, in sentences, cells and tables."""

from __future__ import annotations

import re

import numpy as np
import pytest
from toy_report import Page, report_data, results, write

from farzi.report.statements import break_even, cost, storage


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Page:
    return Page(write(tmp_path_factory.mktemp("report"), report_data()))


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
    assert "after 18.0\xa0s for training, on the full data" in text
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


def test_it_says_how_long_real_sequences_are_and_how_popular_their_tokens(page, tmp_path):
    # Of 5 + 6 + ... + 34 events, 34 + 33 + 32 are of the three most popular of the 30 tokens.
    assert (
        "The most popular 10\xa0% of the tokens (3 of 30) take 16.9\xa0% of all events."
        in page.text
    )
    assert "logarithmic: equal distances are equal factors. The median" not in page.text
    counts = np.array([900, 60, 40])
    data = report_data(
        ("a", "b", "c"), real_lengths=np.array([2, 0, 3, 6, 989]), real_counts=counts
    )
    text = Page(write(tmp_path, data)).text
    assert "The axis of events is logarithmic: equal distances are equal factors." in text
    assert "1 sequence without events left out." in text
    assert "The median length of a sequence is 4.5 events, the longest has 989." in text
    assert "circle: the most popular token;" in text
    assert "The most popular of the 3 tokens takes 90.0\xa0% of all events." in text
    assert "without events" not in page.text


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
