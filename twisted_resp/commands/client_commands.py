"""CLIENT and its subcommands, of the connection group: https://redis.io/docs/latest/commands/client/"""

from __future__ import annotations

from typing import Callable, Final

from twisted_resp import errors
from twisted_resp.commands.client_info import client_line, client_type, type_named
from twisted_resp.commands.connection import check_name, is_label
from twisted_resp.commands.helping import help_reply
from twisted_resp.commands.table import ADMIN, LOADING, NOSCRIPT, SENTINEL, STALE, command, container
from twisted_resp.errors import CommandError
from twisted_resp.resp import NO_REPLY, OK, Reply, Verbatim
from twisted_resp.server.client import REPLY_OFF, REPLY_ON, REPLY_SKIP, Client
from twisted_resp.text.integers import INT64_MAX, parse_integer

GROUP = "connection"

_ANYTIME: Final = NOSCRIPT | LOADING | STALE
_USUAL: Final = _ANYTIME | SENTINEL
_ADMIN: Final = _USUAL | ADMIN
_EVERYWHERE: Final = ["request_policy:all_nodes", "response_policy:all_succeeded"]

_UNKNOWN_TYPE: Final = b"ERR Unknown client type '%b'"

_HELP: Final = b"""
CACHING (YES|NO)
    Say whether the keys that the next command reads are tracked, under OPTIN (yes) or OPTOUT (no).
GETREDIR
    Return the id of the client that gets the invalidation messages of this one.
GETNAME
    Return the name of this connection.
ID
    Return the id of this connection.
INFO
    Return what CLIENT LIST says of this connection.
KILL <ip:port>
    Close the connection from an address.
KILL <option> <value> [<option> <value> ...]
    Close the connections to which all options apply:
    * ADDR (<ip:port>|<unixsocket>:0)
      The address at the other end.
    * LADDR (<ip:port>|<unixsocket>:0)
      The address at our end.
    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)
      The kind of client.
    * USER <username>
      The user that it has logged in as.
    * SKIPME (YES|NO)
      Whether to spare this connection (default: yes).
    * ID <client-id>
      Its id.
    * MAXAGE <maxage>
      At least so many seconds old.
LIST [options ...]
    Return a line on each connection. Options:
    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)
      Only clients of a type.
    * ID <client-id> [<client-id> ...]
      Only the clients with these ids.
NO-EVICT (ON|OFF)
    Spare this connection when clients take too much memory.
NO-TOUCH (ON|OFF)
    Do not note the accesses of this connection to keys.
PAUSE <timeout> [WRITE|ALL]
    Hold back all commands, or those that write, for <timeout> milliseconds.
REPLY (ON|OFF|SKIP)
    Say whether this connection wants replies; SKIP drops that of the next command.
SETINFO <option> <value>
    Say what is known of this client. Options:
    * LIB-NAME: its library.
    * LIB-VER: the version of its library.
SETNAME <name>
    Name this connection.
TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]] [OPTIN] [OPTOUT] [NOLOOP]
    Tell this connection when keys change that it has read, or that begin with a prefix.
TRACKINGINFO
    Return what is tracked for this connection.
UNBLOCK <client-id> [TIMEOUT|ERROR]
    End the wait of a blocked client.
UNPAUSE
    End a pause.
"""

container("CLIENT", "A container for client connection commands.", since="2.4.0", group=GROUP, flags=SENTINEL)


def _starts(client: Client, name: bytes) -> None:
    # What CLIENT LIST shows of the client that asks; inside EXEC that is EXEC.
    if not client.in_exec:
        client.last_command = name


@command("CLIENT ID", _USUAL, since="5.0.0", complexity="O(1)")
def client_id(client: Client) -> Reply:
    """Returns the unique client ID of the connection."""
    return client.id


@command("CLIENT INFO", _USUAL, since="6.2.0", complexity="O(1)", tips=["nondeterministic_output"])
def client_info(client: Client) -> Reply:
    """Returns information about the connection."""
    _starts(client, b"client|info")
    return Verbatim(b"txt", client_line(client, client) + b"\n")


@command(
    "CLIENT LIST [client-type: TYPE <NORMAL | MASTER | REPLICA | PUBSUB>] [ID client-id [client-id ...]]",
    _ADMIN,
    since="2.4.0",
    complexity="O(N) where N is the number of client connections",
    argument_since={"client-type": "5.0.0", "client-id": "6.2.0"},
    tips=["nondeterministic_output"],
    history=[
        ("2.8.12", "Added unique client `id` field."),
        ("5.0.0", "Added optional `TYPE` filter."),
        ("6.0.0", "Added `user` field."),
        ("6.2.0", "Added `argv-mem`, `tot-mem`, `laddr` and `redir` fields and the optional `ID` filter."),
        ("7.0.0", "Added `resp`, `multi-mem`, `rbs` and `rbp` fields."),
        ("7.0.3", "Added `ssub` field."),
    ],
)
def client_list(client: Client, *options: bytes) -> Reply:
    """Lists open connections."""
    _starts(client, b"client|list")
    clients = client.server.clients
    which = list(clients.values())
    option = options[0].upper() if options else b""
    if len(options) == 2 and option == b"TYPE":
        kind = type_named(options[1])
        if kind is None:
            raise CommandError(_UNKNOWN_TYPE % options[1])
        which = [one for one in which if client_type(one) == kind]
    elif len(options) > 1 and option == b"ID":
        which = []
        for word in options[1:]:
            number = parse_integer(word)
            if number is None:
                raise CommandError(b"ERR Invalid client ID")
            if number in clients:
                which.append(clients[number])
    elif options:
        raise CommandError(errors.SYNTAX)
    return Verbatim(b"txt", b"".join([client_line(one, client) + b"\n" for one in which]))


