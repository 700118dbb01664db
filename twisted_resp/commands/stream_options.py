"""What stream commands read alike: ids, ends of ranges, trimming, what deletion does to references."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from twisted_resp import errors
from twisted_resp.errors import CommandError
from twisted_resp.resp import Reply
from twisted_resp.text.integers import UINT64_MAX, parse_integer
from twisted_resp.values.limits import Limits
from twisted_resp.values.stream import ACKED, DELREF, KEEPREF, Entry, Stream
from twisted_resp.values.stream_id import (
    MAX_ID,
    MIN_ID,
    NewId,
    StreamId,
    format_id,
    id_after,
    id_before,
    parse_bound,
    parse_id,
    parse_new_id,
    parse_strict_id,
)

__all__ = [
    "INVALID_ID",
    "Options",
    "Trim",
    "any_id",
    "count_argument",
    "entries_reply",
    "entry_reply",
    "exact_trim",
    "integer",
    "parse_end",
    "parse_ids",
    "parse_options",
    "parse_start",
    "strict_id",
    "strict_ids",
    "trim_about",
    "trim_stream",
]

INVALID_ID: Final = b"ERR Invalid stream ID specified as stream command argument"
_TWO_STRATEGIES: Final = b"ERR syntax error, MAXLEN and MINID options at the same time are not compatible"

#: The words that choose what deletion does with references in consumer groups.
POLICIES: Final = {b"KEEPREF": KEEPREF, b"DELREF": DELREF, b"ACKED": ACKED}
_LIMIT_IS_FOR_APPROXIMATE: Final = b"ERR syntax error, LIMIT cannot be used without the special ~ option"
_POLICY_WORDS: Final[dict[int, list[bytes]]] = {KEEPREF: [], DELREF: [b"DELREF"], ACKED: [b"ACKED"]}

# With ``~`` and no LIMIT, trimming looks at a hundred nodes at most; between these bounds.
_LIMIT_NODES: Final = 100
_LIMIT_DEFAULT: Final = 10_000
_LIMIT_MAX: Final = 1_000_000


# -- arguments


def integer(data: bytes) -> int:
    """Read an integer.

    :raises CommandError: it is none.
    """
    value = parse_integer(data)
    if value is None:
        raise CommandError(errors.NOT_AN_INTEGER)
    return value


def count_argument(data: bytes) -> int:
    """Read the argument of COUNT; negative counts are 0.

    :raises CommandError: it is no integer.
    """
    return max(integer(data), 0)


def strict_id(data: bytes) -> StreamId:
    """Read an id, neither ``-`` nor ``+``; without a sequence it means the first of that millisecond.

    :raises CommandError: it is none.
    """
    entry_id = parse_strict_id(data)
    if entry_id is None:
        raise CommandError(INVALID_ID)
    return entry_id


def any_id(data: bytes) -> StreamId:
    """Read an id as `strict_id` does, or ``-`` and ``+`` for the least and the greatest.

    :raises CommandError: it is none.
    """
    entry_id = parse_id(data)
    if entry_id is None:
        raise CommandError(INVALID_ID)
    return entry_id


def strict_ids(words: Sequence[bytes]) -> list[StreamId]:
    """Read all the ids, before any of them is acted upon.

    :raises CommandError: one of them is none.
    """
    return [strict_id(word) for word in words]


def parse_start(data: bytes) -> StreamId:
    """Read the start of a range; answers the first id that is in it.

    :raises CommandError: it is none, or nothing comes after it.
    """
    bound = parse_bound(data)
    if bound is None:
        raise CommandError(INVALID_ID)
    if not bound.exclusive:
        return bound.id
    entry_id = id_after(bound.id)
    if entry_id is None:
        raise CommandError(b"ERR invalid start ID for the interval")
    return entry_id


def parse_end(data: bytes) -> StreamId:
    """Read the end of a range; answers the last id that is in it.

    :raises CommandError: it is none, or nothing comes before it.
    """
    bound = parse_bound(data, UINT64_MAX)
    if bound is None:
        raise CommandError(INVALID_ID)
    if not bound.exclusive:
        return bound.id
    entry_id = id_before(bound.id)
    if entry_id is None:
        raise CommandError(b"ERR invalid end ID for the interval")
    return entry_id


def parse_ids(words: tuple[bytes, ...]) -> tuple[int, list[bytes]]:
    """Read ``[KEEPREF | DELREF | ACKED] IDS numids id [id ...]``, in any order; answers policy and ids.

    :raises CommandError: it is not like that.
    """
    policy: int | None = None
    ids: list[bytes] | None = None
    place = 0
    while place < len(words):
        word = words[place].upper()
        if word in POLICIES and policy is None:
            policy = POLICIES[word]
            place += 1
        elif word == b"IDS" and place + 1 < len(words):
            count = parse_integer(words[place + 1])
            if count is None or count < 1:
                raise CommandError(b"ERR Number of IDs must be a positive integer")
            place += 2
            if count > len(words) - place:
                raise CommandError(b"ERR The `numids` parameter must match the number of arguments")
            ids = list(words[place : place + count])
            place += count
        else:
            raise CommandError(errors.SYNTAX)
    if ids is None:
        raise CommandError(b"ERR IDS option is required")
    return (KEEPREF if policy is None else policy), ids


# -- trimming


class Trim(NamedTuple):
    """How XADD and XTRIM are to trim.

    :ivar length: how many entries are to be left (MAXLEN), or None.
    :ivar before: the id that entries have to reach (MINID) where ``length`` is None.
    :ivar limit: the most entries to remove, 0 for any number.
    """

    length: int | None
    before: StreamId
    approximate: bool
    limit: int
    policy: int


class Options(NamedTuple):
    """What stands after the key of XADD or XTRIM, up to XADD's fields.

    :ivar create: whether XADD may create the stream.
    :ivar new_id: the id that XADD asks for, None for ``*``.
    :ivar end: where that id stands.
    """

    create: bool
    trim: Trim | None
    new_id: NewId | None
    end: int


def parse_options(words: tuple[bytes, ...], limits: Limits, adding: bool) -> Options:
    """Read the options of XADD (``adding``) or XTRIM.

    :raises CommandError: as Redis says it, in its order.
    """
    create = True
    strategy = b""
    length: int | None = None
    before = MIN_ID
    approximate = False
    limit: int | None = None
    policy: int | None = None
    new_id: NewId | None = None
    place = 0
    last = len(words) - 1
    while place <= last:
        word = words[place].upper()
        if word == b"*" and adding:
            break
        if word in (b"MAXLEN", b"MINID") and place < last:
            if strategy:
                raise CommandError(_TWO_STRATEGIES)
            strategy = word
            place += 1
            if place < last and words[place] in (b"~", b"="):
                approximate = words[place] == b"~"
                place += 1
            if strategy == b"MINID":
                before = strict_id(words[place])
            else:
                length = integer(words[place])
                if length < 0:
                    raise CommandError(b"ERR The MAXLEN argument must be >= 0.")
        elif word == b"LIMIT" and place < last:
            place += 1
            limit = integer(words[place])
            if limit < 0:
                raise CommandError(b"ERR The LIMIT argument must be >= 0.")
        elif word == b"NOMKSTREAM" and adding:
            create = False
        elif word in POLICIES and policy is None:
            policy = POLICIES[word]
        elif adding:
            new_id = parse_new_id(words[place])
            if new_id is None:
                raise CommandError(INVALID_ID)
            break
        else:
            raise CommandError(errors.SYNTAX)
        place += 1
    if not strategy:
        if limit:
            raise CommandError(
                b"ERR syntax error, LIMIT cannot be used without specifying a trimming strategy"
            )
        if not adding:
            raise CommandError(b"ERR syntax error, XTRIM must be called with a trimming strategy")
        if limit is not None:  # LIMIT 0
            raise CommandError(_LIMIT_IS_FOR_APPROXIMATE)
        return Options(create, None, new_id, place)
    if limit is None:
        limit = _usual_limit(limits) if approximate else 0
    elif not approximate:
        raise CommandError(_LIMIT_IS_FOR_APPROXIMATE)
    return Options(create, Trim(length, before, approximate, limit, policy or KEEPREF), new_id, place)


def _usual_limit(limits: Limits) -> int:
    limit = _LIMIT_NODES * limits.stream_node_max_entries
    return min(limit, _LIMIT_MAX) if limit > 0 else _LIMIT_DEFAULT


def trim_stream(stream: Stream, trim: Trim) -> int:
    """Trim, and answer how many entries that removed."""
    _, before, approximate, limit, policy = trim
    if trim.length is None:
        return stream.trim_before(before, approximate=approximate, limit=limit, policy=policy)
    return stream.trim_to_length(trim.length, approximate=approximate, limit=limit, policy=policy)


def trim_about(stream: Stream, length: int, limits: Limits) -> int:
    """Trim to roughly ``length`` entries (``MAXLEN ~``), and answer how many that removed."""
    return stream.trim_to_length(length, approximate=True, limit=_usual_limit(limits))


def exact_trim(stream: Stream, trim: Trim) -> list[bytes]:
    """Answer the options that remove the same entries elsewhere that ``trim`` has just removed here.

    Elsewhere nodes may end at other entries, so that ``~`` would not.
    """
    words: list[bytes]
    if not trim.approximate:
        if trim.length is None:
            words = [b"MINID", b"=", format_id(trim.before)]
        else:
            words = [b"MAXLEN", b"=", b"%d" % trim.length]
    elif trim.length is None and trim.policy != ACKED:
        words = [b"MINID", b"=", format_id(stream.first_id if len(stream) else MAX_ID)]
    else:
        # ACKED spares entries at the front; what counts there is how many of the others are gone.
        words = [b"MAXLEN", b"=", b"%d" % len(stream)]
    return words + _POLICY_WORDS[trim.policy]


# -- replies


def entry_reply(entry: Entry) -> Reply:
    """One entry as clients see it: its id, and its fields and values in turn."""
    return [format_id(entry[0]), entry[1]]


def entries_reply(entries: list[Entry]) -> list[Reply]:
    """Entries as XRANGE and its kin answer them."""
    return [[b"%d-%d" % entry_id, fields] for entry_id, fields in entries]
