"""The pytest plugin and the mixins, as strangers use them: in a project of their own.

To start pytest in a process of its own takes longer than most of what is tested here, so that is done once, with
workers of xdist and the plugins that bring a reactor or an event loop. The other sessions run in this process.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from textwrap import dedent
from typing import Any, cast

import pytest
import redis  # noqa: F401 - what a session in this process imports first is forgotten at its end
from twisted.internet.task import Clock

from twisted_resp.testing import RespServerMixin, isolation, plugin, strict, thread  # noqa: F401
from twisted_resp.testing.factory import ControlledFactory

pytest_plugins = ["pytester"]

ROOT = Path(__file__).resolve().parent.parent.parent

SYNC = """
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

    class Case(RespServerMixin, unittest.TestCase):
        resp_settings = {"seed": {"a": [1]}}

        def test_one(self):
            with self.resp_server.redis_client() as client:
                assert client.lpop("a") == b"1"

        test_two = test_one
"""

TWISTED = """
    import pytest_twisted
    from twisted.internet.protocol import ClientCreator, Protocol
    from twisted.internet import reactor
    from twisted.internet.defer import Deferred

    class Client(Protocol):
        def connectionMade(self):
            self.waits = Deferred()

        def dataReceived(self, data):
            self.waits.callback(data)

    @pytest_twisted.inlineCallbacks
    def test_in_the_reactor(resp_factory):
        assert resp_factory.keys == {"user:1": {"name": "Ada"}, "tags": {"x"}}
        client = yield ClientCreator(reactor, Client).connectTCP("127.0.0.1", resp_factory.port)
        resp_factory.clock.freeze()
        client.transport.write(b"BLPOP list 30\\r\\n")
        yield resp_factory.wait_for_blocked()
        yield resp_factory.clock.advance(30)
        reply = yield client.waits
        assert reply == b"*-1\\r\\n"

    test_again = test_in_the_reactor
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

TRIAL = """
    from twisted.internet import reactor
    from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
    from twisted.internet.defer import Deferred, inlineCallbacks
    from twisted.internet.protocol import Protocol
    from twisted.trial.unittest import TestCase
    from twisted_resp.testing import RespFactoryMixin

    class Client(Protocol):
        def connectionMade(self):
            self.waits, self.lost = Deferred(), Deferred()

        def dataReceived(self, data):
            self.waits.callback(data)

        def connectionLost(self, reason):
            self.lost.callback(None)

    class Case(RespFactoryMixin, TestCase):
        resp_settings = {"seed": {"key": "value"}}

        @inlineCallbacks
        def test_one(self):
            endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", self.resp_factory.port)
            client = yield connectProtocol(endpoint, Client())
            client.transport.write(b"GETDEL key\\r\\n")
            reply = yield client.waits
            self.assertEqual(reply, b"$5\\r\\nvalue\\r\\n")
            yield self.resp_factory.call("SET", "k", 1, "EX", 1000)
            client.transport.loseConnection()
            yield client.lost

        test_two = test_one
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> Path:
    tmp_path = pytester.path
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\nresp_seed = seed.json\nresp_decode_responses = true\nresp_config = maxmemory 1gb\n"
        "filterwarnings =\n    error::ResourceWarning\n    error::pytest.PytestUnraisableExceptionWarning\n"
    )
    (tmp_path / "seed.json").write_text('{"user:1": {"name": "Ada"}, "tags": {"$set": ["x"]}}')
    return tmp_path


def run(project: Path, *arguments: str, **tests: str) -> tuple[int, str]:
    """Run Python with arguments in a project with these tests; answers the exit code and what it printed."""
    for name, text in tests.items():
        (project / f"test_{name}.py").write_text(dedent(text))
    if "pytest" in arguments and not entry_points_there():
        arguments = (*arguments, "-p", plugin.__name__)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "COV"))}
    environment["PYTHONPATH"] = str(ROOT)
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=project,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=300,
    )
    return done.returncode, done.stdout


def run_here(project: Path, pytester: pytest.Pytester, *arguments: str, **tests: str) -> tuple[int, str]:
    """Run pytest in this process, with no other plugin; answers as :func:`run` does."""
    for name, text in tests.items():
        (project / f"test_{name}.py").write_text(dedent(text))
    others = [f"-pno:{name}" for name in ("xdist", "asyncio", "twisted", "hypothesispytest", "cacheprovider")]
    there = () if entry_points_there() else ("-p", plugin.__name__)
    done = pytester.runpytest_inprocess("-q", *others, *there, *arguments)
    return int(done.ret), done.stdout.str()


def entry_points_there() -> bool:
    """Whether the package is installed as it is now, or was before it had a plugin."""
    points: Any = entry_points()
    group = points.select(group="pytest11") if hasattr(points, "select") else points.get("pytest11", ())
    return any(point.value == plugin.__name__ for point in group)


def test_fixtures(project: Path, pytester: pytest.Pytester) -> None:
    code, printed = run_here(project, pytester, sync=SYNC, others=OTHERS)
    assert code == 0, printed
    assert "14 passed, 1 xfailed" in printed


def test_fixtures_in_workers_with_other_plugins(project: Path) -> None:
    code, printed = run(
        project, "-m", "pytest", "-n", "2", "--dist", "loadfile", "-q", "-pno:hypothesispytest",
        twisted=TWISTED, asyncio=ASYNCIO,
    )  # fmt: skip
    assert code == 0, printed
    passed = re.search(r"(\d+) passed", printed)
    assert passed is not None
    assert int(passed[1]) in (2, 4), printed


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
    code, printed = run_here(project, pytester, "--resp-emulate", "redis-7.2", strict=STRICT)
    assert code == 1, printed
    assert "6 passed, 2 errors" in printed
    assert "strict mode objects:\n  LRANGE took 3 elements at once [large]\n    #" in printed


def test_trial(project: Path) -> None:
    code, printed = run(project, "-m", "twisted.trial", "test_trial", trial=TRIAL)
    assert code == 0, printed
    assert "PASSED (successes=2)" in printed


def test_the_plugin_imports_no_server(project: Path) -> None:
    code, printed = run(
        project,
        "-c",
        "import sys, twisted_resp.testing.plugin\n"
        "print([name for name in sys.modules if name.startswith(('twisted.', 'redis', 'twisted_resp.server'))])",
    )
    assert (code, printed) == (0, "[]\n")
