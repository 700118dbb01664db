"""The pytest plugin and the mixins, as strangers use them: in a project of their own.

To start a process takes longer than most of what is tested here, so most sessions run in this one, and what needs the
reactor runs in the reactor of this session.
"""

from __future__ import annotations

import os
import subprocess
import sys
import unittest
from importlib.metadata import entry_points
from pathlib import Path
from textwrap import dedent
from typing import Any, ClassVar, cast

import pytest
import pytest_twisted
import redis  # noqa: F401 - what a session in this process imports first is forgotten at its end
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import ClientCreator, Protocol
from twisted.internet.task import Clock

from twisted_resp.testing import RespFactoryMixin, RespServerMixin, isolation, plugin, strict, thread  # noqa: F401
from twisted_resp.testing.factory import ControlledFactory

pytest_plugins = ["pytester"]

SYNC_ONLY = ("-pno:xdist", "-pno:asyncio")
ROOT = Path(__file__).resolve().parent.parent.parent

SYNC = """
    from importlib.util import find_spec

    import pytest

    SEED = {"user:1": {"name": "Ada"}, "tags": {"x"}}

    @pytest.fixture(scope="module")
    def module_data(resp_server):
        resp_server.seed({"module": "here"})

    @pytest.fixture
    def own_data(resp_server):
        resp_server.keys["own"] = 1

    @pytest.mark.parametrize("time", range(3))
    def test_each_finds_it_as_it_was(resp_client, resp_server, module_data, own_data, time):
        assert resp_server.keys == {**SEED, "module": "here", "own": 1}
        assert resp_client.hgetall("user:1") == {"name": "Ada"}
        assert resp_client.config_get("maxmemory") == {"maxmemory": "1073741824"}
        resp_client.flushall()
        resp_client.config_set("maxmemory", "1mb")
        if find_spec("lupa"):
            resp_client.eval("return 1", 0)
        resp_server.clock.freeze(0)

    class TestInAClass:
        @pytest.fixture(scope="class")
        def class_data(self, resp_client_of_the_class):
            resp_client_of_the_class.rpush("list", 1)

        @pytest.fixture(scope="class")
        def resp_client_of_the_class(self, resp_server):
            with resp_server.redis_client() as client:
                yield client

        def test_wide_fixtures_stay(self, class_data, module_data, resp_server):
            assert resp_server.keys == {**SEED, "module": "here", "list": [1]}
            resp_server.call("RPUSH", "list", 2)

        def test_wide_fixtures_stay_for_all(self, class_data, module_data, resp_server):
            assert resp_server.keys["list"] == ["1"]

    def test_narrower_scopes_are_gone(resp_server):
        assert "list" not in resp_server.keys

    @pytest.mark.resp(seed={"q": ["a"]}, config={"maxmemory": "100mb"}, freeze=1000, protocol=3)
    def test_the_marker(resp_server, resp_client):
        assert resp_client.time() == (1000, 0)
        assert resp_client.lrange("q", 0, -1) == ["a"]
        assert resp_client.config_get("maxmemory") == {"maxmemory": "104857600"}
        resp_client.set("k", "v", ex=5)
        resp_server.clock.advance(6)
        assert resp_client.get("k") is None
"""

