from __future__ import annotations

import pytest

from farzi.report.wording import duration, file_size, interval, percent, readable


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
