"""The hyperloglog group: https://redis.io/docs/latest/commands/?group=hyperloglog"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from twisted_resp import errors
from twisted_resp.commands.table import ADMIN, DENYOOM, FAST, MAY_REPLICATE, READONLY, WRITE, command
from twisted_resp.errors import CommandError
from twisted_resp.keyspace.events import STRING
from twisted_resp.resp import OK, Reply, Status
from twisted_resp.server.client import Client
from twisted_resp.values import hyperloglog

__all__ = ["GROUP"]

GROUP = "hyperloglog"

_NOT_ONE: Final = b"WRONGTYPE Key is not a valid HyperLogLog string value."
_CORRUPTED: Final = b"INVALIDOBJ Corrupted HLL object detected"


@command(
    "PFADD key [element [element ...]]",
    WRITE | DENYOOM | FAST,
    since="2.8.9",
    complexity="O(1) to add every element.",
    keys=["RW insert"],
)
def pfadd(client: Client, key: bytes, *elements: bytes) -> Reply:
    """Adds elements to a HyperLogLog key. Creates the key if it doesn't exist."""
    db = client.db
    limit = db.keyspace.limits.hll_sparse_max_bytes
    buffer = _edit(client, key)
    if buffer is None:
        buffer = hyperloglog.create()
        changed = hyperloglog.add(buffer, elements, limit)
        hyperloglog.invalidate(buffer)
        db.store(key, buffer, b"pfadd", STRING, dirty=1 + changed)
        return 1
    try:
        changed = hyperloglog.add(buffer, elements, limit)
    except ValueError:
        raise CommandError(_CORRUPTED) from None
    if changed:
        db.grown(key, b"pfadd", STRING, changed)
    return 1 if changed else 0


@command(
    "PFCOUNT key [key ...]",
    READONLY | MAY_REPLICATE,
    since="2.8.9",
    complexity="O(1) with a very small average constant time when called with a single key. O(N) with N "
    "being the number of keys, and much bigger constant times, when called with multiple keys.",
    keys=[
        "RW access # RW because it may change the internal representation of the key, "
        "and propagate to replicas"
    ],
)
def pfcount(client: Client, *keys: bytes) -> Reply:
    """Returns the approximated cardinality of the set(s) observed by the HyperLogLog key(s)."""
    try:
        if len(keys) > 1:
            return hyperloglog.count_union(_read_all(client, keys))
        for data in _read_all(client, keys):
            # The count is kept in the string itself, which Redis makes ready for that in any case.
            buffer = client.db.edit_buffer(keys[0])
            assert buffer is not None
            count = hyperloglog.cached_count(data)
            if count is None:
                count = hyperloglog.count(buffer)
                client.db.grown(keys[0], None, STRING)
            return count
    except ValueError:
        raise CommandError(_CORRUPTED) from None
    return 0


@command(
    "PFMERGE destkey [sourcekey [sourcekey ...]]",
    WRITE | DENYOOM,
    since="2.8.9",
    complexity="O(N) to merge N HyperLogLogs, but with high constant times.",
    keys=["RW access insert", "RO access"],
)
def pfmerge(client: Client, destkey: bytes, *sourcekeys: bytes) -> Reply:
    """Merges one or more HyperLogLog values into a single key."""
    db = client.db
    limit = db.keyspace.limits.hll_sparse_max_bytes
    db.read(destkey)  # it is one of the sources, and counts as such
    value = db.edit_string(destkey)
    if value is not None:
        _check(value)
    # A copy: where one of them turns out to be corrupt, the destination stays as it is.
    merged = hyperloglog.create() if value is None else bytearray(value)
    try:
        hyperloglog.merge(merged, _read_all(client, sourcekeys), limit)
    except ValueError:
        raise CommandError(_CORRUPTED) from None
    if value is None:
        db.store(destkey, merged, b"pfadd", STRING)
    else:
        db.replace(destkey, merged, b"pfadd", STRING)
    return OK


def _edit(client: Client, key: bytes) -> bytearray | None:
    """Look up a HyperLogLog in order to change it."""
    value = client.db.edit_string(key)
    if value is None:
        return None
    _check(value)
    return client.db.edit_buffer(key)


def _read_all(client: Client, keys: tuple[bytes, ...]) -> Iterator[bytes | bytearray]:
    """Look up HyperLogLogs one after another, without those that are not there."""
    for key in keys:
        data = client.db.read_buffer(key)
        if data is not None:
            _check(data)
            yield data


def _check(data: bytes | bytearray) -> None:
    try:
        hyperloglog.validate(data)
    except ValueError:
        raise CommandError(_NOT_ONE) from None


# --------------------------------------------------------------- debugging


@command(
    "PFDEBUG subcommand key",
    WRITE | DENYOOM | ADMIN,
    since="2.8.9",
    complexity="N/A",
    keys=["RW access"],
    system=True,
)
def pfdebug(client: Client, subcommand: bytes, key: bytes) -> Reply:
    """Internal commands for debugging HyperLogLog values."""
    buffer = _edit(client, key)
    if buffer is None:
        raise CommandError(b"ERR The specified key does not exist")
    name = subcommand.upper()
    try:
        if name == b"GETREG":
            _make_dense(client, key, buffer)
            return list(hyperloglog.registers(buffer))
        if name == b"DECODE":
            if hyperloglog.is_dense(buffer):
                raise CommandError(b"ERR HLL encoding is not sparse")
            return hyperloglog.describe_sparse(buffer)
        if name == b"ENCODING":
            return Status(b"dense" if hyperloglog.is_dense(buffer) else b"sparse")
        if name == b"TODENSE":
            return 1 if _make_dense(client, key, buffer) else 0
    except ValueError:
        raise CommandError(_CORRUPTED) from None
    raise CommandError(b"ERR Unknown PFDEBUG subcommand '%b'" % errors.shown(subcommand))


def _make_dense(client: Client, key: bytes, buffer: bytearray) -> bool:
    if hyperloglog.is_dense(buffer):
        return False
    hyperloglog.to_dense(buffer)
    client.db.grown(key, None, STRING)
    return True


@command("PFSELFTEST", ADMIN, since="2.8.9", complexity="N/A", system=True)
def pfselftest(client: Client) -> Reply:
    """An internal command for testing HyperLogLog values."""
    # Both encodings must count the same, and not be off by more than six times the standard error.
    limit = client.db.keyspace.limits.hll_sparse_max_bytes
    sparse, dense = hyperloglog.create(), hyperloglog.create()
    hyperloglog.to_dense(dense)
    seed = client.server.random.getrandbits(64)
    added = 0
    for total in (1, 10, 100, 1000, 10000):
        elements = [(number ^ seed).to_bytes(8, "little") for number in range(added, total)]
        hyperloglog.add(sparse, elements, limit)
        hyperloglog.add(dense, elements, limit)
        added = total
        if total < limit / 2 and total <= 100 and hyperloglog.is_dense(sparse):
            raise CommandError(b"ERR TESTFAILED sparse encoding not used")
        if hyperloglog.registers(sparse) != hyperloglog.registers(dense):
            raise CommandError(b"ERR TESTFAILED dense/sparse disagree")
        count = hyperloglog.count(dense)
        if abs(count - total) > max(1, 6 * 0.0081 * total):
            raise CommandError(
                b"ERR TESTFAILED Too big error. card:%d abserr:%d" % (total, abs(count - total))
            )
    return OK