OTHERS = """
    import unittest
    import pytest
    import redis
    from twisted_resp.testing import RespServerMixin

    def test_modules_are_gone_and_time_is_real(resp_server):
        assert resp_server.keys == {"user:1": {"name": "Ada"}, "tags": {"x"}}
        assert int(resp_server.call("TIME")[0]) > 1_700_000_000

    def test_asked_for_late(request):
        request.getfixturevalue("resp_client").set("late", 1)

    def test_after_it(resp_server):
        assert "late" not in resp_server.keys

    @pytest.fixture(scope="class")
    def broken(resp_server):
        resp_server.keys["broken"] = 1
        raise RuntimeError("as it should be")

    class TestBroken:
        @pytest.mark.xfail(raises=RuntimeError, strict=True)
        def test_that_can_not_be_set_up(self, broken): pass

    def test_after_that(resp_server):
        assert "broken" not in resp_server.keys

    def test_servers_of_its_own(resp_fresh_server, resp_make_server):
        other = resp_make_server(password="secret", seed={"a": 1})
        with redis.Redis.from_url(other.url + "/0") as client:
            assert client.get("a") == b"1"
        assert resp_fresh_server.port != other.port
        resp_fresh_server.stop()

    @pytest.mark.resp(server={"databases": 2, "emulate": "redis-6.2"})
    def test_a_server_as_the_marker_wants_it(resp_fresh_server):
        assert resp_fresh_server.call("CONFIG", "GET", "databases")[b"databases"] == b"2"
        assert resp_fresh_server.factory.server.flavour.name == "redis-6.2"

    @pytest.mark.resp(server={"appendonly": "yes", "appendfsync": "always"})
    def test_a_process(resp_process):
        with redis.Redis.from_url(resp_process.url) as client:
            client.set("key", "value")
            resp_process.kill()
            resp_process.start()
            assert client.get("key") == b"value"

    @pytest.mark.resp(server={"nodes": 2})
    def test_a_cluster(resp_cluster):
        with redis.RedisCluster.from_url(resp_cluster.url) as client:
            client.set("key", "value")
            assert resp_cluster.node_of("key").keys == {"key": "value"}
            assert len(resp_cluster.nodes) == 2

    def test_a_replica(resp_fresh_server, resp_make_server):
        replica = resp_make_server(replica_of=resp_fresh_server)
        with replica.redis_client(decode_responses=True) as client:
            assert client.hgetall("user:1") == {"name": "Ada"}
            with pytest.raises(redis.ReadOnlyError):
                client.set("k", "v")

    @pytest.mark.parametrize("resp_server", ["redis-7.0", {"databases": 1}], indirect=True)
    def test_several_kinds(resp_client, resp_server):
        assert resp_client.ping()
        kind = resp_server.factory.server.flavour.name, len(resp_server.factory.server.keyspace.databases)
        assert kind in (("redis-7.0", 16), ("", 1))

    class Case(RespServerMixin, unittest.TestCase):
        resp_settings = {"seed": {"a": [1]}}

        def test_one(self):
            with self.resp_server.redis_client() as client:
                assert client.lpop("a") == b"1"

        test_two = test_one
"""

ASYNCIO = """
    import asyncio
    import pytest

    pytest.importorskip("pytest_asyncio")

    @pytest.mark.asyncio
    @pytest.mark.parametrize("time", range(2))
    async def test_a_client(resp_async_client, resp_server, time):
        assert await resp_async_client.incr("n") == 1
        with resp_server.clock.freeze():
            waits = asyncio.ensure_future(resp_async_client.blpop("list", 30))
            while not resp_server.factory.server.blocked_clients:
                await asyncio.sleep(0)
            resp_server.clock.advance(30)
            assert await waits is None
        async with resp_server.async_client(db=1) as other:
            assert await other.dbsize() == 0
"""

STRICT = """
    import pytest

    def test_good(resp_client):
        resp_client.execute_command("GETSET", "k", "v")

    def test_bad(resp_client):
        resp_client.rpush("l", 1, 2, 3)
        resp_client.lrange("l", 0, -1)

    @pytest.mark.resp(strict=False)
    def test_bad_but_unwatched(resp_client):
        resp_client.rpush("l", 1, 2, 3)
        resp_client.lrange("l", 0, -1)

    @pytest.mark.resp(strict={"deprecated": True})
    def test_stricter(resp_client):
        resp_client.execute_command("GETSET", "k", "v")

    def test_good_again(resp_server):
        assert "k" not in resp_server.keys

    def test_flavour(resp_server):
        assert resp_server.factory.server.flavour.name == "redis-7.2"
"""

MISTAKES = """
    import pytest

    @pytest.mark.resp(sede={"a": 1})
    def test_a_name(resp_server): pass

    @pytest.mark.resp(seed="nofile.json")
    def test_a_file(resp_server): pass

    @pytest.mark.parametrize("resp_server", ["redis-5"], indirect=True)
    def test_a_kind(resp_server): pass

    @pytest.mark.resp(freeze="2001-02-03T04:05:06+00:00")
    def test_none(resp_client): assert resp_client.time() == (981_173_106, 0)
"""

