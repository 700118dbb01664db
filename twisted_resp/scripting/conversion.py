"""Replies and arguments, as they cross between commands and Lua.

https://redis.io/docs/latest/develop/interact/programmability/lua-api/#data-type-conversion
"""

from __future__ import annotations

from collections.abc import Callable
from math import copysign
from typing import Any

from twisted_resp.errors import CommandError
from twisted_resp.resp import (
    NO_REPLY,
    NULL_ARRAY,
    Attributed,
    BigNumber,
    LongDouble,
    Map,
    Push,
    Reply,
    SetReply,
    Several,
    Status,
    Verbatim,
)
from twisted_resp.text.floats import format_double, format_for_people

__all__ = ["argument", "for_lua"]

_INTEGERS = 2**62
# An array up to this size is passed to Lua item by item.
_SHORT = 60

MakeTable = Callable[[Any], Any]


def argument(value: Any) -> bytes | None:
    """What a command gets for a Lua value; None for one that is neither a string nor a number."""
    kind = type(value)
    if kind is bytes:
        return bytes(value)
    if kind is int and -_INTEGERS <= value <= _INTEGERS:
        return b"%d" % value
    if kind is int or kind is float:
        if value != value and copysign(1.0, value) < 0:
            return b"-nan"
        return format_double(float(value))
    return None


def for_lua(reply: Reply, protocol: int, table: MakeTable) -> Any:
    """What ``redis.call`` answers: a plain value, or (None, kind, ...) for ``special`` in ``sandbox.lua``.

    :param protocol: the RESP version that the script has asked for.
    :param table: makes a Lua table of a list or a dict.
    """
    kind = type(reply)
    if kind is bytes or kind is int:
        return reply
    if reply is None:
        return False if protocol == 2 else (None, b"nil")
    if kind is Status:
        return None, b"ok", reply.value
    if kind is list and len(reply) <= _SHORT:
        items = []
        for item in reply:
            if type(item) is bytes or type(item) is int:
                items.append(item)
            elif item is None and protocol == 2:
                items.append(False)
            else:
                return None, b"table", _value(reply, protocol, table)
        return (None, b"array", *items)
    if isinstance(reply, CommandError):
        return None, b"err", error_text(reply.message)
    value = _value(reply, protocol, table)
    if value is None:
        return None, b"nil"
    return (None, b"table", value)


def error_text(message: bytes) -> bytes:
    """The ``err`` field for an error reply; one of a single word gets the code ERR."""
    return message if b" " in message else b"ERR " + message


def _value(reply: Reply, protocol: int, table: MakeTable) -> Any:
    """A value of Lua; None for nil. (In a table of lupa's None would become an object: it is left out.)"""
    kind = type(reply)
    if kind is bytes or kind is int:
        return reply
    if reply is None or reply is NULL_ARRAY:
        return False if protocol == 2 else None
    if kind is bool:
        return reply if protocol == 3 else int(reply)
    if kind is float:
        return table({b"double": reply}) if protocol == 3 else format_double(reply)
    if kind is LongDouble:
        text = format_for_people(reply)
        return table({b"double": float(text)}) if protocol == 3 else text
    if kind is list or kind is tuple or kind is Push or kind is Several:
        items = reply if kind is list or kind is tuple else reply.value
        return _array([_value(item, protocol, table) for item in items], table)
    if kind is dict or kind is Map:
        pairs = reply if kind is dict else reply.value
        pairs = list(pairs.items() if isinstance(pairs, dict) else pairs)
        if protocol == 2:
            return _array([_value(part, protocol, table) for pair in pairs for part in pair], table)
        made = {_value(key, protocol, table): _value(value, protocol, table) for key, value in pairs}
        return table({b"map": table(_without_nil(made))})
    if kind is SetReply:
        items = [_value(item, protocol, table) for item in reply.value]
        if protocol == 2:
            return _array(items, table)
        return table({b"set": table(_without_nil(dict.fromkeys(items, True)))})
    if kind is Status:
        return table({b"ok": reply.value})
    if isinstance(reply, CommandError):
        return table({b"err": error_text(reply.message), b"ignore_error_stats_update": True})
    if kind is Verbatim:
        if protocol == 2:
            return reply.value
        return table({b"verbatim_string": table({b"string": reply.value, b"format": reply.format})})
    if kind is BigNumber:
        return table({b"big_number": reply.value}) if protocol == 3 else reply.value
    if kind is Attributed:
        return _value(reply.value[1], protocol, table)
    if reply is NO_REPLY:
        return False
    return bytes(reply)


def _array(items: list[Any], table: MakeTable) -> Any:
    if None in items:
        return table(_without_nil(dict(enumerate(items, 1))))
    return table(items)


def _without_nil(pairs: dict[Any, Any]) -> dict[Any, Any]:
    return {key: value for key, value in pairs.items() if key is not None and value is not None}
