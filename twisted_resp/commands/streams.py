"""The stream group, entries: https://redis.io/docs/latest/commands/?group=stream

Waiting for entries is in `stream_reading.py`, consumer groups in `stream_groups.py` and `stream_claims.py`,
XINFO in `stream_info.py`. XADD is a hot path: with ``*`` for an id it does nothing but append.
"""

from __future__ import annotations

from typing import Final

from twisted_resp import errors
from twisted_resp.commands.stream_options import (
    count_argument,
    entries_reply,
    exact_trim,
    integer,
    parse_end,
    parse_ids,
    parse_options,
    parse_start,
    strict_id,
    strict_ids,
    trim_about,
    trim_stream,
)
from twisted_resp.commands.table import DENYOOM, FAST, READONLY, WRITE, command
from twisted_resp.errors import CommandError
from twisted_resp.keyspace.events import STREAM
from twisted_resp.resp import NULL_ARRAY, OK, Reply
from twisted_resp.server.client import Client
from twisted_resp.text.integers import parse_integer
from twisted_resp.values.stream import DELETED, NOT_FOUND, Stream
from twisted_resp.values.stream_id import MAX_ID, MIN_ID, NewId, StreamId

__all__ = ["GROUP"]

GROUP = "stream"

_EXHAUSTED: Final = b"ERR The stream has exhausted the last possible ID, unable to add more items"
_NOT_GREATER: Final = b"ERR The ID specified in XADD is equal or smaller than the target stream top item"
_TOO_LARGE: Final = b"ERR Elements are too large to be stored"


@command(
    "XADD key [NOMKSTREAM] [condition: KEEPREF | DELREF | ACKED] "
    "[trim: <MAXLEN | MINID> [= | ~] threshold [LIMIT count]] <* | id> field value [field value ...]",
    WRITE | DENYOOM | FAST,
    since="5.0.0",
    complexity="O(1) when adding a new entry, O(N) when trimming where N being the number of entries "
    "evicted.",
    keys=["RW update # UPDATE instead of INSERT because of the optional trimming feature"],
    argument_since={"nomkstream": "6.2.0", "condition": "8.2.0", "minid": "6.2.0", "count": "6.2.0"},
    tips=["nondeterministic_output"],
    history=[
        ("6.2.0", "Added the `NOMKSTREAM` option, `MINID` trimming strategy and the `LIMIT` option."),
        ("7.0.0", "Added support for the `<ms>-*` explicit ID form."),
        ("8.2.0", "Added the `KEEPREF`, `DELREF` and `ACKED` options."),
    ],
)
def xadd(client: Client, key: bytes, first: bytes, *rest: bytes) -> Reply:
    """Appends a new message to a stream. Creates the key if it doesn't exist."""
    # What clients send a million times is ``*``, and ``MAXLEN ~ n *``.
    most: int | None = None
    if first == b"*":
        fields = rest
    else:
        if first == b"MAXLEN" and len(rest) > 4 and rest[0] == b"~" and rest[2] == b"*":
            most = parse_integer(rest[1])
        if most is None or most < 0:
            return _add_with_options(client, key, (first, *rest))
        fields = rest[3:]
    if len(fields) & 1:
        raise errors.wrong_arity(b"xadd")
    db = client.db
    server = client.server
    now = server.keyspace.now
    stream = db.edit(key, Stream)
    if stream is None:
        stream = db.create(key, Stream)
    entry_id = (now, 0) if now > stream.last_id[0] else stream.next_id(now)
    if entry_id is None:
        raise CommandError(_EXHAUSTED)
    try:
        stream.append(entry_id, fields)
    except ValueError:
        raise CommandError(_TOO_LARGE) from None
    db.grown(key, b"xadd", STREAM)
    if most is not None and len(stream) > most and trim_about(stream, most, server.keyspace.limits):
        db.notify(key, b"xtrim", STREAM)
    text = b"%d-%d" % entry_id
    if server.effects.active:
        exact = () if most is None else (b"MAXLEN", b"=", b"%d" % len(stream))
        server.effects.replace(b"XADD", key, *exact, text, *fields)
    return text


