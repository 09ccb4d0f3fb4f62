"""Tables as strings."""

import pytest
from rich import box
from rich.table import Table

from farzi.plain_text import plain_text


def small(*cells):
    table = Table("a", "b", box=box.SIMPLE_HEAD)
    table.add_row(*cells)
    return table


def test_tables_stand_below_each_other_without_spaces_at_the_ends():
    one, two = plain_text(small("x", "y"), width=40), plain_text(small("z", ""), width=40)
    lines = plain_text(small("x", "y"), small("z", ""), width=40).splitlines()
    assert [line for line in lines if line] == [
        line for line in (one + "\n" + two).splitlines() if line
    ]
    assert lines == [line.rstrip() for line in lines]


@pytest.mark.parametrize("variable", ["FORCE_COLOR", "TTY_COMPATIBLE"])
def test_what_is_in_cells_is_taken_literally_and_never_coloured(variable, monkeypatch):
    monkeypatch.setenv(variable, "1")
    text = plain_text(small("[bold]x[/bold]", "1"), width=40)
    assert "[bold]x[/bold]" in text
    assert "\x1b" not in text