WORKERS = """
    import os
    import pytest

    @pytest.mark.parametrize("number", range(2))
    def test_a_worker_has_a_server_of_its_own(resp_client, number):
        assert os.environ["PYTEST_XDIST_WORKER"] == "gw0"
        assert resp_client.incr("n") == 1
"""


class Client(Protocol):
    """Waits for one reply, and for its end."""

    def __init__(self) -> None:
        self.replied: Deferred[bytes] = Deferred()
        self.lost: Deferred[None] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        self.replied.callback(data)

    def connectionLost(self, reason: object = None) -> None:
        self.lost.callback(None)


@pytest.fixture
def project(pytester: pytest.Pytester) -> Path:
    tmp_path = pytester.path
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\nresp_seed = seed.json\nresp_decode_responses = true\nresp_config = maxmemory 1gb\n"
        "filterwarnings =\n    error::ResourceWarning\n    error::pytest.PytestUnraisableExceptionWarning\n"
    )
    (tmp_path / "seed.json").write_text('{"user:1": {"name": "Ada"}, "tags": {"$set": ["x"]}}')
    return tmp_path


def run(project: Path, pytester: pytest.Pytester, *arguments: str, **tests: str) -> tuple[int, str]:
    """Run pytest in this process, with few other plugins, in a project with these tests.

    :return: the exit code, and what it printed.
    """
    for name, text in tests.items():
        (project / f"test_{name}.py").write_text(dedent(text))
    others = [f"-pno:{name}" for name in ("twisted", "hypothesispytest", "cacheprovider")]
    there = () if entry_points_there() else ("-p", plugin.__name__)
    done = pytester.runpytest_inprocess("-q", *others, *there, *arguments)
    return int(done.ret), done.stdout.str()


def entry_points_there() -> bool:
    """Whether the package is installed as it is now, or was before it had a plugin."""
    points: Any = entry_points()
    group = points.select(group="pytest11") if hasattr(points, "select") else points.get("pytest11", ())
    return any(point.value == plugin.__name__ for point in group)


def test_fixtures(project: Path, pytester: pytest.Pytester) -> None:
    code, printed = run(project, pytester, *SYNC_ONLY, sync=SYNC, others=OTHERS)
    assert code == 0, printed
    assert "20 passed, 1 xfailed" in printed


def test_asyncio(project: Path, pytester: pytest.Pytester) -> None:
    pytest.importorskip("pytest_asyncio")
    with (project / "pytest.ini").open("a") as settings:
        settings.write("asyncio_default_fixture_loop_scope = function\n")
    code, printed = run(project, pytester, "-pno:xdist", asyncio=ASYNCIO)
    assert code == 0, printed
    assert "2 passed" in printed


