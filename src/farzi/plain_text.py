"""Tables of rich as plain text, for what is returned instead of printed."""

from __future__ import annotations

import io

from rich.console import Console
from rich.table import Table


def plain_text(*tables: Table, width: int) -> str:
    """The tables below each other, without colours, and without spaces at the ends of lines."""
    # Not a terminal even where FORCE_COLOR says so: escape codes have no place in a string.
    console = Console(
        file=io.StringIO(), width=width, markup=False, highlight=False, force_terminal=False
    )
    with console.capture() as shown:
        console.print(*tables)
    return "\n".join(line.rstrip() for line in shown.get().strip("\n").splitlines())