def _add_with_options(client: Client, key: bytes, words: tuple[bytes, ...]) -> Reply:
    server = client.server
    create, trim, new_id, place = parse_options(words, server.keyspace.limits, True)
    fields = words[place + 1 :]
    if not fields or len(fields) & 1:
        raise errors.wrong_arity(b"xadd")
    if new_id is not None and new_id == (MIN_ID, True):
        raise CommandError(b"ERR The ID specified in XADD must be greater than 0-0")
    db = client.db
    stream = db.edit(key, Stream)
    if stream is None:
        if not create:
            return None
        stream = db.create(key, Stream)
    entry_id = _choose_id(stream, new_id, server.keyspace.now)
    try:
        stream.append(entry_id, fields)
    except ValueError:
        raise CommandError(_TOO_LARGE) from None
    db.grown(key, b"xadd", STREAM)
    if trim is not None and trim_stream(stream, trim):
        db.notify(key, b"xtrim", STREAM)
    text = b"%d-%d" % entry_id
    if server.effects.active:
        exact = [] if trim is None else exact_trim(stream, trim)
        server.effects.replace(b"XADD", key, *exact, text, *fields)
    return text


def _choose_id(stream: Stream, new_id: NewId | None, now: int) -> StreamId:
    last_id = stream.last_id
    if last_id == MAX_ID:
        raise CommandError(_EXHAUSTED)
    entry_id: StreamId | None
    if new_id is None:
        entry_id = stream.next_id(now)
    elif new_id.sequence_given:
        entry_id = new_id.id
    else:
        entry_id = stream.next_id_in(new_id.id[0])
    if entry_id is None or entry_id <= last_id:
        raise CommandError(_NOT_GREATER)
    return entry_id


@command("XLEN key", READONLY | FAST, since="5.0.0", complexity="O(1)", keys=["RO"])
def xlen(client: Client, key: bytes) -> Reply:
    """Return the number of messages in a stream."""
    stream = client.db.read_as(key, Stream)
    return 0 if stream is None else len(stream)


_RANGE_COMPLEXITY: Final = (
    "O(N) with N being the number of elements %s. If N is constant (e.g. always asking for the first 10 "
    "elements with COUNT), you can consider it O(1)."
)


@command(
    "XRANGE key start end [COUNT count]",
    READONLY,
    since="5.0.0",
    complexity=_RANGE_COMPLEXITY % "being returned",
    types={"start": "string", "end": "string"},
    history=[("6.2.0", "Added exclusive ranges.")],
)
def xrange_(client: Client, key: bytes, start: bytes, end: bytes, *options: bytes) -> Reply:
    """Returns the messages from a stream within a range of IDs."""
    return _range(client, key, start, end, options, False)


@command(
    "XREVRANGE key end start [COUNT count]",
    READONLY,
    since="5.0.0",
    complexity=_RANGE_COMPLEXITY % "returned",
    types={"start": "string", "end": "string"},
    history=[("6.2.0", "Added exclusive ranges.")],
)
def xrevrange(client: Client, key: bytes, end: bytes, start: bytes, *options: bytes) -> Reply:
    """Returns the messages from a stream within a range of IDs in reverse order."""
    return _range(client, key, start, end, options, True)


def _range(
    client: Client, key: bytes, start: bytes, end: bytes, options: tuple[bytes, ...], backwards: bool
) -> Reply:
    first = parse_start(start)
    last = parse_end(end)
    count = -1
    for place in range(0, len(options), 2):
        if options[place].upper() != b"COUNT" or place + 1 == len(options):
            raise CommandError(errors.SYNTAX)
        count = count_argument(options[place + 1])
    stream = client.db.read_as(key, Stream)
    if stream is None:
        return []
    if not count:
        return NULL_ARRAY
    found = stream.reverse_range if backwards else stream.range
    return entries_reply(found(first, last, max(count, 0)))


@command(
    "XDEL key id [id ...]",
    WRITE | FAST,
    since="5.0.0",
    complexity="O(1) for each single item to delete in the stream, regardless of the stream size.",
    keys=["RW delete"],
)
def xdel(client: Client, key: bytes, *ids: bytes) -> Reply:
    """Returns the number of messages after removing them from a stream."""
    db = client.db
    stream = db.edit(key, Stream)
    if stream is None:
        return 0
    deleted = sum(map(stream.delete, strict_ids(ids)))
    if deleted:
        db.grown(key, b"xdel", STREAM, deleted)
    return deleted