def test_workers(project: Path, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    # A worker loads what it needs, and this package from here. One is enough: each is a process of its own.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    (project / "test_workers.py").write_text(dedent(WORKERS))
    pytester.runpytest_inprocess("-p", "xdist", "-p", plugin.__name__, "-n1").assert_outcomes(passed=2)


@pytest.mark.parametrize(
    ("worker", "asked", "port"), [("", "7000", 7000), ("gw3", "7000", 7003), ("gw3", "0", 0)]
)
def test_workers_take_ports_in_a_row(
    monkeypatch: pytest.MonkeyPatch, worker: str, asked: str, port: int
) -> None:
    class Config:
        def getoption(self, name: str, default: object) -> str:
            assert name == "resp_port"
            return asked

    monkeypatch.setenv("PYTEST_XDIST_WORKER", worker)
    assert plugin._port(cast(Any, Config())) == port


@pytest_twisted.ensureDeferred  # type: ignore[untyped-decorator]
async def test_in_the_reactor(resp_factory: ControlledFactory) -> None:
    client = await ClientCreator(reactor, Client).connectTCP("127.0.0.1", resp_factory.port)
    resp_factory.clock.freeze()
    client.transport.write(b"BLPOP list 30\r\n")
    await resp_factory.wait_for_blocked()
    await resp_factory.clock.advance(30)
    assert await client.replied == b"*-1\r\n"
    assert client.lost.called is False
    client.transport.loseConnection()
    await client.lost


@pytest_twisted.ensureDeferred  # type: ignore[untyped-decorator]
async def test_the_mixin_for_trial() -> None:
    class Case(RespFactoryMixin, unittest.TestCase):  # trial's own would run the reactor
        resp_settings: ClassVar[dict[str, Any]] = {"seed": {"key": "value"}}

    case: Any = cast(Any, Case)()
    cleanups: list[Any] = []
    case.addCleanup = cleanups.append
    case.setUp()
    client = await ClientCreator(reactor, Client).connectTCP("127.0.0.1", case.resp_factory.port)
    client.transport.write(b"GETDEL key\r\n")
    assert await client.replied == b"$5\r\nvalue\r\n"
    assert await case.resp_factory.call("SET", "k", 1, "EX", 1000) == b"OK"
    (close,) = cleanups
    await close()
    await client.lost
    assert case.resp_factory.clock.getDelayedCalls() == []


class NoPlugins:
    """The configuration of a session without any other plugin."""

    class pluginmanager:  # noqa: N801
        @staticmethod
        def hasplugin(name: str) -> bool:
            return False


def test_what_is_missing_is_said() -> None:
    with pytest.raises(
        pytest.fail.Exception, match="resp_factory needs pytest-twisted: pip install pytest-twis"
    ):
        next(cast(Any, plugin.resp_factory)._get_wrapped_function()(NoPlugins))
    asyncio = plugin._async_fixtures(cast(Any, NoPlugins)).resp_async_client._get_wrapped_function()
    with pytest.raises(pytest.fail.Exception, match="resp_async_client needs pytest-asyncio or anyio"):
        asyncio()


def test_a_marker_that_means_nothing_is_said(project: Path, pytester: pytest.Pytester) -> None:
    code, printed = run(project, pytester, *SYNC_ONLY, mistakes=MISTAKES)
    assert code == 1, printed
    assert "sede= is neither seed, config, freeze, strict, server nor an option of redis.Redis" in printed
    assert "nofile.json: No such file" in printed
    assert "the server does not start: there is no flavour 'redis-5'; there are redis-6.2" in printed
    assert "1 passed" in printed
    assert "Traceback" not in printed
    assert "isolation.py" not in printed


def test_differences_are_said() -> None:
    keys = ControlledFactory(Clock(), seed={"list": ["a", "b"]}).keys
    said = plugin.pytest_assertrepr_compare("==", keys, {"list": ["a", "c"]})
    assert said == plugin.pytest_assertrepr_compare("==", {"list": ["a", "c"]}, keys)
    assert said == [
        "the keys of the server are not as expected",
        "'list' is the list ['a', 'b'], not ['a', 'c']",
        "    element 1 is 'b', not 'c'",
    ]
    assert plugin.pytest_assertrepr_compare("==", {}, {}) is None
    assert plugin.pytest_assertrepr_compare("==", keys, 1) is None
    assert plugin.pytest_assertrepr_compare("!=", keys, {}) is None


def test_strict_mode(project: Path, pytester: pytest.Pytester) -> None:
    with (project / "pytest.ini").open("a") as settings:
        settings.write("resp_strict =\n    large=2\n    -deprecated\n")
    code, printed = run(project, pytester, *SYNC_ONLY, "--resp-emulate", "redis-7.2", strict=STRICT)
    assert code == 1, printed
    assert "6 passed, 2 errors" in printed
    assert "strict mode objects:\n  LRANGE took 3 elements at once [large]\n    #" in printed


def test_the_plugin_imports_no_server() -> None:
    program = (
        "import sys, twisted_resp.testing.plugin\n"
        "print([name for name in sys.modules"
        " if name.startswith(('twisted.', 'redis', 'asyncio', 'twisted_resp.server'))])"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    printed = subprocess.run(
        [sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, check=True
    )
    assert printed.stdout == b"[]\n"
