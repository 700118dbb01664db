"""redis-py, synchronous, in RESP3 (its default) and RESP2: commands, pipelines, transactions, blocking."""

from __future__ import annotations

import datetime
import threading
from typing import Any, Callable

import pytest

from tests.conftest import LONG
from twisted_resp.testing import ServerThread

# Some methods below are old friends that redis-py would rather see replaced.
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated:DeprecationWarning")

redis = pytest.importorskip("redis")

Connect = Callable[..., Any]


def wait_until_blocked(server: ServerThread, count: int = 1) -> None:
    """Wait until so many clients are parked: a PING behind their requests can't tell, for it has its own socket."""

    def parked() -> bool:
        return len(server.factory.server.waiting) >= count

    turn = threading.Event()
    while not server.run(parked):
        turn.wait(0.002)


class TestCommands:
    def test_strings(self, client: Any) -> None:
        assert client.set("k", "v") is True
        assert client.get("k") == "v"
        assert client.get("none") is None
        assert client.set("k", "w", nx=True) is None
        assert client.set("k", "w", xx=True, get=True) == "v"
        assert client.set("t", "x", ex=datetime.timedelta(minutes=1)) is True
        assert 59 <= client.ttl("t") <= 60
        assert client.setex("t", 10, "y") is True
        assert client.getex("t", persist=True) == "y"
        assert client.ttl("t") == -1
        assert client.getdel("t") == "y"
        assert client.incrby("n", 5) == 5
        assert client.incrbyfloat("n", 0.5) == 5.5
        assert client.decr("m") == -1
        assert client.append("k", "!") == 2
        assert client.getrange("k", 0, 0) == "w"
        assert client.setrange("k", 5, "z") == 6
        assert client.mset({"a": 1, "b": 2}) is True
        assert client.mget("a", "none", "b") == ["1", None, "2"]
        assert client.msetnx({"a": 1, "c": 2}) in (False, 0)
        assert client.lcs("a", "b", len=True) == 0
        assert client.setbit("bits", 7, 1) == 0
        assert client.bitcount("bits") == 1
        assert client.strlen("bits") == 1

    def test_bytes_come_back_as_they_went(self, connect: Connect) -> None:
        client = connect()
        every_byte = bytes(range(256)) * 5
        client.set(every_byte, every_byte)
        assert client.get(every_byte) == every_byte
        assert client.keys() == [every_byte]
        client.set("ключ", "значение")
        assert client.get("ключ").decode() == "значение"

    def test_lists(self, client: Any) -> None:
        assert client.rpush("l", "a", "b", "c") == 3
        assert client.lpush("l", *range(3)) == 6
        assert client.lrange("l", 0, -1) == ["2", "1", "0", "a", "b", "c"]
        assert client.lpop("l") == "2"
        assert client.lpop("l", 2) == ["1", "0"]
        assert client.lpop("none") is None
        assert client.rpop("none", 3) is None
        assert client.lpos("l", "b") == 1
        assert client.lpos("l", "c", count=0) == [2]
        assert client.linsert("l", "before", "b", "x") == 4
        assert client.lindex("l", 1) == "x"
        assert client.lset("l", 1, "y") is True
        assert client.lrem("l", 1, "y") == 1
        assert client.ltrim("l", 0, 1) is True
        assert client.lmove("l", "other", "LEFT", "RIGHT") == "a"
        assert client.lmpop(2, "none", "l", direction="LEFT") == ["l", ["b"]]
        assert client.lmpop(1, "none", direction="LEFT") is None
        assert client.llen("l") == 0

    def test_hashes_and_sets(self, client: Any) -> None:
        assert client.hset("h", mapping={"a": 1, "b": 2}) == 2
        assert client.hgetall("h") == {"a": "1", "b": "2"}
        assert client.hgetall("none") == {}
        assert client.hmget("h", "a", "z") == ["1", None]
        assert client.hincrbyfloat("h", "a", 1.5) == 2.5
        assert dict(client.hscan_iter("h")) == {"a": "2.5", "b": "2"}
        assert client.hexists("h", "a") in (True, 1)
        assert client.sadd("s", "a", "b", "c") == 3
        assert client.smembers("s") == {"a", "b", "c"}
        assert client.sismember("s", "a") in (True, 1)
        assert client.smismember("s", ["a", "z"]) == [1, 0]
        assert set(client.sscan_iter("s")) == {"a", "b", "c"}

    def test_keys(self, client: Any, connect: Connect) -> None:
        client.mset({f"key:{n}": n for n in range(300)})
        assert client.exists("key:1", "key:2", "none") == 2
        assert sorted(client.keys("key:1?")) == [f"key:1{n}" for n in range(10)]
        assert len(set(client.scan_iter("key:*", count=7))) == 300
        assert set(client.scan_iter("key:29?", _type="string")) == {f"key:29{n}" for n in range(10)}
        assert client.randomkey().startswith("key:")
        assert client.rename("key:0", "other") is True
        assert client.renamenx("other", "key:1") in (False, 0)
        with pytest.raises(redis.ResponseError, match="no such key"):
            client.rename("none", "x")
        assert client.copy("other", "copy") in (True, 1)
        assert client.move("copy", 5) in (True, 1)
        assert connect(db=5, decode_responses=True).get("copy") == "0"
        assert client.expire("other", 100, nx=True) in (True, 1)
        assert client.expire("other", 50, gt=True) in (False, 0)
        at = datetime.datetime.now().replace(microsecond=0) + datetime.timedelta(hours=1)
        assert client.pexpireat("other", at) in (True, 1)
        assert client.expiretime("other") == int(at.timestamp())
        assert client.touch("other", "none") == 1
        assert client.unlink("other", "none") == 1
        assert client.type("key:1") == "string"
        assert client.object("encoding", "key:1") == "int"
        client.rpush("unsorted", 3, 1, 2)
        assert client.sort("unsorted", desc=True) == ["3", "2", "1"]
        assert client.sort("unsorted", by="nosort", get=["#", "key:*"], groups=True) == [
            ("3", "3"),
            ("1", "1"),
            ("2", "2"),
        ]
        assert client.swapdb(0, 1) is True
        assert client.dbsize() == 0
        assert client.flushall() is True

    def test_streams(self, client: Any) -> None:
        first = client.xadd("st", {"a": 1})
        second = client.xadd("st", {"a": 2}, maxlen=10, approximate=False)
        assert client.xadd("none", {"a": 1}, nomkstream=True) is None
        assert client.xrange("st") == [(first, {"a": "1"}), (second, {"a": "2"})]
        assert client.xrevrange("st", count=1) == [(second, {"a": "2"})]
        read = client.xread({"st": first, "none": 0}, block=1000)
        assert (read["st"] if isinstance(read, dict) else dict(read)["st"]) in (
            [(second, {"a": "2"})],
            [[(second, {"a": "2"})]],
        )
        assert not client.xread({"st": "$"}, block=5)
        assert client.xdel("st", first) == 1
        assert client.xtrim("st", maxlen=0, approximate=False) == 1
        assert client.xlen("st") == 0

    def test_what_the_server_says_of_itself(self, client: Any, server: ServerThread) -> None:
        info = client.info()
        assert info["tcp_port"] == server.port
        assert info["connected_clients"] == 1
        client.set("k", "v", ex=100)
        keyspace = client.info("keyspace")["db0"]
        assert (keyspace["keys"], keyspace["expires"]) == (1, 1)
        assert client.config_get("max*-policy") == {"maxmemory-policy": "noeviction"}
        assert client.config_set("list-max-listpack-size", -1) is True
        seconds, microseconds = client.time()
        assert abs(seconds - datetime.datetime.now().timestamp()) < 60
        assert 0 <= microseconds < 1_000_000
        assert client.command_count() == len(client.command())
        assert client.command()["get"]["arity"] == 2
        assert client.execute_command("COMMAND DOCS", "set")
        assert client.command_getkeys("MSET", "a", 1, "b", 2) == ["a", "b"]
        assert client.lolwut().endswith("\n")
        assert client.slowlog_reset() is True
        assert client.echo("x") == "x"

    def test_errors(self, client: Any) -> None:
        client.rpush("l", "x")
        with pytest.raises(redis.ResponseError, match="WRONGTYPE Operation against a key"):
            client.get("l")
        with pytest.raises(redis.ResponseError, match="unknown command 'NO', with args beginning with: 'W'"):
            client.execute_command("NO", "W")
        with pytest.raises(redis.ResponseError, match="wrong number of arguments for 'get' command"):
            client.execute_command("GET")
        with pytest.raises(redis.ResponseError, match="not an integer"):
            client.incrby("l", "x")
        assert client.ping() is True


