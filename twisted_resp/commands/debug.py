"""DEBUG, of the server group: what Redis' own test suite and curious people ask for.

What has no meaning here (dictionaries that are resized, a cron that is paused) is accepted where it changes
nothing that a client could see, and left out where it would promise something.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from twisted.internet.interfaces import IReactorCore
from twisted.logger import Logger

from twisted_resp import errors
from twisted_resp.commands.helping import help_reply
from twisted_resp.commands.table import ADMIN, LOADING, NOSCRIPT, PROTECTED, STALE, command
from twisted_resp.errors import CommandError
from twisted_resp.keyspace.events import STRING
from twisted_resp.keyspace.tables import table_of
from twisted_resp.resp import OK, Attributed, BigNumber, Map, Push, Reply, SetReply, Several, Status, Verbatim
from twisted_resp.server.client import Client
from twisted_resp.server.configuration_rewriting import rewrite
from twisted_resp.server.replication import new_id
from twisted_resp.text.floats import parse_double
from twisted_resp.text.integers import parse_integer
from twisted_resp.text.memory_sizes import parse_memory_size
from twisted_resp.values.digest import digest_of_database, digest_of_value, in_hex
from twisted_resp.values.hash import Hash
from twisted_resp.values.list import List
from twisted_resp.values.strings import encoding_of

__all__ = ["add_subcommand"]

GROUP = "server"

_log = Logger()
_ATOI: Final = re.compile(rb"\s*([+-]?[0-9]+)")
_MOST_PACKED: Final = (1 << 32) - (1 << 20)


@command(
    "DEBUG",
    ADMIN | NOSCRIPT | LOADING | STALE | PROTECTED,
    since="1.0.0",
    complexity="Depends on subcommand.",
    arity=-2,
    system=True,
)
def debug(client: Client, subcommand: bytes, *args: bytes) -> Reply:
    """A container for debugging commands."""
    if not client.server.configuration.allows(b"enable-debug-command", client):
        raise errors.not_allowed(b"DEBUG", b"enable-debug-command")
    least, most, handler = _SUBCOMMANDS.get(subcommand.lower(), (1, 0, _unknown))
    if not least <= len(args) <= most:
        raise CommandError(
            b"ERR unknown subcommand or wrong number of arguments for '%b'. Try DEBUG HELP."
            % subcommand[:128]
        )
    return handler(client, *args)


def _unknown(client: Client, *args: bytes) -> Reply:
    raise AssertionError("no number of arguments is right for it")


def _as_atoi(text: bytes) -> int:
    found = _ATOI.match(text)
    return int(found[1]) if found else 0


# -------------------------------------------------------------------------------------------- time and tuning


def _sleep(client: Client, seconds: bytes) -> Reply:
    """Block the whole server for a while, as Redis does.

    Under a clock that somebody else advances no time passes here, so there is nothing to wait for: a test
    that drives the clock would only lose real time, and moving its clock under its feet would fire timers
    inside this command.
    """
    server = client.server
    if IReactorCore.providedBy(server.clock):
        time.sleep(max(0.0, parse_double(seconds) or 0.0))
        if client.can_block:  # not inside EXEC or a script, where time stands still
            server.keyspace.tick()
    return OK


def _set_active_expire(client: Client, enabled: bytes) -> Reply:
    client.server.keyspace.expiry_timer.enabled = bool(_as_atoi(enabled))
    return OK


def _pause_cron(client: Client, paused: bytes) -> Reply:
    client.server.shutdown.hold(bool(_as_atoi(paused)))
    return OK


def _quicklist_packed_threshold(client: Client, size: bytes) -> Reply:
    threshold = parse_memory_size(size)
    if threshold is None or threshold > _MOST_PACKED:
        raise CommandError(b"ERR argument must be a memory value bigger than 1 and smaller than 4gb")
    client.server.keyspace.limits.quicklist_packed_threshold = threshold
    return OK


def _disable_deny_scripts(client: Client, disabled: bytes) -> Reply:
    client.server.scripting.anything_goes = bool(_as_atoi(disabled))
    return OK


def _nothing_to_do(client: Client, *args: bytes) -> Reply:
    return OK


def _change_repl_id(client: Client) -> Reply:
    client.server.replication.id = new_id()
    return OK


def _replicate(client: Client, *command: bytes) -> Reply:
    client.server.replication.tell(command)
    return OK


# ------------------------------------------------------------------------------------------ looking at values


def _encoding(value: Any) -> bytes:
    if isinstance(value, (bytes, bytearray)):
        return encoding_of(value)
    encoding: bytes = value.encoding
    return encoding


def _serialized_length(value: Any) -> int:
    """About how many bytes the value takes in a snapshot."""
    if isinstance(value, (bytes, bytearray)):
        number = parse_integer(bytes(value)) if len(value) <= 11 else None
        if number is not None and -(2**31) <= number < 2**31:
            return 1 + max(1, (number.bit_length() + 8) // 8)
        return _length_of_length(len(value)) + len(value)
    if isinstance(value, List):
        return 1 + sum(size + 1 + _length_of_length(size) for size in value.node_sizes())
    elements = value.items() if isinstance(value, Hash) else value
    return 1 + sum(map(_serialized_size_of_element, elements))


def _serialized_size_of_element(element: Any) -> int:
    if isinstance(element, bytes):
        return _length_of_length(len(element)) + len(element)
    if isinstance(element, tuple):
        return sum(map(_serialized_size_of_element, element))
    return 8


def _length_of_length(length: int) -> int:
    return 1 if length < 1 << 6 else 2 if length < 1 << 14 else 5


def _object(client: Client, key: bytes) -> Reply:
    database = client.db
    value = database.values.get(key)  # one that has expired too, as long as it is there
    if value is None:
        raise CommandError(errors.NO_SUCH_KEY)
    keyspace = client.server.keyspace
    accessed = database.accessed.get(key, keyspace.now)
    idle = 0
    if keyspace.touching == 2:
        lru = accessed & 0xFFFFFF
    else:
        lru = accessed // 1000 & 0xFFFFFF
        idle = max(0, keyspace.now - accessed) // 1000
    line = b"Value at:0x%012x refcount:1 encoding:%b serializedlength:%d lru:%d lru_seconds_idle:%d" % (
        # A number has an address of its own in Redis, which INCR leaves as it is; here the key stands for it.
        hash(key) & 0xFFFFFFFFFFF0 if type(value) is bytes else id(value),
        _encoding(value),
        _serialized_length(value),
        lru,
        idle,
    )
    if isinstance(value, List) and value.encoding == b"quicklist":
        sizes = value.node_sizes()
        limits = keyspace.limits
        line += (
            b" ql_nodes:%d ql_avg_node:%.2f ql_listpack_max:%d ql_compressed:%d ql_uncompressed_size:%d"
            % (
                len(sizes),
                len(value) / len(sizes),
                limits.list_max_listpack_size,
                limits.list_compress_depth != 0,
                sum(sizes),
            )
        )
    return Status(line)


def _listpack(client: Client, key: bytes) -> Reply:
    value = client.db.peek(key)
    if value is None:
        raise CommandError(errors.NO_SUCH_KEY)
    if not _encoding(value).startswith(b"listpack"):
        raise CommandError(b"ERR Not a listpack encoded object.")
    _log.info("DEBUG LISTPACK {key}: {value}", key=key, value=value)
    return Status(b"Listpack structure printed on stdout")


def _quicklist(client: Client, key: bytes, full: bytes = b"0") -> Reply:
    value = client.db.peek(key)
    if value is None:
        raise CommandError(errors.NO_SUCH_KEY)
    if not isinstance(value, List) or value.encoding != b"quicklist":
        raise CommandError(b"ERR Not a quicklist encoded object.")
    for number, (plain, elements) in enumerate(value.nodes()):
        _log.info(
            "DEBUG QUICKLIST {key}, node {number}, {kind}: {shown}",
            key=key,
            number=number,
            kind="plain" if plain else "packed",
            shown=elements if _as_atoi(full) else len(elements),
        )
    return Status(b"Quicklist structure printed on stdout")


def _table_statistics(client: Client, index: bytes, *full: bytes) -> Reply:
    """What the tables of keys and of expiries are like. There are no chains of which to tell more."""
    number = parse_integer(index)
    if number is None:
        raise CommandError(errors.NOT_AN_INTEGER)
    databases = client.server.keyspace.databases
    if not 0 <= number < len(databases):
        raise CommandError(b"ERR Out of range database")
    text = b""
    for name, mapping in ((b"Dictionary", databases[number].values), (b"Expires", databases[number].expires)):
        text += b"[%b HT]\nHash table 0 stats (main hash table):\n" % name
        text += (
            b" table size: %d\n number of elements: %d\n" % (table_of(mapping).slots, len(mapping))
            if mapping
            else b"No stats available for empty dictionaries\n"
        )
    return Verbatim(b"txt", text)


def _digest(client: Client) -> Reply:
    digest = 0
    for database in client.server.keyspace.databases:
        if len(database):
            items = ((key, value, key in database.expires) for key, value in database.values.items())
            digest = digest_of_database(database.index, items, digest)
    return Status(in_hex(digest))


def _digest_value(client: Client, *keys: bytes) -> Reply:
    database = client.db
    found = []
    for key in keys:
        # An expired key that nobody has deleted yet is looked at nevertheless.
        value = database.values.get(key)
        digest = 0 if value is None else digest_of_value(value, key in database.expires)
        found.append(Status(in_hex(digest)))
    return found


def _populate(client: Client, count: bytes, prefix: bytes = b"key", size: bytes = b"0") -> Reply:
    keys, length = parse_integer(count), parse_integer(size)
    for number in (keys, length):
        if number is None:
            raise CommandError(errors.NOT_AN_INTEGER)
        if number < 0:
            raise CommandError(errors.MUST_BE_POSITIVE)
    assert keys is not None
    assert length is not None
    database = client.db
    for index in range(keys):
        key = b"%b:%d" % (prefix, index)
        if not database.exists(key):
            value = b"value:%d" % index
            if length:
                value = value[:length].ljust(length, b"\0")
            database.store(key, value, b"set", STRING, dirty=0)
    return OK


# ----------------------------------------------------------------------------------------------- the protocol


def _log_message(client: Client, message: bytes) -> Reply:
    _log.warn("DEBUG LOG: {message}", message=message.decode("utf-8", "replace"))
    return OK


def _error(client: Client, message: bytes) -> Reply:
    return CommandError(message)


def _protocol(client: Client, kind: bytes) -> Reply:
    kind = kind.lower()
    if kind == b"push":
        if client.protocol == 2:
            raise CommandError(b"ERR RESP2 is not supported by this command")
        # A push is no reply, so there is one after it.
        return Several([Push([b"server-cpu-usage", 42]), b"Some real reply following the push reply"])
    if kind not in _PROTOCOL:
        raise CommandError(
            b"ERR Wrong protocol type name. Please use one of the following: "
            b"string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false"
        )
    return _PROTOCOL[kind]


_PROTOCOL: Final[Mapping[bytes, Reply]] = {
    b"string": b"Hello World",
    b"integer": 12345,
    b"double": 3.141,
    b"bignum": BigNumber(b"1234567999999999999999999999999999999"),
    b"null": None,
    b"array": [0, 1, 2],
    b"set": SetReply([0, 1, 2]),
    b"map": Map([(0, False), (1, True), (2, False)]),
    b"attrib": Attributed(
        ([(b"key-popularity", [b"key:123", 90])], b"Some real reply following the attribute")
    ),
    b"verbatim": Verbatim(b"txt", b"This is a verbatim\nstring"),
    b"true": True,
    b"false": False,
}

_HELP: Final = b"""
CHANGE-REPL-ID
    Change the replication IDs of the instance.
    Dangerous: should be used only for testing the replication subsystem.
