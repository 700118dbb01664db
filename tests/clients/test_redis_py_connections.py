"""redis-py's connections: what it says on connecting, pools, health checks, retries, unix sockets, passwords."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest

from tests.conftest import LONG
from twisted_resp.testing import ServerThread

redis = pytest.importorskip("redis")

Connect = Callable[..., Any]

# redis-py takes a refused password for a broken connection, and tries again and again.
ONCE = redis.retry.Retry(redis.backoff.NoBackoff(), 0)


class TestConnecting:
    def test_what_a_client_says_of_itself(self, connect: Connect) -> None:
        client = connect(client_name="me", db=3, decode_responses=True)
        mine = client.client_info()
        assert (mine["name"], mine["db"], mine["lib-name"][:8]) == ("me", 3, "redis-py")
        assert mine["lib-ver"] == redis.__version__
        assert int(mine["resp"]) == client.connection_pool.connection_kwargs["protocol"]
        assert client.client_getname() == "me"
        assert client.client_setname("you") is True
        assert [other["name"] for other in client.client_list()] == ["you"]
        assert client.client_list(client_id=[client.client_id()])[0]["name"] == "you"
        assert client.client_no_evict("ON") in (b"OK", "OK", True)
        assert client.client_no_touch("ON") in (b"OK", "OK", True)
        assert client.reset() == "RESET"

    def test_hello(self, server: ServerThread) -> None:
        # Not over a connection that has chosen RESP2: its parser could not read the answer.
        client = redis.Redis(port=server.port, protocol=3, decode_responses=True)
        answer = client.execute_command("HELLO", 3)
        assert (answer["server"], answer["proto"], answer["mode"], answer["role"]) == (
            "redis",
            3,
            "standalone",
            "master",
        )
        with pytest.raises(redis.ResponseError, match="NOPROTO"):
            client.execute_command("HELLO", 4)
        client.close()

    def test_from_url(self, server: ServerThread) -> None:
        with redis.Redis.from_url(f"{server.url}/7?client_name=me&decode_responses=True") as client:
            client.set("k", "v")
            assert client.client_info()["db"] == 7
            assert client.client_info()["name"] == "me"
        with redis.from_url(f"{server.url}?db=7&protocol=2") as client:
            assert client.get("k") == b"v"

    def test_passwords(self) -> None:
        with ServerThread(password=b"sesame") as server:
            for protocol in (2, 3):
                settings = {"port": server.port, "protocol": protocol}
                with redis.Redis(**settings, password="sesame", client_name="me") as client:
                    assert client.client_getname() in (b"me", "me")
                with redis.Redis(**settings, username="default", password="sesame") as client:
                    assert client.ping()
                nonsense = redis.Redis(**settings, password="nonsense", retry=ONCE)
                with nonsense, pytest.raises(redis.AuthenticationError, match="invalid username-password"):
                    nonsense.ping()
                stranger = redis.Redis(**settings, retry=ONCE)
                # To RESP3 it is HELLO that is refused, and words it differently.
                with stranger, pytest.raises(redis.AuthenticationError, match=r"(?i)authenticat"):
                    stranger.get("k")
            with redis.from_url(f"redis://:sesame@127.0.0.1:{server.port}") as client:
                assert client.ping()
            with redis.from_url(f"redis://default:sesame@127.0.0.1:{server.port}?protocol=2") as client:
                assert client.ping()

    def test_a_database_that_is_not_there(self, connect: Connect) -> None:
        with pytest.raises(redis.ResponseError, match="DB index is out of range"):
            connect(db=16).ping()


class TestPools:
    def test_many_threads_share_one_client(self, connect: Connect) -> None:
        client = connect()

        def count() -> None:
            for _ in range(50):
                client.incr("n")

        threads = [threading.Thread(target=count) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LONG)
        assert client.get("n") == b"400"

    def test_a_pool_of_two(self, server: ServerThread) -> None:
        pool = redis.BlockingConnectionPool(port=server.port, max_connections=2, timeout=0.01)
        one, two = pool.get_connection(), pool.get_connection()
        with pytest.raises(redis.ConnectionError):
            pool.get_connection()
        pool.release(one)
        assert redis.Redis(connection_pool=pool).ping()
        pool.release(two)
        pool.disconnect()

    def test_health_checks(self, connect: Connect) -> None:
        client = connect(health_check_interval=1e-9, decode_responses=True)
        for _ in range(3):
            assert client.set("k", "v")
            assert client.get("k") == "v"
        assert client.info("commandstats")["cmdstat_ping"]["calls"] >= 5
        subscriber = client.pubsub()
        subscriber.subscribe("c")
        assert subscriber.get_message(timeout=LONG)["type"] == "subscribe"
        for _ in range(3):
            client.publish("c", "m")
            message = None
            # redis-py 7.0 takes the answer to its own check for a message, of a type of which there is none.
            while message is None or message["type"] != "message":
                message = subscriber.get_message(timeout=LONG)
            assert message["data"] == "m"
        subscriber.close()

    def test_one_connection(self, connect: Connect) -> None:
        client = connect(single_connection_client=True)
        first = client.client_id()
        assert [client.client_id() for _ in range(5)] == [first] * 5


class TestEndings:
    def test_a_killed_client_connects_again(self, connect: Connect) -> None:
        client, other = connect(), connect()
        before = client.client_id()
        assert other.client_kill_filter(_id=before) == 1
        assert client.client_id() > before
        assert other.client_kill_filter(_id=before) == 0

    def test_a_server_that_comes_back(self) -> None:
        server = ServerThread()
        server.start()
        port = server.port
        with redis.Redis(port=port, decode_responses=True) as client:
            assert client.set("k", "v")
            server.stop()
            with ServerThread(port=port) as again:
                assert client.get("k") is None
                again.call("SET", "k", "w")
                assert client.get("k") == "w"
            bare = redis.Redis(port=port, retry=ONCE)
            with pytest.raises(redis.ConnectionError):
                bare.ping()
            bare.close()

    def test_unblocking(self, connect: Connect, server: ServerThread) -> None:
        waiting, other = connect(), connect()
        number = waiting.client_id()
        answers: list[Any] = []

        def wait() -> None:
            try:
                answers.append(waiting.blpop("l", timeout=0))
            except redis.ResponseError as error:
                answers.append(error)

        for how in (False, True):
            thread = threading.Thread(target=wait)
            thread.start()
            while not other.client_unblock(number, error=how):
                pass
            thread.join(LONG)
        assert answers[0] is None
        assert str(answers[1]).startswith("UNBLOCKED client unblocked via CLIENT UNBLOCK")

    def test_pause(self, client: Any, connect: Connect) -> None:
        assert client.client_pause(10_000, all=False) is True
        assert client.get("k") is None
        answers: list[Any] = []
        writer = connect()
        thread = threading.Thread(target=lambda: answers.append(writer.set("k", "v")))
        thread.start()
        while client.info("clients")["blocked_clients"] == 0:
            pass
        assert client.get("k") is None
        assert client.client_unpause() == "OK"
        thread.join(LONG)
        assert answers == [True]

    def test_quit_and_shutdown(self, connect: Connect, server: ServerThread) -> None:
        assert connect().execute_command("QUIT") in (True, b"OK")
        connect(retry=ONCE).shutdown(nosave=True)
        assert not server.running


@pytest.fixture
def socket_path() -> Iterator[Path]:
    """Somewhere short: the path of a unix socket may not be longer than about a hundred bytes."""
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory) / "s"


class TestUnixSockets:
    def test_a_unix_socket(self, server: ServerThread, socket_path: Path) -> None:
        def listen() -> Any:
            reactor: Any = server.factory.server.clock
            return reactor.listenUNIX(str(socket_path), server.factory)

        port = server.run(listen)
        try:
            # redis-py 7.0 looks for a host in every RESP3 connection.
            for protocol in (2,) if redis.__version__.startswith("7.0.") else (2, 3):
                with redis.Redis(unix_socket_path=str(socket_path), protocol=protocol) as client:
                    value = b"x" * 3_000_000
                    assert client.set("k", value)
                    assert client.get("k") == value
                    assert client.client_info()["addr"] == f"{socket_path}:0"
            with redis.from_url(f"unix://{socket_path}?db=2") as client:
                assert client.get("k") is None
                assert client.blpop("l", timeout=0.01) is None
        finally:
            server.run(port.stopListening)
        assert not socket_path.exists()