@command("CLIENT GETNAME", _USUAL, since="2.6.9", complexity="O(1)")
def client_getname(client: Client) -> Reply:
    """Returns the name of the connection."""
    return client.name or None


@command("CLIENT SETNAME connection-name", _USUAL, since="2.6.9", complexity="O(1)", tips=_EVERYWHERE)
def client_setname(client: Client, name: bytes) -> Reply:
    """Sets the connection name."""
    check_name(name)
    client.name = name
    return OK


@command(
    "CLIENT SETINFO <attr: libname: LIB-NAME libname | libver: LIB-VER libver>",
    _USUAL,
    since="7.2.0",
    complexity="O(1)",
    tips=_EVERYWHERE,
)
def client_setinfo(client: Client, attribute: bytes, value: bytes) -> Reply:
    """Sets information specific to the client or connection."""
    which = attribute.upper()
    if which not in (b"LIB-NAME", b"LIB-VER"):
        raise CommandError(b"ERR Unrecognized option '%b'" % errors.shown(attribute))
    if not is_label(value):
        raise CommandError(b"ERR %b cannot contain spaces, newlines or special characters." % attribute)
    if which == b"LIB-NAME":
        client.lib_name = value
    else:
        client.lib_version = value
    return OK


@command(
    "CLIENT KILL <filter: old-format: ip:port | <new-format: [ID client-id] | "
    "[client-type: TYPE <NORMAL | MASTER | SLAVE | REPLICA | PUBSUB>] | [USER username] | [ADDR ip:port] | "
    "[LADDR ip:port] | [SKIPME <YES | NO>] | [MAXAGE maxage] ...>>",
    _ADMIN,
    since="2.4.0",
    complexity="O(N) where N is the number of client connections",
    history=[
        ("2.8.12", "Added new filter format."),
        ("2.8.12", "`ID` option."),
        ("3.2.0", "Added `master` type in for `TYPE` option."),
        (
            "5.0.0",
            "Replaced `slave` `TYPE` with `replica`. `slave` still supported for backward compatibility.",
        ),
        ("6.2.0", "`LADDR` option."),
        ("7.4.0", "`MAXAGE` option."),
    ],
)
def client_kill(client: Client, *options: bytes) -> Reply:
    """Terminates open connections."""
    if len(options) == 1:
        if not _kill(client, [lambda one: one.address == options[0]], skip_me=False):
            raise CommandError(b"ERR No such client")
        return OK
    filters, skip_me = _kill_filters(client, options)
    return _kill(client, filters, skip_me)


def _kill_filters(client: Client, options: tuple[bytes, ...]) -> tuple[list[Callable[[Client], bool]], bool]:
    """Read the options of CLIENT KILL: what must hold for a victim, and whether the killer is spared."""
    if len(options) % 2:
        # Redis reads pair by pair: an error in a pair comes before the syntax error of a word left over.
        _kill_filters(client, options[:-1])
        raise CommandError(errors.SYNTAX)
    now = client.server.now_ms // 1000
    tests: dict[bytes, Callable[[Client], bool]] = {}
    skip_me = True
    for option, value in zip(options[::2], options[1::2]):
        name = option.upper()
        if name == b"ID":
            number = parse_integer(value)
            if number is None or number < 1:
                raise CommandError(b"ERR client-id should be greater than 0")
            tests[name] = lambda one, wanted=number: one.id == wanted  # type: ignore[misc]
        elif name == b"MAXAGE":
            seconds = parse_integer(value)
            if seconds is None:
                raise CommandError(b"ERR maxage is not an integer or out of range")
            if seconds <= 0:
                raise CommandError(b"ERR maxage should be greater than 0")
            tests[name] = lambda one, least=seconds: now - one.created // 1000 >= least  # type: ignore[misc]
        elif name == b"TYPE":
            kind = type_named(value)
            if kind is None:
                raise CommandError(_UNKNOWN_TYPE % value)
            tests[name] = lambda one, wanted=kind: client_type(one) == wanted  # type: ignore[misc]
        elif name == b"ADDR":
            tests[name] = lambda one, wanted=value: one.address == wanted  # type: ignore[misc]
        elif name == b"LADDR":
            tests[name] = lambda one, wanted=value: one.local_address == wanted  # type: ignore[misc]
        elif name == b"USER":
            user = client.server.access.find(value)
            if user is None:
                raise CommandError(b"ERR No such user '%b'" % errors.shown(value))
            tests[name] = lambda one, wanted=user: one.user is wanted  # type: ignore[misc]
        elif name == b"SKIPME" and value.upper() in (b"YES", b"NO"):
            skip_me = value.upper() == b"YES"
        else:
            raise CommandError(errors.SYNTAX)
    return list(tests.values()), skip_me


