"""The number of nodes that Redis' radix tree has for the nodes of a stream, which XINFO STREAM tells.

The keys of the tree are the first ids of the stream's nodes, 16 bytes each, the most significant first. Bytes
that keys share are one node, and so are a byte at which keys part, and the end of a key.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted_resp.values.stream_id import StreamId

__all__ = ["radix_nodes"]

_KEY_BYTES = 16


def radix_nodes(starts: Sequence[StreamId]) -> int:
    """Return the number of nodes of the tree with these keys, which are in order."""
    keys = [b"%b%b" % (ms.to_bytes(8, "big"), sequence.to_bytes(8, "big")) for ms, sequence in starts]
    if not keys:
        return 1
    count = 0
    # Parts of the list of keys that have their first `depth` bytes in common.
    waiting = [(0, len(keys), 0)]
    while waiting:
        first, end, depth = waiting.pop()
        shared = _shared(keys[first], keys[end - 1]) if end - first > 1 else _KEY_BYTES
        count += 1 if shared == depth else 2
        if shared == _KEY_BYTES:
            continue
        begin = first
        for position in range(first + 1, end):
            if keys[position][shared] != keys[begin][shared]:
                waiting.append((begin, position, shared + 1))
                begin = position
        waiting.append((begin, end, shared + 1))
    return count


def _shared(one: bytes, other: bytes) -> int:
    """Return how many bytes at the beginning are the same in both."""
    for position, (a, b) in enumerate(zip(one, other)):
        if a != b:
            return position
    return len(one)
