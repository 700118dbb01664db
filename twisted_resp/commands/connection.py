"""The connection group but for CLIENT, which is in client_commands.py.

https://redis.io/docs/latest/commands/?group=connection
"""

from __future__ import annotations

import re
from typing import Final

from twisted_resp import errors
from twisted_resp.commands.permissions import note_failed_login
from twisted_resp.commands.table import ALLOW_BUSY, FAST, LOADING, NO_AUTH, NOSCRIPT, SENTINEL, STALE, command
from twisted_resp.errors import CommandError
from twisted_resp.resp import OK, PONG, Map, Reply, Status
from twisted_resp.server.client import Client
from twisted_resp.text.integers import INT32_MAX, INT32_MIN, parse_integer

__all__ = ["check_name", "is_label"]

GROUP = "connection"

_HANDSHAKE: Final = NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY

_NO_PASSWORD_SET: Final = (
    b"ERR AUTH <password> called without any password configured for the default user. Are you sure your "
    b"configuration is correct?"
)
_HELLO_NEEDS_AUTH: Final = (
    b"NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH "
    b"<user> <pass> option can be used to authenticate the client and select the RESP protocol version at "
    b"the same time"
)
_BAD_NAME: Final = b"ERR Client names cannot contain spaces, newlines or special characters."
_LABEL: Final = re.compile(rb"[!-~]*")


def is_label(value: bytes) -> bool:
    """Whether a name is fit for a line of CLIENT LIST: printable ASCII without spaces."""
    return _LABEL.fullmatch(value) is not None


def check_name(name: bytes) -> None:
    """Refuse a client's name that CLIENT LIST could not show.

    :raises CommandError: it has spaces, line ends or the like.
    """
    if not is_label(name):
        raise CommandError(_BAD_NAME)


@command(
    "PING [message]",
    FAST | SENTINEL,
    since="1.0.0",
    complexity="O(1)",
    tips=["request_policy:all_shards", "response_policy:all_succeeded"],
)
def ping(client: Client, *message: bytes) -> Reply:
    """Returns the server's liveliness response."""
    if not message and not client.restricted:
        return PONG
    if len(message) > 1:
        raise errors.wrong_arity(b"ping")
    if client.restricted:
        return [b"pong", message[0] if message else b""]
    return message[0]


@command("ECHO message", LOADING | STALE | FAST, since="1.0.0", complexity="O(1)")
def echo(client: Client, message: bytes) -> Reply:
    """Returns the given string."""
    return message


@command("SELECT index", LOADING | STALE | FAST, since="1.0.0", complexity="O(1)", types={"index": "integer"})
def select(client: Client, index: bytes) -> Reply:
    """Changes the selected database."""
    number = parse_integer(index)
    if number is None:
        raise CommandError(errors.NOT_AN_INTEGER)
    if not INT32_MIN <= number <= INT32_MAX:
        raise errors.not_between(INT32_MIN, INT32_MAX)
    databases = client.server.keyspace.databases
    if not 0 <= number < len(databases):
        raise CommandError(errors.DB_INDEX_OUT_OF_RANGE)
    client.db = databases[number]
    return OK


@command(
    "AUTH [username] password",
    _HANDSHAKE | SENTINEL,
    since="1.0.0",
    complexity="O(N) where N is the number of passwords defined for the user",
    argument_since={"username": "6.0.0"},
    history=[("6.0.0", "Added ACL style (username and password).")],
)
def auth(client: Client, *credentials: bytes) -> Reply:
    """Authenticates the connection."""
    if len(credentials) > 2:
        raise CommandError(errors.SYNTAX)
    if len(credentials) == 1:
        if client.server.access.default.no_password:
            raise CommandError(_NO_PASSWORD_SET)
        credentials = (b"default", credentials[0])
    _log_in(client, *credentials)
    return OK


def _log_in(client: Client, name: bytes, password: bytes) -> None:
    user = client.server.access.find(name)
    if user is None or not user.accepts(password):
        note_failed_login(client, name)
        raise CommandError(errors.WRONG_PASSWORD)
    client.log_in(user)


@command(
    "HELLO [arguments: protover [AUTH username password] [clientname: SETNAME clientname]]",
    _HANDSHAKE | SENTINEL,
    since="6.0.0",
    complexity="O(1)",
    history=[
        (
            "6.2.0",
            "`protover` made optional; when called without arguments the command reports the current "
            "connection's context.",
        )
    ],
)
def hello(client: Client, *arguments: bytes) -> Reply:
    """Handshakes with the Redis server."""
    version = None
    if arguments:
        version = parse_integer(arguments[0])
        if version is None:
            raise CommandError(b"ERR Protocol version is not an integer or out of range")
        if not 2 <= version <= 3:
            raise CommandError(b"NOPROTO unsupported protocol version")
    credentials, name = None, None
    place = 1
    while place < len(arguments):
        option = arguments[place].upper()
        left = len(arguments) - place - 1
        if option == b"AUTH" and left >= 2:
            credentials = (arguments[place + 1], arguments[place + 2])
            place += 3
        elif option == b"SETNAME" and left >= 1:
            name = arguments[place + 1]
            check_name(name)
            place += 2
        else:
            raise CommandError(b"ERR Syntax error in HELLO option '%b'" % errors.shown(arguments[place]))
    if credentials is not None:
        _log_in(client, *credentials)
    if not client.authenticated:
        raise CommandError(_HELLO_NEEDS_AUTH)
    if name is not None:
        client.name = name
    if version is not None:
        client.protocol = version
        client.choose_state()
    flavour = client.server.flavour
    return Map(
        [
            (b"server", flavour.product),
            (b"version", flavour.version),
            (b"proto", client.protocol),
            (b"id", client.id),
            (b"mode", b"standalone"),
            (b"role", b"master"),
            (b"modules", []),
        ]
    )


@command(
    "QUIT",
    _HANDSHAKE,
    since="1.0.0",
    complexity="O(1)",
    arity=-1,
    deprecated="7.2.0",
    replaced_by="just closing the connection",
)
def quit_(client: Client, *ignored: bytes) -> Reply:
    """Closes the connection."""
    client.close(True)
    return OK


@command("RESET", _HANDSHAKE, since="6.2.0", complexity="O(1)")
def reset(client: Client) -> Reply:
    """Resets the connection."""
    client.reset()
    return Status(b"RESET")
