import io
import json
import math

import numpy as np
import pytest
from rich.console import Console

from farzi import results


def test_the_interval_is_student_s():
    values = [0.2, 0.3, 0.4]
    mean, half_width = results.interval(values)
    # 4.3027 is the 97.5 % quantile for two degrees of freedom in any printed table.
    assert mean == pytest.approx(0.3)
    assert half_width == pytest.approx(4.3027 * np.std(values, ddof=1) / math.sqrt(3), rel=1e-4)


def test_one_value_has_no_interval():
    assert results.interval([0.5]) == (0.5, None)


def test_what_is_no_number_in_json_is_refused(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        results.write(tmp_path / "results.json", {"mean": math.nan})
    assert not list(tmp_path.iterdir())


def test_the_table_shows_every_arm_in_eighty_columns():
    arms = [
        {
            "arm": name,
            "sequences": 1234567,
            "events_share": 0.00497,
            "bytes_share": 0.402,
            "metrics": {"hr@10": {"mean": 0.865, "ci95": width}},
            "retention": {"hr@10": retention},
        }
        for name, width, retention in [("full", 0.011, 0.98), ("distilled", None, None)]
    ]
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(results.table(arms, "title"))
    text = console.export_text()
    for shown in ("full", "distilled", "0.50%", "40.2%", "0.865 ±0.011", "98.0%", "1,234,567"):
        assert shown in text
    assert "…" not in text


def test_results_are_written_as_they_are(tmp_path):
    content = {"seed": 1, "arms": [], "half": 0.5, "none": None}
    results.write(tmp_path / "results.json", content)
    assert json.loads((tmp_path / "results.json").read_text()) == content
