"""The keys of the few calls whose key specifications don't tell them, or what happens to them.

Each takes a call, the command's name included, and returns places and flags; none where the call can't be
read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

__all__ = ["bitfield_keys", "migrate_keys", "set_keys", "sort_keys", "sort_ro_keys"]

Found = list[tuple[int, tuple[str, ...]]]

_READ = ("RO", "access")
_CHANGE = ("RW", "access", "update")
_OVERWRITE = ("OW", "update")


def set_keys(argv: Sequence[bytes]) -> Found:
    """Find the key of SET, which is read only with ``GET`` or a comparison."""
    asked = any(word.lower() in _SET_READS for word in argv[3:])
    return [(1, _CHANGE if asked else _OVERWRITE)]


def bitfield_keys(argv: Sequence[bytes]) -> Found:
    """Find the key of BITFIELD, which is only read where there is nothing but ``GET``."""
    words = {b"get": 2, b"overflow": 1}
    place = 2
    while place < len(argv):
        taken = words.get(argv[place].lower())
        if taken is None or place + taken >= len(argv):
            return [(1, _CHANGE)]
        place += 1 + taken
    return [(1, _READ)]


def sort_keys(argv: Sequence[bytes]) -> Found:
    """Find the keys of SORT: the one it sorts and, of several destinations, the last."""
    found: Found = [(1, _READ)]
    place = 2
    while place < len(argv):
        word = argv[place].lower()
        if word == b"store" and place + 1 < len(argv):
            found[1:] = [(place + 1, _OVERWRITE)]
        place += 1 + _SORT_OPTIONS.get(word, 0)
    return found


def sort_ro_keys(argv: Sequence[bytes]) -> Found:
    """Find the key of SORT_RO."""
    return [(1, _READ)]


def migrate_keys(argv: Sequence[bytes]) -> Found:
    """Find the keys of MIGRATE: the one in its place, or those behind ``KEYS`` where that is empty."""
    flags = ("RW", "access", "delete")
    place = 6
    while place < len(argv):
        word = argv[place].lower()
        if word == b"keys":
            return [] if argv[3] else [(key, flags) for key in range(place + 1, len(argv))]
        place += 1 + _MIGRATE_OPTIONS.get(word, 0)
    return [(3, flags)]


_SET_READS = frozenset((b"get", b"ifeq", b"ifne", b"ifdeq", b"ifdne"))
# How many words an option takes.
_SORT_OPTIONS: Mapping[bytes, int] = {b"limit": 2, b"get": 1, b"by": 1}
_MIGRATE_OPTIONS: Mapping[bytes, int] = {b"auth": 1, b"auth2": 2}
