"""The size limits at which values change their encoding, named as in redis.conf."""

from __future__ import annotations

__all__ = ["Limits"]


class Limits:
    """The encoding parameters that all values of one server share.

    Plain and mutable: ``CONFIG SET`` assigns to the attributes, and each value looks at them when it next
    decides about its encoding. Defaults are those of Redis 7.4.

    `quicklist_packed_threshold` is what ``DEBUG QUICKLIST-PACKED-THRESHOLD`` sets: the bytes from which a
    list element gets a node of its own; 0 leaves that to `list_max_listpack_size`.
    """

    __slots__ = (
        "hash_max_listpack_entries",
        "hash_max_listpack_value",
        "hll_sparse_max_bytes",
        "list_compress_depth",
        "list_max_listpack_size",
        "quicklist_packed_threshold",
        "set_max_intset_entries",
        "set_max_listpack_entries",
        "set_max_listpack_value",
        "stream_node_max_bytes",
        "stream_node_max_entries",
        "zset_max_listpack_entries",
        "zset_max_listpack_value",
    )

    def __init__(self) -> None:
        self.list_max_listpack_size = -2
        self.list_compress_depth = 0
        self.hash_max_listpack_entries = 512
        self.hash_max_listpack_value = 64
        self.set_max_intset_entries = 512
        self.set_max_listpack_entries = 128
        self.set_max_listpack_value = 64
        self.zset_max_listpack_entries = 128
        self.zset_max_listpack_value = 64
        self.hll_sparse_max_bytes = 3000
        self.stream_node_max_bytes = 4096
        self.stream_node_max_entries = 100
        self.quicklist_packed_threshold = 0