class TestPipelines:
    @pytest.mark.parametrize("transaction", [True, False])
    def test_replies_come_in_order_and_errors_in_their_place(self, client: Any, transaction: bool) -> None:
        with client.pipeline(transaction=transaction) as pipeline:
            pipeline.set("a", 1).lpush("a", "x").incr("a").hgetall("h").get("none")
            replies = pipeline.execute(raise_on_error=False)
        assert replies[0] is True
        assert isinstance(replies[1], redis.ResponseError)
        assert replies[2:] == [2, {}, None]
        with client.pipeline(transaction=transaction) as pipeline:
            pipeline.incr("a").lpush("a", "x").incr("a")
            with pytest.raises(redis.ResponseError, match=r"Command # 2 .* WRONGTYPE"):
                pipeline.execute()
        assert client.get("a") == "4"

    def test_a_hundred_thousand_commands(self, client: Any) -> None:
        """As a transaction in RESP3, as a plain pipeline in RESP2: each once, for they take their time."""
        pipeline = client.pipeline(transaction=client.connection_pool.connection_kwargs["protocol"] == 3)
        for _ in range(100_000):
            pipeline.incr("n")
        assert pipeline.execute() == list(range(1, 100_001))

    def test_a_command_that_can_not_be_queued_discards_the_transaction(self, client: Any) -> None:
        pipeline = client.pipeline()
        pipeline.set("a", 1)
        pipeline.execute_command("GET")
        with pytest.raises(redis.ResponseError, match="wrong number of arguments"):
            pipeline.execute()
        assert client.get("a") is None

    def test_watch(self, client: Any, connect: Connect) -> None:
        other = connect()
        with client.pipeline() as pipeline:
            pipeline.watch("n")
            assert pipeline.get("n") is None
            other.set("n", 1)
            pipeline.multi()
            pipeline.set("n", 2)
            with pytest.raises(redis.WatchError):
                pipeline.execute()
            pipeline.watch("n")
            pipeline.multi()
            pipeline.incr("n")
            assert pipeline.execute() == [2]

    def test_the_transaction_helper_tries_again(self, client: Any, connect: Connect) -> None:
        other, attempts = connect(), 0

        def add_one(pipeline: Any) -> None:
            nonlocal attempts
            attempts += 1
            value = int(pipeline.get("n") or 0)
            if attempts < 3:
                other.incr("n", 10)
            pipeline.multi()
            pipeline.set("n", value + 1)

        assert client.transaction(add_one, "n") == [True]
        assert (attempts, client.get("n")) == (3, "21")


