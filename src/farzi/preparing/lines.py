"""Lines of text files, compressed or not, and the first of JSON Lines that cannot be read."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path


def lines(path: Path, longest: int = -1) -> Iterator[tuple[int, str]]:
    """Number and text of each line, its end included, a byte order mark left out.

    Args:
        path: the file; may end with .gz.
        longest: bytes of a line that is too long to be one; -1 if all may be.

    Raises:
        ValueError: if a line is too long or no text, or the file cannot be decompressed.
    """
    number = 0
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            while line := file.readline(longest):
                number += 1
                if len(line) == longest:
                    raise ValueError(
                        f"{path}, line {number} is longer than a million bytes; name a file that "
                        "has an event a line."
                    )
                yield number, line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path}, line {number}: byte {error.start + 1} is no text in UTF-8; convert the "
            "file, with iconv for example."
        ) from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(
            f"{path} cannot be decompressed after line {number} ({error}); it may be incomplete: "
            "fetch or write it again."
        ) from None


def check_json_lines(path: Path) -> None:
    """Find the first line that is no JSON object; to be called when reading has failed.

    Raises:
        ValueError: that names it, if there is one.
    """
    for number, line in lines(path):
        text = line.strip()
        if not text:
            continue
        try:
            if isinstance(json.loads(text, parse_constant=_refuse), dict):
                continue
            why = ""
        except json.JSONDecodeError as error:
            why = f" ({error.msg.removesuffix(' at').lower()}, at character {error.pos + 1})"
        except ValueError as error:
            why = f" ({error})"
        raise ValueError(
            f"{path}, line {number}: {text[:50]!r} is no JSON object{why}; write one object a "
            "line, or fetch the file again if it is incomplete."
        )


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number of JSON")
