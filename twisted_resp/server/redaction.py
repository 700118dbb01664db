"""Secrets among a command's arguments, which neither logs nor MONITOR may show."""

from __future__ import annotations

from typing import Final

from twisted_resp.server.parameters import PARAMETERS, SENSITIVE

__all__ = ["redacted"]

_HIDDEN: Final = b"(redacted)"
_PARAMETERS: Final = frozenset(parameter.name for parameter in PARAMETERS if parameter.flags & SENSITIVE)
#: How many secrets follow an option, by command.
_OPTIONS: Final = {
    b"hello": {b"auth": 2},
    b"migrate": {b"auth": 1, b"auth2": 2},
}
_ACL: Final = frozenset((b"setuser", b"getuser", b"deluser"))


def redacted(args: list[bytes]) -> list[bytes]:
    """The command with its secrets replaced; the very same list where it has none."""
    name = args[0].lower()
    if name == b"auth":
        return [args[0], *(_HIDDEN for _ in args[1:])]
    if name == b"acl" and len(args) > 2 and args[1].lower() in _ACL:
        return [*args[:2], *(_HIDDEN for _ in args[2:])]
    if name == b"config" and len(args) > 3 and args[1].lower() == b"set":
        return [
            _HIDDEN if place > 2 and place % 2 and args[place - 1].lower() in _PARAMETERS else arg
            for place, arg in enumerate(args)
        ]
    if name in _OPTIONS:
        shown: list[bytes] = []
        secrets = 0
        for arg in args:
            shown.append(_HIDDEN if secrets else arg)
            secrets = secrets - 1 if secrets else _OPTIONS[name].get(arg.lower(), 0)
        return shown
    return args
