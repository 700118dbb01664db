"""The pytest plugin: fixtures that hand a test a real server.

=========================== =============================================================================
``resp_server``             a server in a thread, started once a session; each test finds it as it was at
                            the start, and what session, module and class fixtures have put in
``resp_client``             a redis-py client of it
``resp_async_client``       an asyncio client of it, with pytest-asyncio or anyio
``resp_fresh_server``       a server of the test's own
``resp_make_server``        makes such servers: ``resp_make_server(databases=1, password="secret")``
``resp_cluster``            servers that pass for a cluster
``resp_process``            a server in a process of its own, to be killed and started again
``resp_factory``            a server in the running reactor, with pytest-twisted
=========================== =============================================================================

pytest loads this module in every session. So it imports nothing that takes time, and no server, before a test asks
for one; and it never installs a reactor, but for ``resp_factory``, where pytest-twisted has one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    import redis

    from twisted_resp.testing.cluster import ServerCluster
    from twisted_resp.testing.factory import ControlledFactory
    from twisted_resp.testing.process import ServerProcess
    from twisted_resp.testing.strict import Rules
    from twisted_resp.testing.thread import ServerThread

_OPTIONS = (
    ("host", "the address that resp_server listens on", "127.0.0.1"),
    ("port", "the port that it listens on, 0 for a free one; the n-th worker of pytest-xdist adds n", "0"),
    ("databases", "how many databases it has", "16"),
    ("password", "what clients must AUTH with", ""),
    ("emulate", "the server that servers pass for, such as redis-7.0: what that one lacks is refused", ""),
    ("tls", "yes for TLS with certificates made on the spot", "no"),
    ("tls_auth_clients", "whether TLS clients must show a certificate: no, optional or yes", "no"),
)
#: What the marker says of servers; all else it says is an option of clients.
MARKER_NAMES = ("seed", "config", "freeze", "strict", "server")
_YES = ("1", "on", "true", "yes")
_NO = ("", "0", "off", "false", "no")


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options, and the settings of the ini-file that they override."""
    group = parser.getgroup("resp", "servers of twisted-resp")
    for name, meaning, default in _OPTIONS:
        group.addoption(
            f"--resp-{name.replace('_', '-')}",
            default=None,
            help=f"{meaning} (default: resp_{name} or {default!r})",
        )
        parser.addini(f"resp_{name}", meaning, default=default)
    group.addoption(
        "--resp-seed",
        action="append",
        default=None,
        metavar="FILE",
        help="what the servers hold at the start",
    )
    parser.addini(
        "resp_seed", "files that the servers hold at the start, a line each", type="paths", default=[]
    )
    parser.addini(
        "resp_config", "lines of CONFIG SET: a parameter and its value", type="linelist", default=[]
    )
    parser.addini(
        "resp_strict",
        "rules of strict mode: 'yes', or a line each: large=500, -deprecated",
        "linelist",
        default=[],
    )
    parser.addini("resp_decode_responses", "whether clients answer str", type="bool", default=False)
    parser.addini("resp_random_seed", "a number for the same random choices in each test", default="")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker, and the asyncio client for the plugin that runs asyncio tests here."""
    config.addinivalue_line(
        "markers",
        "resp(seed=..., config=..., freeze=..., strict=..., server=..., **client): before the test put data into "
        "resp_server, set its configuration, stop its clock; check it by strict mode; server= is what "
        "resp_fresh_server, resp_cluster and resp_process are made with; the rest are options of the client fixtures.",
    )
    config.pluginmanager.register(_async_fixtures(config), "twisted-resp-asyncio")


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """Say where the keys of a server are not what a test expects."""
    module = sys.modules.get("twisted_resp.testing.keys")
    if module is None or op != "==":
        return None
    if isinstance(left, module.Keys):
        keys, expected = left, right
    elif isinstance(right, module.Keys):
        keys, expected = right, left
    else:
        return None
    if not hasattr(expected, "items"):
        return None
    return ["the keys of the server are not as expected", *keys.differences(expected)]


# ------------------------------------------------------------------------------------------------ settings


def _option(config: pytest.Config, name: str) -> str:
    given = config.getoption(f"resp_{name}", None)
    return str(config.getini(f"resp_{name}") if given is None else given)


def _number(config: pytest.Config, name: str) -> int:
    text = _option(config, name)
    if not text.isdigit():
        raise pytest.UsageError(f"resp_{name} is a whole number, not {text!r}")
    return int(text)


def _port(config: pytest.Config) -> int:
    port = _number(config, "port")
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")  # gw0, gw1, ...
    return port + int(worker.lstrip("gw")) if port and worker else port


def _settings(config: pytest.Config) -> dict[str, Any]:
    """What every server of the session is made with."""
    settings: dict[str, Any] = {
        "databases": _number(config, "databases"),
        "password": _option(config, "password"),
        "emulate": _option(config, "emulate"),
        "seed": config.getoption("resp_seed") or config.getini("resp_seed"),
    }
    random_seed = config.getini("resp_random_seed")
    if random_seed:
        settings["random_seed"] = _number(config, "random_seed")
    if _is_on(config, "tls"):
        settings.update(tls=True, tls_auth_clients=_option(config, "tls_auth_clients"))
    return settings


def _is_on(config: pytest.Config, name: str) -> bool:
    text = _option(config, name).lower()
    if text not in _YES + _NO:
        raise pytest.UsageError(f"resp_{name} is yes or no, not {text!r}")
    return text in _YES


def _asked_of(request: pytest.FixtureRequest) -> dict[str, Any]:
    """What the marker says of servers that are made for one test."""
    settings: dict[str, Any] = {}
    for mark in reversed(list(request.node.iter_markers("resp"))):
        settings.update(mark.kwargs.get("server", {}))
    return settings


def _started(server: ServerThread) -> ServerThread:
    """A server that runs; else all that the test is told is why not."""
    from twisted_resp.seeds.files import SeedError

    try:
        server.start()
    except (RuntimeError, SeedError, TypeError, ValueError) as error:
        pytest.fail(f"the server does not start: {error}", pytrace=False)
    return server


def _configure(call: Callable[..., Any], config: pytest.Config) -> None:
    from twisted_resp.errors import CommandError

    for line in config.getini("resp_config"):
        try:
            call("CONFIG", "SET", *line.split(None, 1))
        except CommandError as error:
            pytest.fail(f"resp_config: {line}: {error}", pytrace=False)


def _rules(config: pytest.Config) -> Rules | None:
    """The rules of strict mode, where it is on."""
    from twisted_resp.testing.strict import Rules

    words = config.getini("resp_strict")
    if not words or words[0].lower() in ("no", "false", "off", "0"):
        return None
    try:
        return Rules.parse(words)
    except ValueError as error:
        raise pytest.UsageError(f"resp_strict: {error}") from None


def _client_options(request: pytest.FixtureRequest) -> dict[str, Any]:
    options = {"decode_responses": request.config.getini("resp_decode_responses")}
    for mark in reversed(list(request.node.iter_markers("resp"))):
        options.update(mark.kwargs)
    for name in MARKER_NAMES:
        options.pop(name, None)
    return options


# ------------------------------------------------------------------------------------------------ fixtures


@pytest.fixture(scope="session")
def resp_server(request: pytest.FixtureRequest, pytestconfig: pytest.Config) -> Iterator[ServerThread]:
    """A real server in a thread, on a free port. Each test finds it as it was at the start of the session.

    A test may have it in several kinds, ``@pytest.mark.parametrize("resp_server", ["redis-6.2", {"tls": True}],
    indirect=True)``: the name of a server to emulate, or what ``ServerThread`` takes.
    """
    from twisted_resp.testing.isolation import Isolation
    from twisted_resp.testing.thread import ServerThread

    asked = getattr(request, "param", {})
    asked = {"emulate": asked} if isinstance(asked, str) else asked
    settings = {
        "port": _port(pytestconfig),
        "host": _option(pytestconfig, "host"),
        **_settings(pytestconfig),
        **asked,
    }
    with _started(ServerThread(**settings)) as server:
        _configure(server.call, pytestconfig)
        plugin = Isolation(server, _rules(pytestconfig))
        pytestconfig.pluginmanager.register(plugin)
        yield server
        pytestconfig.pluginmanager.unregister(plugin)


@pytest.fixture
def resp_client(resp_server: ServerThread, request: pytest.FixtureRequest) -> Iterator[redis.Redis]:
    """A client of redis-py for ``resp_server``, closed after the test."""
    try:
        client = resp_server.redis_client(**_client_options(request))
    except RuntimeError as error:
        pytest.fail(f"resp_client: {error}", pytrace=False)
    yield client
    client.close()


@pytest.fixture
def resp_make_server(pytestconfig: pytest.Config) -> Iterator[Callable[..., ServerThread]]:
    """Makes servers, each in a thread and on a port of its own, that are stopped after the test.

    Arguments are those of ``ServerThread``.
    """
    from twisted_resp.testing.thread import ServerThread

    made: list[ServerThread] = []

    def make(**settings: Any) -> ServerThread:
        server = _started(ServerThread(**{**_settings(pytestconfig), **settings}))
        made.append(server)
        _configure(server.call, pytestconfig)
        return server

    yield make
    for server in made:
        server.stop()


@pytest.fixture
def resp_fresh_server(
    resp_make_server: Callable[..., ServerThread], request: pytest.FixtureRequest
) -> ServerThread:
    """A server in a thread for this test alone: it may be stopped, or made a replica.

    ``@pytest.mark.resp(server={"password": "secret"})`` says what ``ServerThread`` is to take.
    """
    return resp_make_server(**_asked_of(request))


@pytest.fixture
def resp_cluster(pytestconfig: pytest.Config, request: pytest.FixtureRequest) -> Iterator[ServerCluster]:
    """Servers that pass for a Redis Cluster, for this test alone; one node unless the marker asks for more.

    ``@pytest.mark.resp(server={"nodes": 3})``; the rest is what ``ServerThread`` takes. It begins empty.
    """
    from twisted_resp.testing.cluster import ServerCluster

    settings = {**_settings(pytestconfig), "seed": (), **_asked_of(request)}
    with ServerCluster(settings.pop("nodes", 1), **settings) as cluster:
        yield cluster


@pytest.fixture
def resp_process(
    tmp_path: Path, pytestconfig: pytest.Config, request: pytest.FixtureRequest
) -> Iterator[ServerProcess]:
    """A server in a process of its own, for a test that kills it or starts it again. It has a new directory.

    ``@pytest.mark.resp(server={"appendonly": "yes"})`` says what options ``resp-server`` is to have.
    """
    from twisted_resp.testing.process import ServerProcess

    directory = tmp_path / "resp-server"
    directory.mkdir()
    options = {name: _option(pytestconfig, name) for name in ("databases", "password", "emulate")}
    given = {name: value for name, value in options.items() if value}
    with ServerProcess(directory, **{**given, **_asked_of(request)}) as server:
        yield server


@pytest.fixture
def resp_factory(pytestconfig: pytest.Config) -> Iterator[ControlledFactory]:
    """A server in the reactor that the tests run in; it listens on its ``port``. With pytest-twisted."""
    if not pytestconfig.pluginmanager.hasplugin("twisted"):
        pytest.fail("resp_factory needs pytest-twisted: pip install pytest-twisted", pytrace=False)
    import pytest_twisted

    from twisted_resp.testing.factory import ControlledFactory

    factory = ControlledFactory(**_settings(pytestconfig))
    _configure(factory.call, pytestconfig)
    factory.listen()
    yield factory
    pytest_twisted.blockon(factory.close())


def _async_fixtures(config: pytest.Config) -> ModuleType:
    """A plugin with the fixture ``resp_async_client``, for whatever runs asyncio tests in this session."""
    fixtures = ModuleType("twisted_resp.testing.asyncio_fixtures")
    if config.pluginmanager.hasplugin("asyncio"):
        import pytest_asyncio  # which is loaded already

        fixture: Any = pytest_asyncio.fixture
    elif config.pluginmanager.hasplugin("anyio"):
        fixture = pytest.fixture
    else:
        fixtures.resp_async_client = pytest.fixture(_nobody_runs_asyncio, name="resp_async_client")  # type: ignore[attr-defined]
        return fixtures
    fixtures.resp_async_client = fixture(_async_client, name="resp_async_client")  # type: ignore[attr-defined]
    return fixtures


async def _async_client(
    resp_server: ServerThread, request: pytest.FixtureRequest
) -> AsyncIterator[redis.asyncio.Redis]:
    """An asyncio client of redis-py for ``resp_server``, closed after the test."""
    import asyncio  # which a test of asyncio has loaded

    try:
        asyncio.get_running_loop()
    except RuntimeError:  # anyio, with trio
        pytest.fail("resp_async_client: redis-py runs on asyncio only", pytrace=False)
    try:
        client = resp_server.async_client(**_client_options(request))
    except RuntimeError as error:
        pytest.fail(f"resp_async_client: {error}", pytrace=False)
    async with client:
        yield client


def _nobody_runs_asyncio() -> None:
    """An asyncio client of redis-py for ``resp_server``; it needs pytest-asyncio or anyio."""
    pytest.fail("resp_async_client needs pytest-asyncio or anyio: pip install pytest-asyncio", pytrace=False)