CONFIG-REWRITE-FORCE-ALL
    Like CONFIG REWRITE but writes all configuration options, including
    keywords not listed in original configuration file or default values.
DICT-RESIZING <0|1>
    Accepted: there are no hash tables whose resizing could be stopped.
DIGEST
    Output a hex signature of the contents of all databases.
DIGEST-VALUE <key> [<key> ...]
    Output a hex signature of the values of all the specified keys.
ERROR <string>
    Return a Redis protocol error with <string> as message. Useful for clients
    unit tests to simulate Redis errors.
HTSTATS <dbid>
    Return hash table statistics of the specified database.
LISTPACK <key>
    Write the value of <key>, if it is listpack encoded, to the log.
LOG <message>
    Write <message> to the server log.
OBJECT <key>
    Show low level info about `key` and associated value.
PAUSE-CRON <0|1>
    Hold back the shutdown that a signal asks for. There is no periodic job to pause.
POPULATE <count> [<prefix>] [<size>]
    Create <count> string keys named key:<num>. If <prefix> is specified then
    it is used instead of the 'key' prefix.
PROTOCOL <type>
    Reply with a test value of the specified type. <type> can be: string,
    integer, double, bignum, null, array, set, map, attrib, push, verbatim,
    true, false.
QUICKLIST <key> [<0|1>]
    Write the nodes of <key>, if it is a quicklist, to the log.
