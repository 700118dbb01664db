"""Long brackets of Lua, ``[[...]]``: what is between them may hold ``[[``.

Lua 5.1 can be built to refuse that, as a warning to those who know Lua 5.0, where such brackets nest. lupa's is, Redis'
is not.
"""

from __future__ import annotations

import re
from re import Match
from typing import Final

__all__ = ["without_nesting"]

# Whatever may hold brackets that are none, and brackets.
_TOKENS: Final = re.compile(
    rb"""(--)?\[\[(.*?)\]\]
    | (?:--)?\[(=+)\[.*?\]\3\]
    | --[^\n]*
    | "(?:\\.|[^"\\\n])*"
    | '(?:\\.|[^'\\\n])*'
    """,
    re.DOTALL | re.VERBOSE,
)


def without_nesting(source: bytes) -> bytes:
    """The same program, with ``[==[...]==]`` where there is ``[[`` inside of brackets."""
    return _TOKENS.sub(_respelt, source)


def _respelt(token: Match[bytes]) -> bytes:
    text = token[2]
    if text is None or b"[[" not in text:
        return token[0]
    level = b"="
    while (text + b"]%b]" % level).find(b"]%b]" % level) < len(text):
        level += b"="
    return b"%b[%b[%b]%b]" % (token[1] or b"", level, text, level)
