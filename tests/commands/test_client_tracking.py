"""CLIENT TRACKING: which messages come, to whom, and when."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import needs_lua

if TYPE_CHECKING:
    from tests.commands.conftest import Connection, Engine

Connect = Callable[[], "Connection"]


def invalidation(*keys: str) -> bytes:
    """The push for some keys."""
    words = b"".join(b"$%d\r\n%b\r\n" % (len(key), key.encode()) for key in keys)
    return b">2\r\n$10\r\ninvalidate\r\n*%d\r\n%b" % (len(keys), words)


EVERYTHING = b">2\r\n$10\r\ninvalidate\r\n_\r\n"


@pytest.fixture
def reader(connect: Connect) -> Connection:
    """A connection with RESP3."""
    return with_resp3(connect())


@pytest.fixture
def writer(connect: Connect) -> Connection:
    return connect()


def with_resp3(connection: Connection) -> Connection:
    connection.send("HELLO 3")
    return connection


def track(connection: Connection, *options: str) -> None:
    assert connection.send(" ".join(("CLIENT TRACKING ON", *options))) == b"+OK\r\n"


def test_nothing_hangs_on_the_seams_while_nobody_tracks(
    engine: Engine, reader: Connection, writer: Connection
) -> None:
    keyspace = engine.server.keyspace
    before = (list(keyspace.on_modified), list(keyspace.on_deleted), list(keyspace.on_flushed))
    track(reader)
    reader.send("GET a")
    assert len(keyspace.on_modified) == len(before[0]) + 1
    assert engine.server.attention == 0
    assert writer.client.execute is engine.server.states.normal
    reader.lose()
    assert (keyspace.on_modified, keyspace.on_deleted, keyspace.on_flushed) == before
    assert engine.server.tracking.keys == 0


def test_a_key_that_was_read_is_told_once(reader: Connection, writer: Connection) -> None:
    track(reader)
    reader.send("MGET a b")
    writer.send("SET a 1", "SET c 1")
    assert reader.received() == invalidation("a")
    writer.send("SET a 1")
    assert reader.received() == b""
    writer.send("SET b 1")
    assert reader.received() == invalidation("b")


def test_only_reads_are_remembered(reader: Connection, writer: Connection) -> None:
    track(reader)
    reader.send("SET a 1", "INCR b", "EVAL_RO return{} 1 c")
    writer.send("DEL a b", "SET c 1")
    assert reader.received() == b""


@needs_lua
def test_of_scripts_and_transactions_what_they_read_is_remembered(
    reader: Connection, writer: Connection
) -> None:
    track(reader)
    reader.send("EVAL return{redis.call('get','a')} 1 b", "MULTI", "GET c", "EXEC")
    writer.send("MSET a 1 b 1 c 1")
    assert reader.received() == invalidation("a") + invalidation("c")


def test_a_blocked_reader(reader: Connection, writer: Connection) -> None:
    track(reader)
    reader.send("XREAD BLOCK 0 STREAMS s $")
    for number in (b"1", b"2"):
        writer.send(b"XADD s %b-0 a b" % number)
        assert reader.received().startswith(invalidation("s"))


def test_ones_own_change_is_told_after_the_reply(reader: Connection) -> None:
    track(reader)
    reader.send("GET a", "GET b")
    assert reader.send("SET a 1", "PING") == b"+OK\r\n" + invalidation("a") + b"+PONG\r\n"
    transaction = reader.send("MULTI", "SET b 1", "GET c", "EXEC")
    assert transaction == b"+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n_\r\n" + invalidation("b")


def test_noloop(reader: Connection, writer: Connection) -> None:
    track(reader, "NOLOOP")
    reader.send("GET a")
    assert reader.send("SET a 1") == b"+OK\r\n"
    reader.send("GET a")
    writer.send("SET a 1")
    assert reader.received() == invalidation("a")


def test_flushes(reader: Connection, writer: Connection) -> None:
    track(reader)
    reader.send("GET a")
    writer.send("FLUSHALL")
    assert reader.received() == EVERYTHING
    writer.send("SET a 1")
    assert reader.received() == b""
    assert reader.send("FLUSHDB") == b"+OK\r\n" + EVERYTHING


def test_expiry(engine: Engine, reader: Connection, writer: Connection) -> None:
    track(reader)
    writer.send("SET a 1 PX 100")
    reader.send("GET a")
    engine.clock.advance(0.2)
    assert reader.received() == invalidation("a")


def test_eviction_is_told_before_the_reply(reader: Connection, writer: Connection) -> None:
    track(reader)
    reader.send("SETEX a 100 1", "GET a")
    reader.send("CONFIG SET maxmemory 1000000 maxmemory-policy volatile-ttl")
    reader.send("SETBIT big 1600000 0")
    assert reader.send("GETBIT big 0") == invalidation("a") + b":0\r\n"


def test_what_is_forgotten_is_told(engine: Engine, reader: Connection) -> None:
    track(reader, "NOLOOP")
    engine.call("CONFIG", "SET", "tracking-table-max-keys", 2)
    replies = reader.send("GET a", "GET b", "GET c")
    assert replies.count(b"_\r\n") == 3
    assert replies.count(b"invalidate") == 1
    assert engine.server.tracking.keys == 2
    engine.call("CONFIG", "SET", "tracking-table-max-keys", 1)
    assert reader.received().count(b"invalidate") == 1


# ------------------------------------------------------------------------------------------------- options


def test_optin_and_optout(reader: Connection, writer: Connection) -> None:
    track(reader, "OPTIN")
    reader.send("GET a", "CLIENT CACHING YES", "GET b", "GET c")
    writer.send("MSET a 1 b 1 c 1")
    assert reader.received() == invalidation("b")
    reader.send("CLIENT TRACKING OFF")
    track(reader, "OPTOUT")
    reader.send("GET a", "CLIENT CACHING NO", "GET b", "GET c")
    writer.send("MSET a 1 b 1 c 1")
    assert reader.received() == invalidation("a") + invalidation("c")


def test_caching_holds_for_a_transaction(reader: Connection, writer: Connection) -> None:
    track(reader, "OPTIN")
    reader.send("CLIENT CACHING YES", "MULTI", "GET a", "GET b", "EXEC", "GET c")
    writer.send("MSET a 1 b 1 c 1")
    assert reader.received() == invalidation("a") + invalidation("b")


def test_broadcast(reader: Connection, writer: Connection) -> None:
    track(reader, "BCAST", "PREFIX", "a", "PREFIX", "b:")
    writer.send("MSET b:2 1 a2 1 a1 1 b 1 c 1")
    assert reader.received() == invalidation("a1", "a2") + invalidation("b:2")
    assert reader.send("SET a1 1", "PING") == b"+OK\r\n+PONG\r\n" + invalidation("a1")


def test_broadcast_without_loops(engine: Engine, reader: Connection, writer: Connection) -> None:
    track(reader, "BCAST", "NOLOOP")
    reader.send("SET a 1 PX 100", "SET b 1")
    assert reader.received() == b""
    writer.send("SET b 1")
    assert reader.received() == invalidation("b")
    engine.clock.advance(0.2)
    assert reader.received() == invalidation("a")


def test_redirection_to_a_subscriber(reader: Connection, connect: Connect, writer: Connection) -> None:
    subscriber = connect()
    track(reader, "REDIRECT", str(subscriber.client.id))
    reader.send("GET a")
    writer.send("SET a 1")
    assert subscriber.received() == b""  # not one yet
    subscriber.send("SUBSCRIBE __redis__:invalidate")
    reader.send("GET a")
    writer.send("SET a 1")
    message = b"*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n"
    assert subscriber.received() == message + b"*1\r\n$1\r\na\r\n"
    writer.send("FLUSHALL")
    assert subscriber.received() == message + b"$-1\r\n"
    assert reader.received() == b""
    subscriber.lose()
    reader.send("GET a")
    writer.send("SET a 1")
    assert reader.received() == b">2\r\n$21\r\ntracking-redir-broken\r\n:%d\r\n" % subscriber.client.id
    assert b"broken_redirect" in reader.send("CLIENT TRACKINGINFO")


def test_redirection_to_resp3(connect: Connect, reader: Connection, writer: Connection) -> None:
    other = connect()
    track(other, "REDIRECT", str(reader.client.id))
    other.send("GET a")
    writer.send("SET a 1")
    assert reader.received() == invalidation("a")


def test_resp2_without_redirection_hears_nothing(connect: Connect, writer: Connection) -> None:
    other = connect()
    track(other)
    other.send("GET a")
    writer.send("SET a 1", "FLUSHALL")
    assert other.received() == b""


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ("MAYBE", b"ERR syntax error"),
        ("ON WHAT", b"ERR syntax error"),
        ("ON REDIRECT", b"ERR syntax error"),
        ("ON REDIRECT x", b"ERR value is not an integer or out of range"),
        ("ON REDIRECT 99999", b"ERR The client ID you want redirect to does not exist"),
        ("ON REDIRECT 1 REDIRECT 1", b"ERR A client can only redirect to a single other client"),
        ("ON PREFIX a", b"ERR PREFIX option requires BCAST mode to be enabled"),
        ("ON BCAST OPTIN", b"ERR OPTIN and OPTOUT are not compatible with BCAST"),
        ("ON OPTIN OPTOUT", b"ERR You can't specify both OPTIN mode and OPTOUT mode"),
        (
            "ON BCAST PREFIX ab PREFIX a",
            b"ERR Prefix 'ab' overlaps with another provided prefix 'a'. "
            b"Prefixes for a single client must not overlap.",
        ),
    ],
)
def test_errors(connect: Connect, options: str, error: bytes) -> None:
    connection = connect()
    assert connection.client.id == 1
    assert connection.send(f"CLIENT TRACKING {options}") == b"-%b\r\n" % error


def test_changes_of_mind(reader: Connection) -> None:
    track(reader, "BCAST", "PREFIX", "a")
    assert b"can't switch BCAST mode" in reader.send("CLIENT TRACKING ON")
    assert b"overlaps with an existing prefix 'a'" in reader.send("CLIENT TRACKING ON BCAST PREFIX ab")
    track(reader, "BCAST", "PREFIX", "b")
    assert reader.client.tracking is not None
    assert sorted(reader.client.tracking.prefixes) == [b"a", b"b"]
    reader.send("CLIENT TRACKING OFF")
    track(reader, "OPTIN")
    assert b"can't switch OPTIN/OPTOUT mode" in reader.send("CLIENT TRACKING ON OPTOUT")
    assert b"only valid when tracking is enabled in OPTOUT mode" in reader.send("CLIENT CACHING NO")
    reader.send("RESET")
    assert reader.client.tracking is None
    assert b"only when the client is in tracking mode" in reader.send("CLIENT CACHING YES")


def test_what_is_said_of_it(engine: Engine, reader: Connection, connect: Connect) -> None:
    def figures() -> dict[str, Any]:
        fields = dict(line.split(b":") for line in engine.call("INFO").split(b"\r\n") if b":" in line)
        return {
            name: int(fields[b"tracking_" + name.encode()])
            for name in ("clients", "total_keys", "total_items", "total_prefixes")
        }

    other = with_resp3(connect())
    assert reader.send("CLIENT GETREDIR") == b":-1\r\n"
    track(reader, "OPTIN")
    reader.send("CLIENT CACHING YES")
    assert b"$11\r\ncaching-yes\r\n" in reader.send("CLIENT TRACKINGINFO")
    assert b" flags=t " in reader.send("CLIENT INFO")
    reader.send("MGET a b")
    track(other, "BCAST", "PREFIX", "x", "PREFIX", "y")
    assert b" flags=tB " in other.send("CLIENT INFO")
    assert figures() == {"clients": 2, "total_keys": 2, "total_items": 2, "total_prefixes": 2}
    other.send("CLIENT TRACKING OFF")
    assert figures() == {"clients": 1, "total_keys": 2, "total_items": 2, "total_prefixes": 0}
