"""Prompts with their responses, and longer conversations: what is read, and what is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

END_OF_TURN = "<|end|>"
"""The token after every turn. Before it comes one for who speaks, such as `<|user|>`."""
PROMPTS = ("prompt", "instruction", "question")
RESPONSES = ("response", "completion", "answer", "output")
CONVERSATIONS = ("messages", "conversations", "conversation")
"""Usual names of the columns."""
_ROLE, _CONTENT = ("role", "from"), ("content", "value")
_SAME_ROLE = {"human": "user", "gpt": "assistant", "model": "assistant", "bot": "assistant"}
_RESPONDS = "assistant"


@dataclass(frozen=True)
class Turn:
    """What one side says.

    Attributes:
        text: that.
        role: who says it: "user", "assistant", "system" or another; None for text of no one.
    """

    text: str
    role: str | None = None

    @property
    def asked(self) -> bool:
        """Whether a model is asked for this, or only reads it."""
        return self.role in (None, _RESPONDS)


def speaker(role: str) -> str:
    """The token before a turn."""
    return f"<|{role}|>"


def conversation_columns(columns: Sequence[str]) -> tuple[str, ...]:
    """The columns that hold conversations: one of messages, or one of prompts and one of responses.

    None if there are no such columns.

    >>> conversation_columns(["id", "prompt", "completion"])
    ('prompt', 'completion')
    """
    messages = [name for name in CONVERSATIONS if name in columns]
    prompts = [name for name in PROMPTS if name in columns]
    responses = [name for name in RESPONSES if name in columns]
    if messages:
        return (messages[0],)
    return (prompts[0], responses[0]) if prompts and responses else ()


def turns(row: Sequence[Any]) -> list[Turn]:
    """The turns in a row of `conversation_columns`, up to the last that is asked for.

    None if nothing is asked for: a conversation without response.

    Raises:
        ValueError: if a message is no text with a role.
    """
    if len(row) == 1:
        said = [_turn(message) for message in _messages(row[0])]
    else:
        said = [Turn(_text(row[0]), "user"), Turn(_text(row[1]), _RESPONDS)]
    last = max((i for i, turn in enumerate(said) if turn.asked and turn.text), default=-1)
    return said[: last + 1]


def _messages(value: Any) -> Iterable[Any]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise ValueError(f"{str(value)[:50]!r} is no list of messages; write one")
    return value


def _turn(message: Any) -> Turn:
    fields = message if isinstance(message, dict) else {}
    role = next((fields[name] for name in _ROLE if fields.get(name) is not None), None)
    content = next((fields[name] for name in _CONTENT if name in fields), None)
    if not isinstance(role, str) or not (content is None or isinstance(content, str)):
        raise ValueError(
            f"{str(message)[:80]} is no message; write them with a role and a content of text, as "
            'in {"role": "user", "content": "Hello"}'
        )
    return Turn(_text(content), _SAME_ROLE.get(role, role))


def _text(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(f"{str(value)[:50]!r} is no text; write it as text")
    return value.replace("\r\n", "\n")
