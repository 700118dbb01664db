"""The tree of a command's arguments, as COMMAND DOCS tells it.

https://redis.io/docs/latest/commands/command-docs/
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Argument", "words_of"]


@dataclass(frozen=True)
class Argument:
    """One argument, as COMMAND DOCS describes it.

    ``type`` is one of string, integer, double, key, pattern, unix-time, pure-token, oneof and block;
    ``display`` is what the line shows for it. ``children`` are those of a oneof or block.
    """

    name: str
    type: str
    token: str | None = None
    display: str = ""
    optional: bool = False
    multiple: bool = False
    multiple_token: bool = False
    children: tuple[Argument, ...] = ()
    key_spec_index: int | None = None
    since: str = ""
    deprecated_since: str = ""

    def __str__(self) -> str:
        """Return this as it stands in a syntax line."""
        if self.type == "oneof":
            shown = " | ".join(map(str, self.children))
            if self.token is not None or self.multiple or not self.optional:
                shown = f"<{shown}>"
        elif self.type == "block":
            shown = " ".join(map(str, self.children))
        elif self.type == "pure-token":
            shown = str(self.token)
        else:
            shown = self.display
        again = shown
        if self.token is not None and self.type != "pure-token":
            shown = f"{self.token} {shown}"
        if self.multiple:
            shown = f"{shown} [{shown if self.multiple_token else again} ...]"
        return f"[{shown}]" if self.optional else shown

    def words(self) -> tuple[int, int | None]:
        """Return the least and the greatest number of words this takes (None: any number)."""
        low, high = self.words_once()
        return 0 if self.optional else low, None if self.multiple else high

    def words_once(self) -> tuple[int, int | None]:
        """Return the number of words of one occurrence."""
        if self.type == "pure-token":
            return 1, 1
        own = 0 if self.token is None else 1
        if self.type == "oneof":
            each = [child.words() for child in self.children]
            # Of several things that may be left out, one is there nevertheless.
            return own + min(max(low, 1) for low, _ in each), _plus(own, _greatest(high for _, high in each))
        if self.type == "block":
            low, high = words_of(self.children)
            return own + low, _plus(own, high)
        return own + 1, own + 1


def _plus(a: int, b: int | None) -> int | None:
    return None if b is None else a + b


def _greatest(numbers: Iterable[int | None]) -> int | None:
    greatest = 0
    for number in numbers:
        if number is None:
            return None
        greatest = max(greatest, number)
    return greatest


def words_of(arguments: Iterable[Argument]) -> tuple[int, int | None]:
    """Return the least and the greatest number of words of a sequence (None: any number)."""
    low, high = 0, 0
    unbounded = False
    for argument in arguments:
        least, most = argument.words()
        low += least
        if most is None:
            unbounded = True
        else:
            high += most
    return low, None if unbounded else high