def test_a_pipeline_whose_replies_are_larger_than_what_we_hold() -> None:
    """redis-py reads the first reply when it has sent the last request: we have to read on, and so does it."""
    with ServerThread(high_water_mark=1_000_000) as server, redis.Redis(port=server.port) as client:
        key, value = b"k" * 10_000, b"v" * 10_000
        client.set(key, value)
        pipeline = client.pipeline(transaction=False)
        for _ in range(3000):
            pipeline.get(key)
        assert pipeline.execute() == [value] * 3000


class TestBlocking:
    def test_time_is_up(self, client: Any) -> None:
        assert client.blpop("none", timeout=0.01) is None
        assert client.brpop(["none", "nor this"], timeout=0.01) is None
        assert client.blmove("none", "other", 0.01) is None
        assert client.brpoplpush("none", "other", timeout=0.01) is None
        assert client.blmpop(0.01, 1, "none", direction="LEFT") is None

    def test_somebody_pushes(self, client: Any, server: ServerThread) -> None:
        answers: list[Any] = []

        def wait() -> None:
            answers.append(client.blpop(["a", "b"], timeout=LONG))
            answers.append(client.brpop("a", timeout=LONG))
            answers.append(client.blmove("a", "c", LONG))
            answers.append(client.blmpop(LONG, 2, "x", "y", direction="RIGHT", count=5))
            answers.append(client.lrange("c", 0, -1))

        thread = threading.Thread(target=wait)
        thread.start()
        for key, value in [("b", 1), ("a", 2), ("a", 3), ("y", 4)]:
            wait_until_blocked(server)
            server.call("RPUSH", key, value)
        thread.join(LONG)
        assert [tuple(map(str, answer)) for answer in answers[:2]] == [("b", "1"), ("a", "2")]
        assert answers[2:] == ["3", ["y", ["4"]], ["3"]]

    def test_a_stream_grows(self, client: Any, server: ServerThread) -> None:
        answers: list[Any] = []
        thread = threading.Thread(target=lambda: answers.append(client.xread({"st": "$"}, block=30000)))
        thread.start()
        wait_until_blocked(server)
        server.call("XADD", "st", "7-1", "f", "v")
        thread.join(LONG)
        assert "7-1" in str(answers)

    def test_whoever_gives_up_sooner_takes_nothing(self, connect: Connect) -> None:
        """A client whose socket timeout is shorter than its BLPOP hangs up; the element is not for it."""
        impatient = connect(socket_timeout=0.05, retry=redis.retry.Retry(redis.backoff.NoBackoff(), 0))
        with pytest.raises(redis.TimeoutError):
            impatient.blpop("l", timeout=0)
        patient = connect()
        assert patient.rpush("l", "x") == 1
        assert patient.lrange("l", 0, -1) == [b"x"]


