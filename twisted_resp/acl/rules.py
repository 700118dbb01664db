"""Errors in rules, in Redis' words, and the putting together of selectors that were cut at their spaces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

__all__ = [
    "BAD_HASH", "CHANNEL_AFTER_ALL", "DUPLICATE_USER", "FIRST_ARGUMENT_OF_SUBCOMMAND", "NO_SUCH_PASSWORD",
    "PATTERN_AFTER_ALL", "SYNTAX", "UNKNOWN", "RuleError", "UnmatchedParenthesisError", "has_spaces", "merge_selectors",
]  # fmt: skip

UNKNOWN: Final = b"Unknown command or category name in ACL"
SYNTAX: Final = b"Syntax error"
PATTERN_AFTER_ALL: Final = (
    b"Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. Try "
    b"'resetkeys' to start with an empty list of patterns"
)
CHANNEL_AFTER_ALL: Final = (
    b"Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any effect. Try "
    b"'resetchannels' to start with an empty list of channels"
)
NO_SUCH_PASSWORD: Final = b"The password you are trying to remove from the user does not exist"
BAD_HASH: Final = (
    b"The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters"
)
DUPLICATE_USER: Final = b"Duplicate user found. A user can only be defined once in config files"
FIRST_ARGUMENT_OF_SUBCOMMAND: Final = b"Allowing first-arg of a subcommand is not supported"

_SPACES: Final = frozenset(b" \t\n\v\f\r\0")


class RuleError(Exception):
    """A rule that can't be applied.

    :param reason: one of the sentences of this module.
    """

    def __init__(self, reason: bytes) -> None:
        self.reason = reason
        super().__init__(reason)


class UnmatchedParenthesisError(Exception):
    """A selector that does not end.

    :param word: the one that it begins with.
    """

    def __init__(self, word: bytes) -> None:
        self.word = word
        super().__init__(word)


def has_spaces(text: bytes) -> bool:
    """Whether a name or pattern has blanks or NULs, which no line of rules could show."""
    return not _SPACES.isdisjoint(text)


def merge_selectors(words: Sequence[bytes]) -> list[bytes]:
    """Join what belongs to one selector: ``(~a`` and ``+get)`` to ``(~a +get)``.

    :raises UnmatchedParenthesisError: one is not closed.
    """
    merged: list[bytes] = []
    opened: list[bytes] = []
    for word in words:
        if opened:
            opened.append(word)
        elif word[:1] == b"(" and word[-1:] != b")":
            opened = [word]
            continue
        else:
            merged.append(word)
            continue
        if word[-1:] == b")":
            merged.append(b" ".join(opened))
            opened = []
    if opened:
        raise UnmatchedParenthesisError(opened[0])
    return merged
