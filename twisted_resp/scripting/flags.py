"""What a script says of itself in its first line: ``#!lua flags=no-writes,allow-oom``.

https://redis.io/docs/latest/develop/interact/programmability/lua-api/#script_flags
"""

from __future__ import annotations

from typing import Final

from twisted_resp.commands import table
from twisted_resp.errors import CommandError
from twisted_resp.text.command_line import split_arguments

__all__ = [
    "ALLOW_CROSS_SLOT", "ALLOW_OOM", "ALLOW_STALE", "FLAG_NAMES", "NO_CLUSTER", "NO_FLAGS_DECLARED", "NO_WRITES",
    "command_flags", "read_shebang",
]  # fmt: skip

NO_WRITES: Final = 1 << 0
ALLOW_OOM: Final = 1 << 1
ALLOW_STALE: Final = 1 << 2
NO_CLUSTER: Final = 1 << 3
ALLOW_CROSS_SLOT: Final = 1 << 4
#: A script without such a line: each of its commands is judged by itself.
NO_FLAGS_DECLARED: Final = 1 << 5

FLAG_NAMES: Final = {
    b"no-writes": NO_WRITES,
    b"allow-oom": ALLOW_OOM,
    b"allow-stale": ALLOW_STALE,
    b"no-cluster": NO_CLUSTER,
    b"allow-cross-slot-keys": ALLOW_CROSS_SLOT,
}


def read_shebang(source: bytes) -> tuple[int, bytes]:
    """The flags of a script, and its text without the line (but with its line end, so that lines count).

    :raises CommandError: where the line is wrong.
    """
    if not source.startswith(b"#!"):
        return NO_FLAGS_DECLARED, source
    end = source.find(b"\n")
    if end < 0:
        raise CommandError(b"ERR Invalid script shebang")
    words = split_arguments(source[:end])
    if not words:
        raise CommandError(b"ERR Invalid engine in script shebang")
    if words[0] != b"#!lua":
        raise CommandError(b"ERR Unexpected engine in script shebang: " + words[0])
    flags = 0
    for word in words[1:]:
        if not word.startswith(b"flags="):
            raise CommandError(b"ERR Unknown lua shebang option: " + word)
        names = word[len(b"flags=") :]
        for name in names.split(b",") if names else ():
            if name not in FLAG_NAMES:
                raise CommandError(b"ERR Unexpected flag in script shebang: " + name)
            flags |= FLAG_NAMES[name]
    return flags, source[end:]


def command_flags(flags: int, script: int) -> int:
    """The flags of a call, whose command has ``flags``, of a script that has declared its own."""
    if script & NO_FLAGS_DECLARED:
        return flags
    flags &= ~(table.STALE | table.DENYOOM | table.WRITE | table.MAY_REPLICATE)
    if not script & (ALLOW_OOM | NO_WRITES):
        flags |= table.DENYOOM
    if not script & NO_WRITES:
        flags |= table.WRITE
    if script & ALLOW_STALE:
        flags |= table.STALE
    return flags
