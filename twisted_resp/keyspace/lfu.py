"""The access record under an LFU policy: minutes of the last decrement and a logarithmic counter, in one int.

https://redis.io/docs/latest/develop/reference/eviction/#lfu-eviction
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twisted_resp.keyspace.keyspace import Keyspace

__all__ = ["INITIAL", "counter", "fresh", "packed", "touched"]

#: The counter of a new key: not 0, so that it has a chance to be used before it is evicted.
INITIAL = 5


def _minutes(keyspace: Keyspace) -> int:
    return (keyspace.now // 60000) & 0xFFFF


def packed(keyspace: Keyspace, count: int) -> int:
    """A record with this counter, as of now."""
    return _minutes(keyspace) << 8 | count


def fresh(keyspace: Keyspace) -> int:
    """The record of a new key."""
    return packed(keyspace, INITIAL)


def counter(record: int, keyspace: Keyspace) -> int:
    """The counter with the decay that time has brought."""
    count = record & 255
    if keyspace.lfu_decay_time:
        idle = (_minutes(keyspace) - (record >> 8)) & 0xFFFF
        count -= min(count, idle // keyspace.lfu_decay_time)
    return count


def touched(record: int, keyspace: Keyspace) -> int:
    """The record after one more access: the higher the counter, the less likely it grows."""
    count = counter(record, keyspace)
    if count < 255 and keyspace.random.random() < 1.0 / (
        max(0, count - INITIAL) * keyspace.lfu_log_factor + 1
    ):
        count += 1
    return packed(keyspace, count)
