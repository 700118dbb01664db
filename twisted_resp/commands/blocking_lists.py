"""The commands of the list group that wait for an element: https://redis.io/docs/latest/commands/blpop/

Each tries what its sister without a B does, and where there is nothing to take it parks its client with the
same attempt. What replicas and files are told is the sister.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from twisted_resp.commands.lists import move, parse_pop, pop_first, which_end
from twisted_resp.commands.numbers import timeout_in_seconds
from twisted_resp.commands.table import BLOCKING, DENYOOM, WRITE, command
from twisted_resp.keyspace.events import LIST
from twisted_resp.resp import Reply
from twisted_resp.server.client import Client
from twisted_resp.server.waiting import NOT_READY
from twisted_resp.values.list import List

GROUP = "list"

_DOUBLE_TIMEOUT = ("6.0.0", "`timeout` is interpreted as a double instead of an integer.")


@command(
    "BLPOP key [key ...] timeout",
    WRITE | BLOCKING,
    since="2.0.0",
    complexity="O(N) where N is the number of provided keys.",
    keys=["RW access delete"],
    history=[_DOUBLE_TIMEOUT],
)
def blpop(client: Client, *keys_and_timeout: bytes) -> Reply:
    """Removes and returns the first element in a list. Blocks until an element is available otherwise.
    Deletes the list if the last element was popped.
    """
    return _pop(client, keys_and_timeout, True)


@command(
    "BRPOP key [key ...] timeout",
    WRITE | BLOCKING,
    since="2.0.0",
    complexity="O(N) where N is the number of provided keys.",
    keys=["RW access delete"],
    history=[_DOUBLE_TIMEOUT],
)
def brpop(client: Client, *keys_and_timeout: bytes) -> Reply:
    """Removes and returns the last element in a list. Blocks until an element is available otherwise.
    Deletes the list if the last element was popped.
    """
    return _pop(client, keys_and_timeout, False)


def _pop(client: Client, keys_and_timeout: Sequence[bytes], left: bool) -> Reply:
    keys = list(keys_and_timeout[:-1])
    timeout = timeout_in_seconds(keys_and_timeout[-1], client.server.now_ms)
    reply = _try_pop(client, keys, left)
    if reply is NOT_READY:
        return client.wait_for(keys, timeout, partial(_try_pop, client, keys, left), kind=List)
    return reply


def _try_pop(client: Client, keys: Sequence[bytes], left: bool) -> Reply:
    db = client.db
    for key in keys:
        value = db.edit(key, List)
        if value is not None:
            element = value.pop_left() if left else value.pop_right()
            db.edited(key, b"lpop" if left else b"rpop", LIST)
            client.server.effects.replace(b"LPOP" if left else b"RPOP", key)
            return [key, element]
    return NOT_READY


@command(
    "BLMPOP timeout numkeys key [key ...] <LEFT | RIGHT> [COUNT count]",
    WRITE | BLOCKING,
    since="7.0.0",
    complexity="O(N+M) where N is the number of provided keys and M is the number of elements returned.",
    keys=["RW access delete"],
)
def blmpop(client: Client, timeout: bytes, numkeys: bytes, *rest: bytes) -> Reply:
    """Pops the first element from one of multiple lists. Blocks until an element is available otherwise.
    Deletes the list if the last element was popped.
    """
    keys, left, count = parse_pop(numkeys, rest)
    seconds = timeout_in_seconds(timeout, client.server.now_ms)
    reply = _try_pop_some(client, keys, left, count)
    if reply is NOT_READY:
        retry = partial(_try_pop_some, client, keys, left, count)
        return client.wait_for(list(keys), seconds, retry, kind=List)
    return reply


def _try_pop_some(client: Client, keys: Sequence[bytes], left: bool, count: int) -> Reply:
    reply = pop_first(client, keys, left, count)
    return NOT_READY if reply is None else reply


@command(
    "BLMOVE source destination <wherefrom: LEFT | RIGHT> <whereto: LEFT | RIGHT> timeout",
    WRITE | DENYOOM | BLOCKING,
    since="6.2.0",
    complexity="O(1)",
    keys=["RW access delete", "RW insert"],
)
def blmove(
    client: Client, source: bytes, destination: bytes, wherefrom: bytes, whereto: bytes, timeout: bytes
) -> Reply:
    """Pops an element from a list, pushes it to another list and returns it.
    Blocks until an element is available otherwise. Deletes the list if the last element was moved.
    """
    from_left, to_left = which_end(wherefrom), which_end(whereto)
    told = (b"LMOVE", source, destination, wherefrom, whereto)
    return _move(client, source, destination, from_left, to_left, timeout, told)


@command(
    "BRPOPLPUSH source destination timeout",
    WRITE | DENYOOM | BLOCKING,
    since="2.2.0",
    complexity="O(1)",
    keys=["RW access delete", "RW insert"],
    history=[_DOUBLE_TIMEOUT],
    deprecated="6.2.0",
    replaced_by="`BLMOVE` with the `RIGHT` and `LEFT` arguments",
)
def brpoplpush(client: Client, source: bytes, destination: bytes, timeout: bytes) -> Reply:
    """Pops an element from a list, pushes it to another list and returns it.
    Block until an element is available otherwise. Deletes the list if the last element was popped.
    """
    told = (b"RPOPLPUSH", source, destination)
    return _move(client, source, destination, False, True, timeout, told)


def _move(
    client: Client,
    source: bytes,
    destination: bytes,
    from_left: bool,
    to_left: bool,
    timeout: bytes,
    told: Sequence[bytes],
) -> Reply:
    seconds = timeout_in_seconds(timeout, client.server.now_ms)
    reply = _try_move(client, source, destination, from_left, to_left, told)
    if reply is not NOT_READY:
        return reply
    if not client.can_block:
        # Unlike the end of a wait, which is a null array.
        return None
    retry = partial(_try_move, client, source, destination, from_left, to_left, told)
    return client.wait_for([source], seconds, retry, kind=List)


def _try_move(
    client: Client, source: bytes, destination: bytes, from_left: bool, to_left: bool, told: Sequence[bytes]
) -> Reply:
    element = move(client, source, destination, from_left, to_left)
    if element is None:
        return NOT_READY
    client.server.effects.replace(*told)
    return element
