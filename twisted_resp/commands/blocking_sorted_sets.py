"""The commands of the sorted set group that wait for a member: https://redis.io/docs/latest/commands/bzpopmin/

As in `blocking_lists`: each tries what its sister without a B does, and parks its client with the same
attempt. What replicas and files are told is ZPOPMIN or ZPOPMAX.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from twisted_resp.commands.numbers import timeout_in_seconds
from twisted_resp.commands.sorted_sets import parse_pop, pop_first, pop_one
from twisted_resp.commands.table import BLOCKING, FAST, WRITE, command
from twisted_resp.resp import Reply
from twisted_resp.server.client import Client
from twisted_resp.server.waiting import NOT_READY
from twisted_resp.values.sorted_set import SortedSet

GROUP = "sorted-set"

_DOUBLE_TIMEOUT = ("6.0.0", "`timeout` is interpreted as a double instead of an integer.")


@command(
    "BZPOPMIN key [key ...] timeout",
    WRITE | FAST | BLOCKING,
    since="5.0.0",
    complexity="O(log(N)) with N being the number of elements in the sorted set.",
    keys=["RW access delete"],
    history=[_DOUBLE_TIMEOUT],
)
def bzpopmin(client: Client, *keys_and_timeout: bytes) -> Reply:
    """Removes and returns the member with the lowest score from one or more sorted sets.
    Blocks until a member is available otherwise. Deletes the sorted set if the last element was popped.
    """
    return _pop(client, keys_and_timeout, True)


@command(
    "BZPOPMAX key [key ...] timeout",
    WRITE | FAST | BLOCKING,
    since="5.0.0",
    complexity="O(log(N)) with N being the number of elements in the sorted set.",
    keys=["RW access delete"],
    history=[_DOUBLE_TIMEOUT],
)
def bzpopmax(client: Client, *keys_and_timeout: bytes) -> Reply:
    """Removes and returns the member with the highest score from one or more sorted sets.
    Blocks until a member available otherwise.  Deletes the sorted set if the last element was popped.
    """
    return _pop(client, keys_and_timeout, False)


def _pop(client: Client, keys_and_timeout: Sequence[bytes], lowest: bool) -> Reply:
    keys = list(keys_and_timeout[:-1])
    timeout = timeout_in_seconds(keys_and_timeout[-1], client.server.now_ms)
    reply = _try_pop(client, keys, lowest)
    if reply is NOT_READY:
        return client.wait_for(keys, timeout, partial(_try_pop, client, keys, lowest), kind=SortedSet)
    return reply


def _try_pop(client: Client, keys: Sequence[bytes], lowest: bool) -> Reply:
    for key in keys:
        value = client.db.edit(key, SortedSet)
        if value is not None:
            member, score = pop_one(client, key, value, lowest)
            client.server.effects.replace(b"ZPOPMIN" if lowest else b"ZPOPMAX", key)
            return [key, member, score]
    return NOT_READY


@command(
    "BZMPOP timeout numkeys key [key ...] <MIN | MAX> [COUNT count]",
    WRITE | BLOCKING,
    since="7.0.0",
    complexity="O(K) + O(M*log(N)) where K is the number of provided keys, N being the number of elements in "
    "the sorted set, and M being the number of elements popped.",
    keys=["RW access delete"],
)
def bzmpop(client: Client, timeout: bytes, numkeys: bytes, *rest: bytes) -> Reply:
    """Removes and returns a member by score from one or more sorted sets.
    Blocks until a member is available otherwise. Deletes the sorted set if the last element was popped.
    """
    keys, lowest, count = parse_pop(numkeys, rest)
    seconds = timeout_in_seconds(timeout, client.server.now_ms)
    reply = _try_pop_some(client, keys, lowest, count)
    if reply is NOT_READY:
        retry = partial(_try_pop_some, client, keys, lowest, count)
        return client.wait_for(list(keys), seconds, retry, kind=SortedSet)
    return reply


def _try_pop_some(client: Client, keys: Sequence[bytes], lowest: bool, count: int) -> Reply:
    reply = pop_first(client, keys, lowest, count)
    return NOT_READY if reply is None else reply
