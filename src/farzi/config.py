"""Reads the configuration of a run: one TOML file, each of whose keys is known and checked.

Every section is a dataclass in `farzi.sections`, whose fields are the keys and whose types say what
a key may be. TOML has no word for "nothing": a setting that may be `None` is set to it by "none".
"""

from __future__ import annotations

import difflib
import re
import tomllib
import types
import typing
from collections.abc import Iterable
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, Literal

from farzi import hypergradients
from farzi.hypergradients import Adjoint, Auto
from farzi.sections import Config, MemoryConfig

_STRATEGIES = ("Checkpointed", "PaperAdam", "Reversible", "StoreStates", "Truncated", "Unrolled")
_IN_WORDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text in quotation marks",
}


def read(path: Path, memory_budget: str | None = None) -> Config:
    """The configuration in a file.

    Args:
        path: the file.
        memory_budget: in place of the one in the file.

    Raises:
        ValueError: if there is none, or something in it is not known or not possible; the message
            names file and key.
    """
    try:
        content = tomllib.loads(path.read_bytes().decode())
        return _config(content, memory_budget)
    except FileNotFoundError:
        raise ValueError(f"there is no file {path}; name a configuration, a TOML file.") from None
    except IsADirectoryError:
        raise ValueError(f"{path} is a folder; name a configuration, a TOML file.") from None
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror}); name another file.") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is no text in UTF-8; name a TOML file.") from None
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path} is not valid TOML: {error}; correct it there.") from None
    except ValueError as error:
        raise ValueError(f"{path}: {str(error).rstrip('.')}.") from None


def _config(content: dict[str, Any], memory_budget: str | None) -> Config:
    kinds = typing.get_type_hints(Config)
    for name, table in content.items():
        if name not in kinds:
            raise ValueError(_unknown(f"section [{name}]", name, kinds))
        if not isinstance(table, dict):
            raise ValueError(f"{name} is {table!r}; write a section [{name}]")
    tables = {name: dict(content.get(name, {})) for name in kinds}
    if memory_budget is not None:
        tables["memory"]["budget"] = memory_budget
    memory = _section("memory", MemoryConfig, tables["memory"])
    if tables["recipe"].get("adjoint") == "Auto":
        if memory.budget is None:
            raise ValueError(
                'the adjoint "Auto" chooses by the memory that a run may take; add a section '
                '[memory] with budget = "4 GB", say'
            )
        tables["recipe"]["adjoint"] = Auto(memory.budget)
    return Config(**{name: _section(name, kind, tables[name]) for name, kind in kinds.items()})


def _section(name: str, kind: type, table: dict[str, Any]) -> Any:
    hints = _settings(kind)
    for key in table:
        if key not in hints:
            raise ValueError(_unknown(f"key {key!r} in [{name}]", key, hints))
    values = {key: _checked(f"[{name}] {key}", hints[key], value) for key, value in table.items()}
    try:
        return kind(**values)
    except ValueError as error:
        raise ValueError(f"[{name}] {error}") from None


def parse_adjoint(where: str, text: str) -> Adjoint:
    """A strategy written as in Python; without settings the brackets may be left out.

    Args:
        where: what is set to it, for messages.
        text: name and settings.

    Raises:
        ValueError: if there is no such strategy, or a setting is not possible.

    >>> parse_adjoint("adjoint", "Truncated(window=20)")
    Truncated(window=20)
    """
    match = re.fullmatch(r"\s*(\w+)\s*(?:\((.*)\))?\s*", text)
    name, inside = match.groups() if match else (text, None)
    if name not in _STRATEGIES:
        raise ValueError(_unknown(f"strategy {name!r}, to which {where} is set", name, _STRATEGIES))
    kind = getattr(hypergradients, name)
    hints = _settings(kind)
    example = f"{name}({', '.join(f'{key}=...' for key in hints)})"
    values: dict[str, Any] = {}
    for part in filter(None, map(str.strip, (inside or "").split(","))):
        setting = re.fullmatch(r"(\w+)\s*=\s*([-+.\w]+)", part)
        if not setting or setting[1] not in hints:
            raise ValueError(f"{where} is {text!r}, in which {part!r} is unknown; write {example}")
        key, value = setting.groups()
        values[key] = _checked(f"{key} in {where}", hints[key], _number(value))
    required = {key.name for key in fields(kind) if key.default is MISSING}
    if required - set(values):
        raise ValueError(f"{where} is {text!r}, which says too little; write {example}")
    try:
        return kind(**values)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _settings(kind: type) -> dict[str, Any]:
    """Name and type of each field of a dataclass."""
    hints = typing.get_type_hints(kind)
    return {key.name: hints[key.name] for key in fields(kind)}


def _checked(where: str, hint: Any, value: Any) -> Any:
    """The value as the type of its key has it."""
    union = typing.get_origin(hint) in (types.UnionType, typing.Union)
    allowed: list[str] = []
    for kind in typing.get_args(hint) if union else (hint,):
        if typing.get_origin(kind) is Literal:
            if value in typing.get_args(kind):
                return value
            allowed += [f'"{choice}"' for choice in typing.get_args(kind)]
        elif kind is types.NoneType:
            if value == "none":
                return None
            allowed.append('"none"')
        elif typing.get_origin(kind) is tuple:
            if isinstance(value, list):
                (of, _) = typing.get_args(kind)
                return tuple(_checked(f"an entry of {where}", of, one) for one in value)
            allowed.append("a list, such as [...]")
        elif type(value) is kind:
            return value
        elif kind is float and type(value) is int:
            return float(value)
        elif kind is Adjoint:
            if isinstance(value, str):
                return parse_adjoint(where, value)
            allowed.append('the name of a strategy, such as "StoreStates"')
        elif kind in _IN_WORDS:
            allowed.append(_IN_WORDS[kind])
    raise ValueError(f"{where} is {value!r}; use {' or '.join(allowed)}")


def _number(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    """That there is no such thing, and what may have been meant."""
    nearest = difflib.get_close_matches(name, known, n=1)
    elsewhere = [
        section
        for section, kind in typing.get_type_hints(Config).items()
        if name in _settings(kind)
    ]
    if elsewhere:
        advice = f"[{elsewhere[0]}] has a key of that name"
    elif nearest:
        advice = f"the nearest is {nearest[0]!r}"
    else:
        advice = f"there are {', '.join(known)}"
    return f"there is no {what}; {advice}"
