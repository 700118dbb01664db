"""Servers that are something special: replicas, other servers' flavours."""

from __future__ import annotations

import pytest
import redis

from twisted_resp.testing import ServerThread


def test_a_replica() -> None:
    with ServerThread(password="secret") as primary:
        primary.call("SET", "k", "v")
        with ServerThread(replica_of=primary) as replica, replica.redis_client() as client:
            assert client.get("k") == b"v"
            with pytest.raises(redis.ReadOnlyError):
                client.set("k", "w")
            assert client.info("replication")["role"] == "slave"
            # The primary fails, and the replica takes its place.
            primary.faults.down()
            replica.call("REPLICAOF", "NO", "ONE")
            assert client.set("k", "w")


def test_flavours() -> None:
    with ServerThread(emulate="redis-6.2") as server, server.redis_client() as client:
        assert client.info("server")["redis_version"].startswith("6.2")
