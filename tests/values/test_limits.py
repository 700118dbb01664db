"""The limits start as in redis.conf of Redis 7.4 and can be changed."""

from __future__ import annotations

import pytest

from twisted_resp.values.limits import Limits


def test_defaults() -> None:
    limits = Limits()
    assert {name: getattr(limits, name) for name in Limits.__slots__} == {
        "hash_max_listpack_entries": 512,
        "hash_max_listpack_value": 64,
        "hll_sparse_max_bytes": 3000,
        "list_compress_depth": 0,
        "list_max_listpack_size": -2,
        "quicklist_packed_threshold": 0,
        "set_max_intset_entries": 512,
        "set_max_listpack_entries": 128,
        "set_max_listpack_value": 64,
        "stream_node_max_bytes": 4096,
        "stream_node_max_entries": 100,
        "zset_max_listpack_entries": 128,
        "zset_max_listpack_value": 64,
    }


def test_a_misspelt_limit_is_an_error() -> None:
    limits = Limits()
    limits.hash_max_listpack_value = 7
    assert limits.hash_max_listpack_value == 7
    with pytest.raises(AttributeError):
        setattr(limits, "hash_max_ziplist_value", 7)  # noqa: B010
