"""Servers that pass for a cluster, by hand and with redis-py's cluster client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import redis
import redis.asyncio.cluster

from twisted_resp.testing.cluster import ServerCluster

# Keys of the slots 12182, 5061 and 5474, which belong to the third, the first and the second of three nodes.
FOO, BAR, USER = "foo", "bar", "{user}1"


@pytest.fixture(scope="module")
def cluster() -> Iterator[ServerCluster]:
    with ServerCluster(3) as cluster:
        yield cluster


@pytest.fixture
def first(cluster: ServerCluster) -> Iterator[Any]:
    """A client of the first node that knows nothing of clusters."""
    with cluster.nodes[0].redis_client(decode_responses=True) as client:
        yield client
    for node in cluster.nodes:
        node.call("FLUSHALL")
        node.faults.clear()


def error(client: Any, *args: object) -> str:
    with pytest.raises(redis.ResponseError) as raised:
        client.execute_command(*args)
    return str(raised.value)


def test_redirections(cluster: ServerCluster, first: Any) -> None:
    assert first.execute_command("CLUSTER", "KEYSLOT", FOO) == cluster.slot(FOO) == 12182
    assert cluster.node_of(FOO) is cluster.nodes[2]
    assert cluster.node_of(BAR) is cluster.nodes[0]
    assert error(first, "GET", FOO) == f"12182 127.0.0.1:{cluster.nodes[2].port}"  # redis-py's MovedError
    assert error(first, "MSET", FOO, 1, BAR, 1) == "Keys in request don't hash to the same slot"
    assert first.mset({"{bar}1": 1, "{bar}2": 2})
    assert first.ping()
    assert error(first, "SELECT", 1) == "SELECT is not allowed in cluster mode"
    assert first.info()["cluster_enabled"] == 1
    assert first.info()["redis_mode"] == "cluster"
    with first.pipeline() as pipeline:
        pipeline.set(BAR, 1)
        pipeline.set(FOO, 1)
        with pytest.raises(redis.exceptions.MovedError):  # and EXEC fails
            pipeline.execute()
    assert first.get(BAR) is None
    cluster.nodes[0].call("SET", FOO, "put in by the test")


def test_a_slot_on_its_way(cluster: ServerCluster, first: Any) -> None:
    here, there = cluster.nodes[0], cluster.nodes[1]
    slot = cluster.slot(BAR)
    first.set(BAR, 1)
    cluster.migrate(slot, there)
    try:
        assert first.get(BAR) == "1"
        assert error(first, "GET", "{bar}2") == f"{slot} 127.0.0.1:{there.port}"
        with there.redis_client() as other:
            with pytest.raises(redis.exceptions.MovedError):
                other.get("{bar}2")
            other.execute_command("ASKING")
            assert other.set("{bar}2", 1)
            with pytest.raises(redis.exceptions.MovedError):
                other.get("{bar}2")
            assert error(first, "MGET", BAR, "{bar}2") == "Multiple keys request during rehashing of slot"
            other.execute_command("ASKING")
            assert error(other, "MGET", BAR, "{bar}2") == "Multiple keys request during rehashing of slot"
        cluster.assign(slot, None)
        with pytest.raises(redis.exceptions.ClusterDownError, match="Hash slot not served"):
            first.get(BAR)
        with pytest.raises(LookupError):
            cluster.node_of(BAR)
        assert first.execute_command("CLUSTER INFO")["cluster_state"] == "fail"
    finally:
        cluster.assign(slot, here)
    assert first.get(BAR) == "1"


def test_what_it_tells_of_itself(cluster: ServerCluster, first: Any) -> None:
    nodes = first.execute_command("CLUSTER NODES")
    assert [node["slots"] for node in nodes.values()] == [
        [["0", "5460"]], [["5461", "10921"]], [["10922", "16383"]],
    ]  # fmt: skip
    assert [node["flags"] for node in nodes.values()] == ["myself,master", "master", "master"]
    shards = first.execute_command("CLUSTER SHARDS")
    assert [shard["nodes"][0]["port"] for shard in shards] == [node.port for node in cluster.nodes]
    assert first.execute_command("CLUSTER MYID") == shards[0]["nodes"][0]["id"]
    info = first.execute_command("CLUSTER INFO")
    assert (info["cluster_state"], info["cluster_size"]) == ("ok", "3")
    first.set(BAR, 1)
    slot = cluster.slot(BAR)
    assert first.execute_command("CLUSTER COUNTKEYSINSLOT", slot) == 1
    assert first.execute_command("CLUSTER GETKEYSINSLOT", slot, 5) == [BAR]
    assert error(first, "CLUSTER GETKEYSINSLOT", slot, -1) == "Invalid number of keys"
    assert error(first, "CLUSTER COUNTKEYSINSLOT", 16384) == "Invalid or out of range slot"
    assert error(first, "CLUSTER MEET", "127.0.0.1", 1) == "This instance has cluster support disabled"
    assert first.execute_command("READONLY") == first.execute_command("READWRITE") is True


def test_redis_py(cluster: ServerCluster, first: Any) -> None:
    with redis.RedisCluster.from_url(cluster.url, decode_responses=True) as client:
        for key in (FOO, BAR, USER):
            client.set(key, key)
        assert client.mget_nonatomic(FOO, BAR, USER) == [FOO, BAR, USER]
        assert client.dbsize(target_nodes="primaries") == 3
        assert [node.call("DBSIZE") for node in cluster.nodes] == [1, 1, 1]
        # A slot moves to another node: the client learns that from MOVED.
        cluster.assign(cluster.slot(FOO), cluster.nodes[1])
        assert client.get(FOO) is None
        cluster.nodes[1].journal.assert_called("GET", FOO)
        cluster.assign(cluster.slot(FOO), cluster.nodes[2])
        assert client.get(FOO) == FOO


def test_asyncio(cluster: ServerCluster, first: Any) -> None:
    import asyncio

    async def main() -> None:
        client = redis.asyncio.cluster.RedisCluster.from_url(cluster.url)
        async with client:
            await client.set(FOO, "1")
            assert await client.get(FOO) == b"1"

    asyncio.run(main())


def test_one_node_is_enough() -> None:
    with ServerCluster(1) as cluster, redis.RedisCluster.from_url(cluster.url) as client:
        assert client.set(FOO, 1)
        assert client.cluster_keyslot(FOO) == 12182
    with pytest.raises(ValueError):
        ServerCluster(0)