@command(
    "XDELEX key [condition: KEEPREF | DELREF | ACKED] IDS numids id [id ...]",
    WRITE | FAST,
    since="8.2.0",
    complexity="O(1) for each single item to delete in the stream, regardless of the stream size.",
    keys=["RW delete"],
)
def xdelex(client: Client, key: bytes, *words: bytes) -> Reply:
    """Deletes one or multiple entries from the stream."""
    policy, texts = parse_ids(words)
    db = client.db
    stream = db.edit(key, Stream)
    if stream is None:
        return [NOT_FOUND] * len(texts)
    ids = strict_ids(texts)
    references = sum(len(group.pending) for group in stream.groups.values())
    outcomes = [stream.delete_with_policy(entry_id, policy) for entry_id in ids]
    deleted = outcomes.count(DELETED)
    if deleted:
        db.grown(key, b"xdel", STREAM, deleted)
    elif references != sum(len(group.pending) for group in stream.groups.values()):
        # DELREF drops the references to entries that were gone already.
        client.server.keyspace.dirty += 1
    return outcomes


@command(
    "XTRIM key <trim: <MAXLEN | MINID> [= | ~] threshold [LIMIT count]> "
    "[condition: KEEPREF | DELREF | ACKED]",
    WRITE,
    since="5.0.0",
    complexity="O(N), with N being the number of evicted entries. Constant times are very small however, "
    "since entries are organized in macro nodes containing multiple entries that can be released with a "
    "single deallocation.",
    keys=["RW delete"],
    argument_since={"condition": "8.2.0", "minid": "6.2.0", "count": "6.2.0"},
    tips=["nondeterministic_output"],
    history=[
        ("6.2.0", "Added the `MINID` trimming strategy and the `LIMIT` option."),
        ("8.2.0", "Added the `KEEPREF`, `DELREF` and `ACKED` options."),
    ],
)
def xtrim(client: Client, key: bytes, *words: bytes) -> Reply:
    """Deletes messages from the beginning of a stream."""
    server = client.server
    trim = parse_options(words, server.keyspace.limits, False).trim
    assert trim is not None
    db = client.db
    stream = db.edit(key, Stream)
    if stream is None:
        return 0
    removed = trim_stream(stream, trim)
    if removed:
        db.grown(key, b"xtrim", STREAM, removed)
        if trim.approximate:
            server.effects.replace(b"XTRIM", key, *exact_trim(stream, trim))
    return removed


@command(
    "XSETID key last-id [ENTRIESADDED entries-added] [MAXDELETEDID max-deleted-id]",
    WRITE | DENYOOM | FAST,
    since="5.0.0",
    complexity="O(1)",
    argument_since={"entries-added": "7.0.0", "max-deleted-id": "7.0.0"},
    history=[("7.0.0", "Added the `entries_added` and `max_deleted_entry_id` arguments.")],
)
def xsetid(client: Client, key: bytes, last_id: bytes, *options: bytes) -> Reply:
    """An internal command for replicating stream values."""
    new_last = strict_id(last_id)
    entries_added = -1
    max_deleted = MIN_ID
    place = 0
    while place < len(options):
        word = options[place].upper()
        if place + 1 == len(options):
            raise CommandError(errors.SYNTAX)
        if word == b"ENTRIESADDED":
            entries_added = integer(options[place + 1])
            if entries_added < 0:
                raise CommandError(b"ERR entries_added must be positive")
        elif word == b"MAXDELETEDID":
            max_deleted = strict_id(options[place + 1])
            if new_last < max_deleted:
                raise CommandError(
                    b"ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id"
                )
        else:
            raise CommandError(errors.SYNTAX)
        place += 2
    db = client.db
    stream = db.edit(key, Stream)
    if stream is None:
        raise CommandError(errors.NO_SUCH_KEY)
    if new_last < stream.max_deleted_id:
        raise CommandError(b"ERR The ID specified in XSETID is smaller than current max_deleted_entry_id")
    if len(stream):
        if new_last < stream.last_entry_id:
            raise CommandError(b"ERR The ID specified in XSETID is smaller than the target stream top item")
        if -1 < entries_added < len(stream):
            raise CommandError(
                b"ERR The entries_added specified in XSETID is smaller than the target stream length"
            )
    stream.last_id = new_last
    if entries_added != -1:
        stream.entries_added = entries_added
    if max_deleted != MIN_ID:
        stream.max_deleted_id = max_deleted
    # It counts as a change, and yet nobody who watches the key is told.
    db.keyspace.dirty += 1
    db.notify(key, b"xsetid", STREAM)
    return OK