QUICKLIST-PACKED-THRESHOLD <size>
    Sets the threshold for elements to be inserted as plain vs packed nodes.
    0 restores the default.
REPLICATE <string>
    Replicates the provided string to replicas, allowing data divergence.
SET-ACTIVE-EXPIRE <0|1>
    Setting it to 0 disables expiring keys that are not accessed.
SLEEP <seconds>
    Stop the server for <seconds>. Decimals allowed.
"""


_more_help: list[bytes] = []


def _help(client: Client) -> Reply:
    return help_reply(b"DEBUG", _HELP + b"".join(_more_help))


#: The least and the greatest number of arguments, and what to do.
def _rewrite_all(client: Client) -> Reply:
    """CONFIG REWRITE, with what has its default value as well."""
    if not client.server.configuration.path:
        raise CommandError(b"ERR The server is running without a config file")
    try:
        rewrite(client.server, all_parameters=True)
    except OSError as error:
        raise CommandError(f"ERR CONFIG-REWRITE-FORCE-ALL failed: {error.strerror}") from None
    return OK


_SUBCOMMANDS: Final[dict[bytes, tuple[int, int, Callable[..., Reply]]]] = {
    b"change-repl-id": (0, 0, _change_repl_id),
    b"config-rewrite-force-all": (0, 0, _rewrite_all),
    b"dict-resizing": (1, 1, _nothing_to_do),
    b"digest": (0, 0, _digest),
    b"digest-value": (0, sys.maxsize, _digest_value),
    b"error": (1, 1, _error),
    b"help": (0, 0, _help),
    b"htstats": (1, 2, _table_statistics),
    b"listpack": (1, 1, _listpack),
    b"log": (1, 1, _log_message),
    b"object": (1, 1, _object),
    b"pause-cron": (1, 1, _pause_cron),
    b"populate": (1, 3, _populate),
    b"protocol": (1, 1, _protocol),
    b"quicklist": (1, 2, _quicklist),
    b"quicklist-packed-threshold": (1, 1, _quicklist_packed_threshold),
    b"replybuffer": (2, 2, _nothing_to_do),
    b"replicate": (1, sys.maxsize, _replicate),
    b"set-active-expire": (1, 1, _set_active_expire),
    b"set-disable-deny-scripts": (1, 1, _disable_deny_scripts),
    b"sleep": (1, 1, _sleep),
}


def add_subcommand(
    name: bytes, least: int, most: int, handler: Callable[..., Reply], description: bytes
) -> None:
    """Give DEBUG a subcommand whose work is in a room above.

    :param least: the least number of arguments, and ``most`` the greatest.
    :param handler: is called with the client and the arguments.
    :param description: lines for DEBUG HELP.
    """
    _SUBCOMMANDS[name.lower()] = (least, most, handler)
    if description not in _more_help:
        _more_help.append(description)