class TestLock:
    """Taking a lock needs nothing but SET; giving it back is a Lua script."""

    def test_one_at_a_time(self, client: Any) -> None:
        lock = client.lock("lock", timeout=100)
        assert lock.acquire(blocking=False)
        assert lock.locked()
        assert lock.owned()
        other = client.lock("lock", timeout=100)
        assert not other.acquire(blocking=False)
        assert not other.acquire(blocking_timeout=0.02, sleep=0.005)
        assert not other.owned()
        client.delete("lock")
        assert other.acquire(blocking=False)

    def test_giving_it_back(self, client: Any) -> None:
        pytest.importorskip("lupa")
        with client.lock("lock", timeout=100) as lock:
            assert lock.extend(10)
            assert 100_000 < client.pttl("lock") <= 110_000
            assert lock.reacquire()
            assert client.pttl("lock") <= 100_000
        assert not client.exists("lock")
        lock = client.lock("lock", timeout=100)
        lock.acquire()
        client.set("lock", "somebody else's")
        with pytest.raises(redis.exceptions.LockNotOwnedError):
            lock.release()
        assert client.get("lock") == "somebody else's"

    def test_many_threads(self, client: Any) -> None:
        pytest.importorskip("lupa")

        def add_one() -> None:
            for _ in range(10):
                with client.lock("lock", sleep=0.001):
                    client.set("n", int(client.get("n") or 0) + 1)

        threads = [threading.Thread(target=add_one) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LONG)
        assert client.get("n") == "40"