def _kill(client: Client, filters: list[Callable[[Client], bool]], skip_me: bool) -> int:
    """Close all connections that pass the filters, the killer's own after its reply; answer how many."""
    victims = [
        one
        for one in client.server.clients.values()
        if not (skip_me and one is client) and all(test(one) for test in filters)
    ]
    for victim in victims:
        if victim is client:
            client.close(True)
        else:
            victim.kill()
    return len(victims)


@command(
    "CLIENT PAUSE timeout [mode: WRITE | ALL]",
    _ADMIN,
    since="3.0.0",
    complexity="O(1)",
    types={"timeout": "integer"},
    argument_since={"mode": "6.2.0"},
    history=[("6.2.0", "`CLIENT PAUSE WRITE` mode added along with the `mode` option.")],
)
def client_pause(client: Client, timeout: bytes, mode: bytes | None = None, *rest: bytes) -> Reply:
    """Suspends commands processing."""
    if rest:
        raise errors.subcommand_syntax(b"CLIENT", client.current[1])
    if mode is not None and mode.upper() not in (b"WRITE", b"ALL"):
        raise CommandError(b"ERR CLIENT PAUSE mode must be WRITE or ALL")
    milliseconds = parse_integer(timeout)
    if milliseconds is None:
        raise CommandError(errors.INVALID_INTEGER_TIMEOUT)
    if milliseconds < 0:
        raise CommandError(errors.NEGATIVE_TIMEOUT)
    server = client.server
    if milliseconds > INT64_MAX - server.now_ms:
        raise CommandError(errors.TIMEOUT_OUT_OF_RANGE)
    server.pause(server.now_ms + milliseconds, mode is None or mode.upper() == b"ALL")
    return OK


@command("CLIENT UNPAUSE", _ADMIN, since="6.2.0", complexity="O(N) Where N is the number of paused clients")
def client_unpause(client: Client) -> Reply:
    """Resumes processing commands from paused clients."""
    client.server.unpause()
    return OK


@command("CLIENT REPLY <action: ON | OFF | SKIP>", _USUAL, since="3.2.0", complexity="O(1)")
def client_reply(client: Client, action: bytes) -> Reply:
    """Instructs the server whether to reply to commands."""
    wanted = action.upper()
    if wanted == b"ON":
        client.reply_mode = REPLY_ON
        return OK
    if wanted == b"OFF":
        client.reply_mode = REPLY_OFF
    elif wanted == b"SKIP":
        if client.reply_mode != REPLY_OFF:
            client.reply_mode = REPLY_SKIP
    else:
        raise CommandError(errors.SYNTAX)
    return NO_REPLY


@command("CLIENT NO-EVICT <ON | OFF>", _ADMIN, since="7.0.0", complexity="O(1)")
def client_no_evict(client: Client, enabled: bytes) -> Reply:
    """Sets the client eviction mode of the connection."""
    client.no_evict = _is_on(enabled)
    client.server.client_memory.changed(client)
    return OK


@command("CLIENT NO-TOUCH <ON | OFF>", _ANYTIME, since="7.2.0", complexity="O(1)")
def client_no_touch(client: Client, enabled: bytes) -> Reply:
    """Controls whether commands sent by the client affect the LRU/LFU of accessed keys."""
    client.no_touch = _is_on(enabled)
    return OK


def _is_on(word: bytes) -> bool:
    wanted = word.upper()
    if wanted not in (b"ON", b"OFF"):
        raise CommandError(errors.SYNTAX)
    return wanted == b"ON"


@command(
    "CLIENT UNBLOCK client-id [unblock-type: TIMEOUT | ERROR]",
    _ADMIN,
    since="5.0.0",
    complexity="O(log N) where N is the number of client connections",
)
def client_unblock(client: Client, id_: bytes, reason: bytes | None = None, *rest: bytes) -> Reply:
    """Unblocks a client blocked by a blocking command from a different connection."""
    if rest:
        raise errors.subcommand_syntax(b"CLIENT", client.current[1])
    if reason is not None and reason.upper() not in (b"TIMEOUT", b"ERROR"):
        raise CommandError(b"ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")
    number = parse_integer(id_)
    if number is None:
        raise CommandError(errors.NOT_AN_INTEGER)
    target = client.server.clients.get(number)
    if target is None:
        return 0
    with_error = reason is not None and reason.upper() == b"ERROR"
    return int(client.server.waiting.unblock(target, with_error))


@command("CLIENT HELP", LOADING | STALE | SENTINEL, since="5.0.0", complexity="O(1)")
def client_help(client: Client) -> Reply:
    """Returns helpful text about the different subcommands."""
    return help_reply(b"CLIENT", _HELP)
