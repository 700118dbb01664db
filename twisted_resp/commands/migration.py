"""MIGRATE, of the generic group: keys go to another server, and are deleted here when it has them.

Redis stands still meanwhile, so nobody sees a key in two places or changes one that is on its way. We hold back the
commands of all clients (as CLIENT PAUSE does), and answer when the other server has: the reactor goes on.
https://redis.io/docs/latest/commands/migrate/
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Final

from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.python.failure import Failure

from twisted_resp import errors
from twisted_resp.commands.getkeys import migrate_keys
from twisted_resp.commands.keyspecs import KeySpec, Keyword, Range
from twisted_resp.commands.numbers import integer
from twisted_resp.commands.table import WRITE, command
from twisted_resp.errors import CommandError
from twisted_resp.keyspace.database import Database
from twisted_resp.rdb.payload import dump
from twisted_resp.resp import OK, Reply, Status
from twisted_resp.server.client import Client
from twisted_resp.server.peers import LostError, Peer, TooLateError
from twisted_resp.server.server import Server
from twisted_resp.server.waiting import NOT_READY

GROUP = "generic"

_DEFAULT_TIMEOUT: Final = 1000
_KEYS: Final = KeySpec(Keyword("KEYS", -2), Range(-1), ("RW", "access", "delete", "incomplete"))


class _Migration:
    """One call of MIGRATE that has been read.

    :ivar timeout: in seconds.
    """

    def __init__(self, host: bytes, port: int, database: int, timeout: float) -> None:
        self.host = host
        self.port = port
        self.database = database
        self.timeout = timeout
        self.copy = False
        self.replace = False
        self.login: list[bytes] = []
        self.keys: list[bytes] = []


@command(
    'MIGRATE host port <key-selector: key | empty-string: ""> destination-db timeout [COPY] [REPLACE] '
    "[authentication: auth: AUTH password | auth2: AUTH2 username password] [keys: KEYS key [key ...]]",
    WRITE,
    since="2.6.0",
    complexity="This command actually executes a DUMP+DEL in the source instance, and a RESTORE in the target "
    "instance. See the pages of these commands for time complexity. Also an O(N) data transfer between the two "
    "instances is performed.",
    keys=["RW access delete", _KEYS],
    types={"port": "integer", "destination-db": "integer", "timeout": "integer"},
    argument_since={"copy": "3.0.0", "replace": "3.0.0", "auth": "4.0.7", "auth2": "6.0.0", "keys": "3.0.6"},
    acl=["keyspace", "dangerous"],
    tips=["nondeterministic_output"],
    history=[
        ("3.0.0", "Added the `COPY` and `REPLACE` options."),
        ("3.0.6", "Added the `KEYS` option."),
        ("4.0.7", "Added the `AUTH` option."),
        ("6.0.0", "Added the `AUTH2` option."),
    ],
    get_keys=migrate_keys,
)
def migrate(
    client: Client, host: bytes, port: bytes, key: bytes, database: bytes, timeout: bytes, *options: bytes
) -> Reply:
    """Atomically transfers a key from one Redis instance to another."""
    options_read = _read_options(key, options)
    milliseconds = integer(timeout)
    wanted = _Migration(host, 0, integer(database), 0)
    wanted.copy, wanted.replace, wanted.login, keys = options_read
    wanted.timeout = (milliseconds if milliseconds > 0 else _DEFAULT_TIMEOUT) / 1000
    wanted.keys = [each for each in keys if client.db.read(each) is not None]
    if not wanted.keys:
        return Status(b"NOKEY")
    if not client.can_block:
        raise CommandError(b"ERR MIGRATE isn't allowed for DENY BLOCKING client")
    wanted.port = int(port) if port.isdigit() else 0
    return _begin(client, wanted)


def _read_options(
    key: bytes, options: tuple[bytes, ...]
) -> tuple[bool, bool, list[bytes], tuple[bytes, ...]]:
    """Read the options: COPY, REPLACE, the words of AUTH, and the keys."""
    copy = replace = False
    login: list[bytes] = []
    words = iter(range(len(options)))
    for place in words:
        name = options[place].lower()
        left = len(options) - place - 1
        if name == b"copy":
            copy = True
        elif name == b"replace":
            replace = True
        elif name == b"auth" and left:
            login = [b"AUTH", options[next(words)]]
        elif name == b"auth2" and left >= 2:
            login = [b"AUTH", options[next(words)], options[next(words)]]
        elif name == b"keys":
            if key:
                raise CommandError(
                    b"ERR When using MIGRATE KEYS option, the key argument must be set to the empty string"
                )
            return copy, replace, login, options[place + 1 :]
        else:
            raise CommandError(errors.SYNTAX)
    return copy, replace, login, (key,)


def _begin(client: Client, wanted: _Migration) -> Deferred[Reply]:
    """Send the keys; what is answered comes when the other server has answered."""
    server, source = client.server, client.db
    parked = server.waiting.park(client, [], 0, lambda: NOT_READY, OK, object)
    wait = client.parked
    assert wait is not None
    # Longer than all attempts can take. (There is no pause on, or this would have waited for its end.)
    server.pause(server.now_ms + int(wanted.timeout * 1000) * (len(wanted.keys) + 8) * 2, True)

    def end(outcome: Any) -> None:
        def tell() -> None:
            acknowledged, reply = (
                outcome if not isinstance(outcome, Failure) else ([], errors.internal_error(b"migrate"))
            )
            if not wanted.copy:
                _delete(server, source, acknowledged)
            server.unpause()
            server.waiting.finish(wait, reply)

        server.run_timer(tell)

    _transfer(server, source, wanted).addBoth(end)
    return parked


def _delete(server: Server, source: Database, keys: list[bytes]) -> None:
    deleted = [key for key in keys if source.remove(key)]
    if deleted and server.effects.active:
        server.effects.record(source.index, [b"DEL", *deleted])


@inlineCallbacks
def _transfer(
    server: Server, source: Database, wanted: _Migration
) -> Generator[Deferred[Any], Any, tuple[list[bytes], Reply]]:
    """Send the keys to the other server: which of them it has taken, and what to answer."""
    peers = server.peers
    commands, keys = _restores(server, source, wanted)
    for attempt in (1, 2):
        peer: Peer | None = peers.take(wanted.host, wanted.port)
        if peer is None:
            try:
                peer = yield peers.connect(wanted.host, wanted.port, wanted.timeout)
            except Exception:
                return [], CommandError(b"IOERR error or timeout connecting to the client")
        assert peer is not None
        before = [wanted.login] if wanted.login else []
        if peer.database != wanted.database:
            before = [*before, [b"SELECT", b"%d" % wanted.database]]
        try:
            lines = yield peer.ask([*before, *commands], wanted.timeout)
        except LostError as lost:
            peer.close()
            lines = lost.lines
            # A connection that was kept may have ended meanwhile, and nothing has happened then.
            if attempt == 1 and len(lines) <= len(before) and not isinstance(lost, TooLateError):
                continue
        taken, error = _outcome(lines, len(before), keys)
        peer.database = wanted.database if error is None else None
        if len(lines) == len(before) + len(commands):
            peers.keep(wanted.host, wanted.port, peer)
        elif error is None:
            error = CommandError(b"IOERR error or timeout reading to target instance")
        break
    return taken, OK if error is None else error


def _restores(server: Server, source: Database, wanted: _Migration) -> tuple[list[list[bytes]], list[bytes]]:
    """The commands that make the keys over there, and the keys."""
    commands: list[list[bytes]] = []
    for key in wanted.keys:
        expires_at = source.expiry(key)
        left = 0 if expires_at is None else max(1, expires_at - server.now_ms)
        words = [b"RESTORE", key, b"%d" % left, dump(source.values[key])]
        commands.append([*words, b"REPLACE"] if wanted.replace else words)
    return commands, wanted.keys


def _outcome(lines: list[bytes], before: int, keys: list[bytes]) -> tuple[list[bytes], CommandError | None]:
    """Which keys were taken, going by the lines that were answered, and the first error among these."""
    refusal = next((line for line in lines[:before] if line[:1] == b"-"), None)
    taken: list[bytes] = []
    error = refusal
    for key, line in zip(keys, lines[before:]):
        if refusal is None and line[:1] != b"-":
            taken.append(key)
        elif error is None:
            error = line
    if error is None:
        return taken, None
    return taken, CommandError(b"ERR Target instance replied with error: " + error[1:])
