"""DUMP and RESTORE, of the generic group: values as RDB payloads."""

from __future__ import annotations

from typing import Final

from twisted.logger import Logger

from twisted_resp import errors
from twisted_resp.commands.generic import read_untouched
from twisted_resp.commands.numbers import integer
from twisted_resp.commands.table import ASKING, DENYOOM, READONLY, WRITE, command
from twisted_resp.errors import CommandError
from twisted_resp.keyspace import lfu
from twisted_resp.keyspace.database import Database
from twisted_resp.keyspace.events import GENERIC, SILENT
from twisted_resp.keyspace.keyspace import TOUCH_LFU
from twisted_resp.rdb.format import RdbError
from twisted_resp.rdb.payload import dump as dump_payload
from twisted_resp.rdb.payload import is_intact, load
from twisted_resp.resp import OK, Reply
from twisted_resp.server.client import Client

GROUP = "generic"

_log = Logger()

_BUSY: Final = b"BUSYKEY Target key name already exists."
_NOT_INTACT: Final = b"ERR DUMP payload version or checksum are wrong"
_BAD_DATA: Final = b"ERR Bad data format"

_RESTORE_COMPLEXITY: Final = (
    "O(1) to create the new key and additional O(N*M) to reconstruct the serialized value, where N is the number "
    "of Redis objects composing the value and M their average size. For small string values the time complexity "
    "is thus O(1)+O(1*M) where M is small, so simply O(1). However for sorted set values the complexity is "
    "O(N*M*log(N)) because inserting values into sorted sets is O(log(N))."
)
_RESTORE_HISTORY: Final = (
    ("3.0.0", "Added the `REPLACE` modifier."),
    ("5.0.0", "Added the `ABSTTL` modifier."),
    ("5.0.0", "Added the `IDLETIME` and `FREQ` options."),
)
_RESTORE_SINCE: Final = {"replace": "3.0.0", "absttl": "5.0.0", "seconds": "5.0.0", "frequency": "5.0.0"}


@command(
    "DUMP key",
    READONLY,
    since="2.6.0",
    complexity="O(1) to access the key and additional O(N*M) to serialize it, where N is the number of Redis "
    "objects composing the value and M their average size. For small string values the time complexity is thus "
    "O(1)+O(1*M) where M is small, so simply O(1).",
    tips=["nondeterministic_output"],
)
def dump(client: Client, key: bytes) -> Reply:
    """Returns a serialized representation of the value stored at a key."""
    value = read_untouched(client.db, key)
    return None if value is None else dump_payload(value)


@command(
    "RESTORE key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]",
    WRITE | DENYOOM,
    since="2.6.0",
    complexity=_RESTORE_COMPLEXITY,
    keys=["OW update"],
    argument_since=_RESTORE_SINCE,
    acl=["dangerous"],
    history=_RESTORE_HISTORY,
)
def restore(client: Client, key: bytes, ttl: bytes, payload: bytes, *options: bytes) -> Reply:
    """Creates a key from the serialized representation of a value."""
    replace, absolute, idle, frequency = _parse_options(options)
    database = client.db
    if not replace and database.exists(key):
        raise CommandError(_BUSY)
    expires_at = integer(ttl)
    if expires_at < 0:
        raise CommandError(b"ERR Invalid TTL value, must be >= 0")
    if not is_intact(payload, client.server.saving.checks):
        raise CommandError(_NOT_INTACT)
    keyspace = client.server.keyspace
    try:
        value = load(payload, keyspace.limits)
    except RdbError as error:
        _log.warn("RESTORE: bad data format: {error}", error=error)
        raise CommandError(_BAD_DATA) from None
    effects = client.server.effects
    if expires_at and not absolute:
        expires_at += keyspace.now
        effects.replace(b"RESTORE", key, b"%d" % expires_at, payload, *options, b"ABSTTL")
    # (What our master sends is not judged: it tells when a key has expired.)
    if expires_at and expires_at <= keyspace.now and not keyspace.sees_expired:
        if replace and database.remove(key):
            effects.abandon()
            lazily = client.server.configuration[b"lazyfree-lazy-server-del"]
            effects.replace(b"UNLINK" if lazily else b"DEL", key)
        return OK
    if replace:
        # A new key with no past: not of use as before, nor with fields that expire.
        database.remove(key, event=SILENT, group=0, dirty=0)
    database.store(key, value, b"restore", GENERIC)
    if expires_at:
        database.set_expiry(key, expires_at, None)
    _set_use(database, key, idle, frequency)
    return OK


@command(
    "RESTORE-ASKING key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]",
    WRITE | DENYOOM | ASKING,
    since="3.0.0",
    complexity=_RESTORE_COMPLEXITY,
    keys=["OW update"],
    argument_since=_RESTORE_SINCE,
    acl=["keyspace", "dangerous"],
    history=_RESTORE_HISTORY,
    group="server",
    system=True,
)
def restore_asking(client: Client, key: bytes, ttl: bytes, payload: bytes, *options: bytes) -> Reply:
    """An internal command for migrating keys in a cluster."""
    return restore(client, key, ttl, payload, *options)


def _parse_options(options: tuple[bytes, ...]) -> tuple[bool, bool, int, int]:
    """REPLACE, ABSTTL, IDLETIME (seconds) and FREQ, the last two -1 where they are not given."""
    replace = absolute = False
    idle = frequency = -1
    words = iter(range(len(options)))
    for place in words:
        word = options[place].lower()
        more = place + 1 < len(options)
        if word == b"replace":
            replace = True
        elif word == b"absttl":
            absolute = True
        elif word == b"idletime" and more and frequency == -1:
            idle = integer(options[next(words)])
            if idle < 0:
                raise CommandError(b"ERR Invalid IDLETIME value, must be >= 0")
        elif word == b"freq" and more and idle == -1:
            frequency = integer(options[next(words)])
            if not 0 <= frequency <= 255:
                raise CommandError(b"ERR Invalid FREQ value, must be >= 0 and <= 255")
        else:
            raise CommandError(errors.SYNTAX)
    return replace, absolute, idle, frequency


def _set_use(database: Database, key: bytes, idle: int, frequency: int) -> None:
    """Note how long ago or how often the key was used, whichever the eviction policy looks at."""
    keyspace = database.keyspace
    if keyspace.touching == TOUCH_LFU:
        if frequency >= 0:
            database.accessed[key] = lfu.packed(keyspace, frequency)
    elif idle >= 0:
        database.accessed[key] = max(0, keyspace.now - idle * 1000)
