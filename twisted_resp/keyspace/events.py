"""The groups of keyspace events, as ``notify-keyspace-events`` names them by letter.

https://redis.io/docs/latest/develop/use/keyspace-notifications/
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "ALL", "EVICTED", "EXPIRED", "GENERIC", "HASH", "KEYEVENT", "KEYSPACE", "KEY_MISS", "LIST", "MODULE", "NEW", "SET",
    "SILENT", "STREAM", "STRING", "ZSET", "flags_from_letters", "letters_from_flags",
]  # fmt: skip

#: The event of a change of which nobody is told; its group is 0.
SILENT: Final = b""

KEYSPACE: Final = 1 << 0  # K
KEYEVENT: Final = 1 << 1  # E
GENERIC: Final = 1 << 2  # g
STRING: Final = 1 << 3  # $
LIST: Final = 1 << 4  # l
SET: Final = 1 << 5  # s
HASH: Final = 1 << 6  # h
ZSET: Final = 1 << 7  # z
EXPIRED: Final = 1 << 8  # x
EVICTED: Final = 1 << 9  # e
STREAM: Final = 1 << 10  # t
KEY_MISS: Final = 1 << 11  # m
MODULE: Final = 1 << 13  # d
NEW: Final = 1 << 14  # n
#: ``A``: everything but misses and new keys.
ALL: Final = GENERIC | STRING | LIST | SET | HASH | ZSET | EXPIRED | EVICTED | STREAM | MODULE

_LETTERS: Final = {
    "A": ALL,
    "g": GENERIC,
    "$": STRING,
    "l": LIST,
    "s": SET,
    "h": HASH,
    "z": ZSET,
    "x": EXPIRED,
    "e": EVICTED,
    "K": KEYSPACE,
    "E": KEYEVENT,
    "t": STREAM,
    "m": KEY_MISS,
    "d": MODULE,
    "n": NEW,
}
# The order in which CONFIG GET prints them.
_PRINT_ORDER: Final = "g$lshzxetdnKEm"


def flags_from_letters(letters: str) -> int | None:
    """Parse the value of ``notify-keyspace-events``; None where a letter is unknown."""
    flags = 0
    for letter in letters:
        if letter not in _LETTERS:
            return None
        flags |= _LETTERS[letter]
    return flags


def letters_from_flags(flags: int) -> str:
    """Print flags as CONFIG GET does. Beside ``A`` it does not tell of ``n``."""
    letters = _PRINT_ORDER
    if flags & ALL == ALL:
        letters = "AKEm"
    return "".join(letter for letter in letters if flags & _LETTERS[letter])
