"""The table of parameters, and the living server behind it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import Clock

from twisted_resp import RespFactory
from twisted_resp.errors import CommandError
from twisted_resp.keyspace.events import STRING
from twisted_resp.keyspace.keyspace import TOUCH_LFU, TOUCH_LRU
from twisted_resp.server.client import Client
from twisted_resp.server.configuration import Configuration
from twisted_resp.server.parameters import HIDDEN, PARAMETERS, Parameter
from twisted_resp.server.server import Server


@pytest.fixture
def server() -> Server:
    return RespFactory(clock=Clock(), databases=4).server


@pytest.fixture
def configuration(server: Server) -> Configuration:
    return server.configuration


@pytest.fixture
def local(server: Server) -> Client:
    return Client(server, b"127.0.0.1:50000")


def value(configuration: Configuration, name: bytes) -> bytes:
    ((_, printed),) = configuration.matching([name])
    return printed


def refused(configuration: Configuration, client: Client, *words: bytes) -> str:
    with pytest.raises(CommandError) as raised:
        configuration.set(words, client)
    return str(raised.value)


class TestTheTable:
    def test_no_name_twice(self) -> None:
        names = [name for parameter in PARAMETERS for name in (parameter.name, parameter.alias) if name]
        assert len(names) == len(set(names))

    @pytest.mark.parametrize("parameter", [one for one in PARAMETERS if one.bound], ids=repr)
    def test_what_is_bound_starts_with_its_default(
        self, parameter: Parameter, configuration: Configuration
    ) -> None:
        expected: dict[bytes, Any] = {b"port": 0, b"dir": os.getcwdb()}
        assert configuration[parameter.name] == expected.get(parameter.name, parameter.default)

    @pytest.mark.parametrize("parameter", PARAMETERS, ids=repr)
    def test_what_is_printed_can_be_read_again(self, parameter: Parameter) -> None:
        printed = parameter.kind.format(parameter.default)
        words = printed.split(b" ") if parameter.kind.many else [printed]
        assert parameter.kind.parse(words) == parameter.default


class TestGet:
    def test_a_name_and_its_alias(self, configuration: Configuration) -> None:
        assert configuration.matching([b"slave-priority"]) == [(b"slave-priority", b"100")]
        assert configuration.matching([b"*a*e-priority"]) == [(b"slave-priority", b"100")]
        assert dict(configuration.matching([b"*-priority"])) == {
            b"replica-priority": b"100",
            b"slave-priority": b"100",
        }

    def test_several_patterns_give_each_once(self, configuration: Configuration) -> None:
        names = [
            name for name, _ in configuration.matching([b"maxmemory", b"MAXMEMORY*", b"hz", b"nonsense"])
        ]
        assert sorted(names) == [
            b"hz",
            b"maxmemory",
            b"maxmemory-clients",
            b"maxmemory-eviction-tenacity",
            b"maxmemory-policy",
            b"maxmemory-samples",
        ]

    def test_a_name_is_answered_as_it_was_spelled(self, configuration: Configuration) -> None:
        assert configuration.matching([b"MaxMemory", b"maxmemory"]) == [(b"MaxMemory", b"0")]

    def test_hidden_ones_must_be_named(self, configuration: Configuration) -> None:
        hidden = {parameter.name for parameter in PARAMETERS if parameter.flags & HIDDEN}
        assert b"key-load-delay" in hidden
        assert not hidden & {name for name, _ in configuration.matching([b"*"])}
        assert value(configuration, b"key-load-delay") == b"0"

    def test_databases(self, configuration: Configuration) -> None:
        assert value(configuration, b"databases") == b"4"


class TestSet:
    def test_several_at_once(self, configuration: Configuration, local: Client) -> None:
        configuration.set([b"maxmemory", b"10mb", b"SAVE", b"3000 5", b"appendfsync", b"Always"], local)
        assert value(configuration, b"maxmemory") == b"10485760"
        assert value(configuration, b"save") == b"3000 5"
        assert value(configuration, b"appendfsync") == b"always"

    def test_all_or_nothing(self, configuration: Configuration, local: Client) -> None:
        words = [b"maxmemory", b"1", b"maxmemory-clients", b"200%", b"hz", b"x"]
        assert refused(configuration, local, *words) == (
            "ERR CONFIG SET failed (possibly related to argument 'maxmemory-clients') - "
            "percentage argument must be less or equal to 100"
        )
        assert value(configuration, b"maxmemory") == b"0"

    def test_a_consequence_that_fails_takes_everything_back(
        self, configuration: Configuration, local: Client, server: Server
    ) -> None:
        words = [b"maxmemory-policy", b"allkeys-lfu", b"port", b"1", b"hz", b"20"]
        assert refused(configuration, local, *words) == (
            "ERR CONFIG SET failed (possibly related to argument 'port') - "
            "Unable to listen on this port. Check server logs."
        )
        assert server.keyspace.touching == TOUCH_LRU
        assert value(configuration, b"maxmemory-policy") == b"noeviction"
        assert value(configuration, b"port") == b"0"
        assert value(configuration, b"hz") == b"10"

    @pytest.mark.parametrize(
        ("words", "error"),
        [
            ([b"maxmemory"], "ERR syntax error"),
            ([b"Foo", b"1"], "ERR Unknown option or number of arguments for CONFIG SET - 'Foo'"),
            ([b"DAEMONIZE", b"yes"], "'DAEMONIZE') - can't set immutable config"),
            ([b"hz", b"1", b"Hz", b"2"], "'Hz') - duplicate parameter"),
            ([b"foo", b"1", b"daemonize", b"yes"], "'foo'"),
            ([b"daemonize", b"yes", b"foo", b"1"], "'daemonize') - can't set immutable config"),
            ([b"slave-priority", b"x"], "'slave-priority') - argument couldn't be parsed into an integer"),
            ([b"dir", b"/no/such/place"], "'dir') - No such file or directory"),
            ([b"dbfilename", b"a/b"], "'dbfilename') - dbfilename can't be a path, just a filename"),
            ([b"activedefrag", b"yes"], "'activedefrag') - Active defragmentation cannot be enabled"),
            ([b"maxclients", b"4294967295"], "The operating system is not able to handle"),
        ],
    )
    def test_errors(
        self, configuration: Configuration, local: Client, words: list[bytes], error: str
    ) -> None:
        assert error in refused(configuration, local, *words)

    def test_to_what_it_is_needs_no_consequence(self, configuration: Configuration, local: Client) -> None:
        for name in (b"port", b"bind", b"tls-port", b"maxclients", b"dir"):
            configuration.set([name, value(configuration, name)], local)

    def test_protected_ones(self, configuration: Configuration, local: Client, server: Server) -> None:
        remote = Client(server, b"192.0.2.1:50000")
        assert "can't set protected config" in refused(configuration, remote, b"dbfilename", b"x.rdb")
        for client in (local, Client(server, b"/run/redis.sock:0"), Client(server, b"[::1]:50000")):
            configuration.set([b"dbfilename", b"x.rdb"], client)
        configuration[b"enable-protected-configs"] = b"no"
        assert "can't set protected config" in refused(configuration, local, b"dbfilename", b"x.rdb")
        configuration[b"enable-protected-configs"] = b"yes"
        configuration.set([b"dbfilename", b"y.rdb"], remote)
        assert server.dbfilename == b"y.rdb"


class TestTheLivingServer:
    """What CONFIG SET changes is what the server does."""

    def test_encodings(self, configuration: Configuration, local: Client, server: Server) -> None:
        configuration.set([b"list-max-ziplist-size", b"7", b"zset-max-listpack-value", b"1kb"], local)
        assert server.keyspace.limits.list_max_listpack_size == 7
        assert server.keyspace.limits.zset_max_listpack_value == 1024

    def test_limits(self, configuration: Configuration, local: Client, server: Server) -> None:
        configuration.set([b"proto-max-bulk-len", b"1mb", b"client-query-buffer-limit", b"2mb"], local)
        assert server.max_bulk == 1 << 20
        assert server.query_buffer_limit == 2 << 20
        configuration.set([b"maxclients", b"5"], local)
        assert server.max_clients == 5

    def test_output_limits_of_the_named_classes(
        self, configuration: Configuration, local: Client, server: Server
    ) -> None:
        others = dict(server.output_limits)
        configuration.set([b"client-output-buffer-limit", b"slave 10mb 5mb 3 normal 1 2 4"], local)
        assert server.output_limits == {
            "normal": (1, 2, 4),
            "replica": (10 << 20, 5 << 20, 3),
            "pubsub": others["pubsub"],
        }
        printed = value(configuration, b"client-output-buffer-limit")
        assert printed == b"normal 1 2 4 slave 10485760 5242880 3 pubsub 33554432 8388608 60"

    def test_a_relative_directory(
        self, configuration: Configuration, local: Client, server: Server, tmp_path: Path
    ) -> None:
        here = os.getcwd()
        (tmp_path / "inner").mkdir()
        configuration.set([b"dir", os.fsencode(tmp_path)], local)
        configuration.set([b"dir", b"inner"], local)
        assert server.directory == os.fsencode(tmp_path / "inner")
        assert os.getcwd() == here
        (tmp_path / "file").touch()
        assert "Not a directory" in refused(configuration, local, b"dir", os.fsencode(tmp_path / "file"))

    def test_a_policy_starts_the_records_of_access_anew(
        self, configuration: Configuration, local: Client, server: Server
    ) -> None:
        database = server.keyspace.databases[0]
        database.store(b"key", b"value", b"set", STRING)
        before = dict(database.accessed)
        configuration.set([b"maxmemory-policy", b"volatile-lfu"], local)
        assert server.keyspace.touching == TOUCH_LFU
        assert database.accessed[b"key"] & 255 == 5
        configuration.set([b"maxmemory-policy", b"volatile-ttl"], local)
        assert server.keyspace.touching == TOUCH_LRU
        assert database.accessed == before

    def test_password(self, configuration: Configuration, local: Client, server: Server) -> None:
        configuration.set([b"requirepass", b"secret"], local)
        assert server.access.password_required
        assert not Client(server).authenticated
        assert value(configuration, b"requirepass") == b"secret"
        configuration.set([b"requirepass", b""], local)
        assert Client(server).authenticated

    def test_notifications(self, configuration: Configuration, local: Client, server: Server) -> None:
        configuration.set([b"notify-keyspace-events", b"KEA"], local)
        assert server.notifications.flags
        assert value(configuration, b"notify-keyspace-events") == b"AKE"

    def test_values_out_of_reason_are_capped(self, configuration: Configuration, local: Client) -> None:
        configuration.set([b"hz", b"100000", b"repl-backlog-size", b"1"], local)
        assert value(configuration, b"hz") == b"500"
        assert value(configuration, b"repl-backlog-size") == b"16384"


# Where redis-server 7.0 is of another opinion than 7.4, or asking it would change what the other tests need.
_NEWER = {b"loglevel", b"maxmemory-samples"}
_LEFT_ALONE = {
    b"bind", b"dir", b"maxclients", b"oom-score-adj", b"port", b"proc-title-template", b"requirepass",
    b"tls-port", b"unixsocket", b"watchdog-period",
}  # fmt: skip
_VALUES = [
    b"", b"a", b"A B", b"a  b", b"-5", b"-1", b"0", b"1", b"7", b"101", b"5%", b"101%", b"1gb", b"1k", b"1 2",
    b" 1", b"01", b"1.5", b"yes", b"YES", b"no", b"2147483648", b"4294967296", b"9223372036854775807",
    b"18446744073709551615", b"99999999999999999999", b"normal 1 2 3", b"slave 1mb 2mb 3 pubsub 1 1 1",
    b"foo 1 1 1", b"normal 1 1 x", b"KEA", b"save nosave", b"now force", b"Default", b"0.0 50.0 100.0",
    b"50 101", b"x 50", b"3600 1 x 2", b"3600 1 60", b"0 1", b"1 2 3", b"-3000 1 1", b"relative",
    b"volatile-LRU",
]  # fmt: skip


class TestBesideRedis:
    """The same parameters, defaults, values and errors as the installed redis-server has."""

    @pytest.fixture(autouse=True)
    def elsewhere(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Among all that is tried is ``appendonly yes``, which writes files."""
        monkeypatch.chdir(tmp_path)

    @pytest.fixture
    def theirs(self, redis_server: Any) -> Iterator[Any]:
        import redis

        client = redis.Redis(host=redis_server.host, port=redis_server.port, protocol=2)
        before: dict[str, Any] = client.config_get("*")  # type: ignore[assignment]
        yield client
        after: dict[str, Any] = client.config_get("*")  # type: ignore[assignment]
        for name, former in before.items():
            if former != after[name]:
                client.config_set(name, former)
        client.close()

    def test_names_and_defaults(self, theirs: Any, configuration: Configuration) -> None:
        flat = theirs.execute_command("CONFIG", "GET", "*", NEVER_DECODE=True)
        reported = flat if isinstance(flat, dict) else dict(zip(flat[::2], flat[1::2]))
        ours = dict(configuration.matching([b"*"]))
        # Set for the session, or particular to Debian's build; hidden since.
        for name in (b"port", b"dir", b"save", b"bind", b"databases", b"pidfile", b"enable-debug-command",
                     b"enable-protected-configs", b"aof-disable-auto-gc"):  # fmt: skip
            reported.pop(name, None)
        assert {name: ours.get(name) for name in reported} == reported

    def test_values_and_errors(
        self, redis_server: Any, theirs: Any, configuration: Configuration, local: Client
    ) -> None:
        import redis

        skipped = _LEFT_ALONE | (_NEWER if redis_server.version < (7, 4) else set())
        different = []
        for parameter in PARAMETERS:
            name = parameter.name
            if name in skipped or name.startswith(b"tls-") or not theirs.config_get(name):
                continue
            for text in _VALUES:
                try:
                    configuration.set([name, text], local)
                    ours = value(configuration, name).decode()
                except CommandError as error:
                    ours = str(error)
                try:
                    theirs.config_set(name, text)
                    expected = theirs.config_get(name)[name.decode()]
                except redis.ResponseError as error:
                    expected = f"ERR {error}"
                if ours != expected and "protected" not in expected:
                    different.append((name, text, ours, expected))
        assert different == []
