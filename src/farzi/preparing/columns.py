"""Which column of a table holds what: recognised by its name, or named by the user."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

NAMES: dict[str, tuple[str, ...]] = {
    "user": (
        "user", "user_id", "userid", "uid", "u", "session", "session_id", "sessionid", "visitor",
        "visitor_id", "visitorid", "customer", "customer_id", "customerid", "account",
        "account_id", "reviewerid", "reviewer_id", "sequence", "sequence_id",
    ),
    "item": (
        "item", "item_id", "itemid", "iid", "i", "product", "product_id", "productid", "asin",
        "parent_asin", "movie", "movie_id", "movieid", "track", "track_id", "song", "song_id",
        "article", "article_id", "book", "book_id", "business_id", "venue", "venue_id", "page",
        "token",
    ),
    "time": (
        "time", "timestamp", "ts", "t", "datetime", "date_time", "date", "event_time",
        "created_at", "unix_time", "unixtime", "unixreviewtime",
    ),
    "rating": ("rating", "ratings", "overall", "score", "stars", "r"),
    "type": ("event_type", "type", "behavior", "behaviour", "action", "event"),
}  # fmt: skip
"""Usual names of each role's column, the most telling first."""
NUMBERS = ("value", "reading", "measurement", "amount", "price")
"""Those of an item that is a number."""
REQUIRED = ("user", "item")


def recognise(
    columns: Sequence[str], named: Mapping[str, str], source: str, *, numbers: bool = False
) -> dict[str, str]:
    """The column of each role that the table has one for.

    Args:
        columns: of the table.
        named: roles whose column the user named.
        source: the table in words, for messages.
        numbers: the items are to be numbers.

    Raises:
        ValueError: if a named column is not there, or none is found for the user or the item.

    >>> recognise(["User-ID", "movie", "when"], {"time": "when"}, "log.csv")
    {'user': 'User-ID', 'item': 'movie', 'time': 'when'}
    """
    found: dict[str, str] = {}
    usual = NAMES | {"item": NUMBERS + NAMES["item"]} if numbers else NAMES
    for role, names in usual.items():
        if role in named:
            if named[role] not in columns:
                raise ValueError(_not_there(named[role], columns, role, source))
            found[role] = named[role]
            continue
        by_name = {normal(column): column for column in columns if column not in named.values()}
        match = next((by_name[name] for name in names if name in by_name), None)
        if match is not None:
            found[role] = match
    for role in REQUIRED:
        if role not in found:
            raise ValueError(
                f"{source} has no column that is known to hold the {role}: it has "
                f"{', '.join(columns)}; name it, as in --{role} {columns[0]}."
            )
    return found


def is_known(name: str) -> bool:
    """Whether some role's column often has this name."""
    return any(normal(name) in names for names in NAMES.values())


def normal(name: str) -> str:
    """A column's name without what differs between files: case, spaces, RecBole's `:type`."""
    return name.strip().lower().partition(":")[0].replace(" ", "_").replace("-", "_")


def _not_there(name: str, columns: Sequence[str], role: str, source: str) -> str:
    nearest = difflib.get_close_matches(name, columns, n=1)
    advice = f"did you mean {nearest[0]!r}?" if nearest else f"it has {', '.join(columns)}."
    return f"{source} has no column {name!r}, which is to hold the {role}; {advice}"
