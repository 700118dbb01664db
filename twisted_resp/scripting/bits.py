"""The ``bit`` library of scripts: LuaBitOp, on signed 32-bit integers.

Functions that scripts call never raise; they answer True and their result, or False and what is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from math import nan
from struct import pack
from typing import Any, Final

from twisted_resp.text.floats import parse_double

try:
    from lupa.lua51 import lua_type
except ImportError:  # then nothing comes from Lua
    lua_type = None

__all__ = ["FUNCTIONS", "Answer", "as_number", "type_name"]

Answer = tuple[Any, ...]
_ALL = 0xFFFFFFFF
_NOT_A_NUMBER = re.compile(rb"[+-]?nan", re.IGNORECASE)
_SHIFT = 1.5 * 2.0**52


class _BadArgumentError(Exception):
    pass


def type_name(value: Any) -> bytes:
    """What Lua calls the type of a value that it has passed."""
    if value is None:
        return b"nil"
    if isinstance(value, bool):
        return b"boolean"
    if isinstance(value, bytes):
        return b"string"
    kind: str | None = lua_type(value)
    return b"number" if kind is None else kind.encode()


def as_number(text: bytes) -> float | None:
    """What Lua takes a string for where it wants a number; None if that is none."""
    text = text.strip(b" \t\n\v\f\r")
    if _NOT_A_NUMBER.fullmatch(text) is not None:
        return -nan if text[:1] == b"-" else nan
    return parse_double(text)


def _bits(name: bytes, args: tuple[Any, ...], place: int) -> int:
    """An argument as 32 bits, the way LuaBitOp rounds it."""
    number: int | float | None = None
    got = b"no value"
    if place < len(args):
        value = args[place]
        got = type_name(value)
        if type(value) is int or type(value) is float:
            number = value
        elif type(value) is bytes:
            number = as_number(value)
    if number is None:
        raise _BadArgumentError(
            b"bad argument #%d to '%b' (number expected, got %b)" % (place + 1, name, got)
        )
    # LuaBitOp adds a number that shifts all behind the point out of the double, and takes the low half of what is left:
    # so huge numbers give what they give there.
    return int.from_bytes(pack("<d", number + _SHIFT)[:4], "little")


def _signed(bits: int) -> int:
    bits &= _ALL
    return bits - 0x100000000 if bits & 0x80000000 else bits


def _one(name: bytes, operation: Callable[[int], int]) -> Callable[..., Answer]:
    def run(*args: Any) -> Answer:
        try:
            return True, _signed(operation(_bits(name, args, 0)))
        except _BadArgumentError as error:
            return False, error.args[0]

    return run


def _many(name: bytes, operation: Callable[[int, int], int]) -> Callable[..., Answer]:
    def run(*args: Any) -> Answer:
        try:
            result = _bits(name, args, 0)
            for place in range(1, len(args)):
                result = operation(result, _bits(name, args, place))
            return True, _signed(result)
        except _BadArgumentError as error:
            return False, error.args[0]

    return run


def _shift(name: bytes, operation: Callable[[int, int], int]) -> Callable[..., Answer]:
    def run(*args: Any) -> Answer:
        try:
            return True, _signed(operation(_bits(name, args, 0), _bits(name, args, 1) & 31))
        except _BadArgumentError as error:
            return False, error.args[0]

    return run


def _to_hex(*args: Any) -> Answer:
    try:
        bits = _bits(b"tohex", args, 0)
        digits = _signed(_bits(b"tohex", args, 1)) if len(args) > 1 else 8
    except _BadArgumentError as error:
        return False, error.args[0]
    size = min(abs(digits), 8)
    text = b"%08x" % bits
    return True, (text.upper() if digits < 0 else text)[8 - size :]


FUNCTIONS: Final[dict[bytes, Callable[..., Answer]]] = {
    b"tobit": _one(b"tobit", lambda a: a),
    b"bnot": _one(b"bnot", lambda a: ~a),
    b"bswap": _one(b"bswap", lambda a: int.from_bytes(a.to_bytes(4, "little"), "big")),
    b"band": _many(b"band", lambda a, b: a & b),
    b"bor": _many(b"bor", lambda a, b: a | b),
    b"bxor": _many(b"bxor", lambda a, b: a ^ b),
    b"lshift": _shift(b"lshift", lambda a, n: a << n),
    b"rshift": _shift(b"rshift", lambda a, n: a >> n),
    b"arshift": _shift(b"arshift", lambda a, n: _signed(a) >> n),
    b"rol": _shift(b"rol", lambda a, n: a << n | a >> (32 - n)),
    b"ror": _shift(b"ror", lambda a, n: a >> n | a << (32 - n)),
    b"tohex": _to_hex,
}
