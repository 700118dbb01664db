"""The sorted set group, members: https://redis.io/docs/latest/commands/?group=sorted-set

ZADD and ZPOPMIN of one member are the hot path. Ranges are in `sorted_set_ranges`, unions and the like in
`sorted_set_algebra`, what waits in `blocking_sorted_sets`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, cast

from twisted_resp import errors
from twisted_resp.commands.numbers import at_least, draws, integer
from twisted_resp.commands.scanning import parse_cursor, parse_scan_options
from twisted_resp.commands.table import DENYOOM, FAST, READONLY, WRITE, command, in_columns
from twisted_resp.errors import CommandError
from twisted_resp.keyspace.columns import edit_alike
from twisted_resp.keyspace.events import ZSET
from twisted_resp.resp import NULL_ARRAY, Reply
from twisted_resp.server.client import Client
from twisted_resp.text.floats import format_double, format_double_17g, parse_double
from twisted_resp.text.integers import INT64_MAX
from twisted_resp.values.sorted_set import ADDED, GT, INCR, LT, NX, SKIPPED, UPDATED, XX, SortedSet

__all__ = ["number", "pairs_reply", "parse_pop", "pop_first", "pop_one", "zadd"]

GROUP = "sorted-set"

_SEVERAL: Final = ("2.4.0", "Accepts multiple elements.")
_POPPED: Final = (
    "O(log(N)*M) with N being the number of elements in the sorted set, and M being the number of elements "
    "popped."
)
_AT_RANDOM: Final = ["nondeterministic_output"]
_WITH_SCORE: Final = [("7.2.0", "Added the optional `WITHSCORE` argument.")]

_CHANGED: Final = 32
_FLAGS: Final = {b"NX": NX, b"XX": XX, b"GT": GT, b"LT": LT, b"INCR": INCR, b"CH": _CHANGED}

_NX_AND_XX: Final = b"ERR XX and NX options at the same time are not compatible"
_GT_LT_NX: Final = b"ERR GT, LT, and/or NX options at the same time are not compatible"
_ONE_INCREMENT: Final = b"ERR INCR option supports a single increment-element pair"
_NOT_A_NUMBER: Final = b"ERR resulting score is not a number (NaN)"


def number(argument: bytes, error: bytes = errors.NOT_A_FLOAT) -> float:
    """A double, as scores and weights are.

    :raises CommandError: ``error``.
    """
    value = parse_double(argument)
    if value is None:
        raise CommandError(error)
    return value


def pairs_reply(client: Client, pairs: Iterable[tuple[bytes, float]]) -> list[Reply]:
    """Members with their scores: an array of pairs in RESP3, a flat one in RESP2."""
    if client.protocol == 3:
        return list(map(list, pairs))
    return [word for pair in pairs for word in pair]


# --------------------------------------------------------------------------------------------- additions


@command(
    "ZADD key [NX | XX] [GT | LT] [CH] [increment: INCR] score member [score member ...]",
    WRITE | DENYOOM | FAST,
    since="1.2.0",
    complexity="O(log(N)) for each item added, where N is the number of elements in the sorted set.",
    argument_since={
        "condition": "3.0.2",
        "comparison": "6.2.0",
        "change": "3.0.2",
        "increment": "3.0.2",
    },
    history=[
        _SEVERAL,
        ("3.0.2", "Added the `XX`, `NX`, `CH` and `INCR` options."),
        ("6.2.0", "Added the `GT` and `LT` options."),
    ],
)
def zadd(client: Client, key: bytes, *words: bytes) -> Reply:
    """Adds one or more members to a sorted set, or updates their scores.
    Creates the key if it doesn't exist.
    """
    if len(words) > 2:
        return _add_many(client, key, words)
    word, member = words
    score = parse_double(word)
    if score is None:
        raise CommandError(errors.SYNTAX if word.upper() in _FLAGS else errors.NOT_A_FLOAT)
    db = client.db
    value = db.edit(key, SortedSet)
    if value is None:
        value = db.create(key, SortedSet)
    elif value.encoding == b"listpack" and not db.keyspace.limits.zset_max_listpack_entries:
        value.expect(1)
    done, _ = value.put(member, score)
    if done >= UPDATED:
        db.grown(key, b"zadd", ZSET)
    return 1 if done == ADDED else 0


@in_columns(zadd, 4)
def _zadd_in_columns(
    client: Client, keys: list[bytes], words: list[bytes], members: list[bytes]
) -> Sequence[Reply]:
    db = client.db
    scores = list(map(parse_double, words))
    if None in scores:
        return ()
    alike, value = edit_alike(db, keys, SortedSet)
    if not alike or value is None or value.encoding == b"listpack":
        return ()
    done = [value.put(member, score)[0] for member, score in zip(members, cast("list[float]", scores))]
    db.grown(keys[0], b"zadd", ZSET, sum(one >= UPDATED for one in done))
    return [1 if one == ADDED else 0 for one in done]


def _add_many(client: Client, key: bytes, words: Sequence[bytes]) -> Reply:
    flags = 0
    start = 0
    for word in words:
        flag = _FLAGS.get(word.upper())
        if flag is None:
            break
        flags |= flag
        start += 1
    count, odd = divmod(len(words) - start, 2)
    if odd or not count:
        raise CommandError(errors.SYNTAX)
    if flags & NX and flags & XX:
        raise CommandError(_NX_AND_XX)
    if bool(flags & NX) + bool(flags & GT) + bool(flags & LT) > 1:
        raise CommandError(_GT_LT_NX)
    if flags & INCR and count > 1:
        raise CommandError(_ONE_INCREMENT)
    scores = [number(word) for word in words[start::2]]
    members = words[start + 1 :: 2]
    if flags & INCR:
        return _increment(client, key, scores[0], members[0], flags & ~_CHANGED)
    db = client.db
    value = db.edit(key, SortedSet)
    if value is None:
        if flags & XX:
            return 0
        value = db.create(key, SortedSet)
        value.expect(count, len(members[0]))
    else:
        value.expect(count)
    put = value.put
    conditions = flags & ~_CHANGED
    done = [put(member, score, conditions)[0] for member, score in zip(members, scores)]
    added = done.count(ADDED)
    changed = added + done.count(UPDATED)
    if changed:
        db.grown(key, b"zadd", ZSET, changed)
    return changed if flags & _CHANGED else added


def _increment(client: Client, key: bytes, increment: float, member: bytes, flags: int) -> float | None:
    db = client.db
    value = db.edit(key, SortedSet)
    if value is None:
        if flags & XX:
            return None
        value = db.create(key, SortedSet)
        value.expect(1, len(member))
    else:
        value.expect(1)
    try:
        done, score = value.put(member, increment, flags)
    except ValueError:
        raise CommandError(_NOT_A_NUMBER) from None
    if done == SKIPPED:
        return None
    if done >= UPDATED:
        db.grown(key, b"zincr", ZSET)
    return score


@command(
    "ZINCRBY key increment member",
    WRITE | DENYOOM | FAST,
    since="1.2.0",
    complexity="O(log(N)) where N is the number of elements in the sorted set.",
    keys=["RW access update"],
)
def zincrby(client: Client, key: bytes, increment: bytes, member: bytes) -> Reply:
    """Increments the score of a member in a sorted set."""
    return _increment(client, key, number(increment), member, INCR)


# --------------------------------------------------------------------------------------------- removals


@command(
    "ZREM key member [member ...]",
    WRITE | FAST,
    since="1.2.0",
    complexity="O(M*log(N)) with N being the number of elements in the sorted set and M the number of "
    "elements to be removed.",
    keys=["RW delete"],
    history=[_SEVERAL],
)
def zrem(client: Client, key: bytes, *members: bytes) -> Reply:
    """Removes one or more members from a sorted set. Deletes the sorted set if all members were removed."""
    db = client.db
    value = db.edit(key, SortedSet)
    if value is None:
        return 0
    removed = sum(map(value.remove, members))
    if removed:
        db.edited(key, b"zrem", ZSET, removed)
    return removed


@command(
    "ZPOPMIN key [count]",
    WRITE | FAST,
    since="5.0.0",
    complexity=_POPPED,
    keys=["RW access delete"],
)
def zpopmin(client: Client, key: bytes, *count: bytes) -> Reply:
    """Returns the lowest-scoring members from a sorted set after removing them.
    Deletes the sorted set if the last member was popped.
    """
    if count:
        return _pop_count(client, key, count, True)
    db = client.db
    value = db.edit(key, SortedSet)
    if value is None:
        return []
    pair = value.pop_min()
    db.edited(key, b"zpopmin", ZSET)
    return list(pair)


@in_columns(zpopmin, 2)
def _zpopmin_in_columns(client: Client, keys: list[bytes]) -> Sequence[Reply]:
    alike, value = edit_alike(client.db, keys, SortedSet)
    if not alike:
        return ()
    if value is None:
        return [[] for _ in keys]
    popped = list(map(list, value.remove_range_by_rank(0, len(keys) - 1)))
    client.db.edited(keys[0], b"zpopmin", ZSET, len(popped))
    return popped + [[] for _ in range(len(keys) - len(popped))]


@command(
    "ZPOPMAX key [count]",
    WRITE | FAST,
    since="5.0.0",
    complexity=_POPPED,
    keys=["RW access delete"],
)
def zpopmax(client: Client, key: bytes, *count: bytes) -> Reply:
    """Returns the highest-scoring members from a sorted set after removing them.
    Deletes the sorted set if the last member was popped.
    """
    if count:
        return _pop_count(client, key, count, False)
    value = client.db.edit(key, SortedSet)
    return [] if value is None else list(pop_one(client, key, value, False))


def _pop_count(client: Client, key: bytes, arguments: Sequence[bytes], lowest: bool) -> Reply:
    if len(arguments) > 1:
        raise CommandError(errors.SYNTAX)
    count = at_least(0, arguments[0])
    value = client.db.edit(key, SortedSet)
    if value is None or not count:
        return []
    return pairs_reply(client, _pop_some(client, key, value, count, lowest))


def pop_one(client: Client, key: bytes, value: SortedSet, lowest: bool) -> tuple[bytes, float]:
    """Take the first or the last member of the sorted set at a key, with its score."""
    pair = value.pop_min() if lowest else value.pop_max()
    client.db.edited(key, b"zpopmin" if lowest else b"zpopmax", ZSET)
    return pair


def _pop_some(
    client: Client, key: bytes, value: SortedSet, count: int, lowest: bool
) -> list[tuple[bytes, float]]:
    if lowest:
        popped = value.remove_range_by_rank(0, count - 1)
    else:
        popped = value.remove_range_by_rank(-count, -1)
        popped.reverse()
    client.db.edited(key, b"zpopmin" if lowest else b"zpopmax", ZSET, len(popped))
    return popped


@command(
    "ZMPOP numkeys key [key ...] <MIN | MAX> [COUNT count]",
    WRITE,
    since="7.0.0",
    complexity="O(K) + O(M*log(N)) where K is the number of provided keys, N being the number of elements in "
    "the sorted set, and M being the number of elements popped.",
    keys=["RW access delete"],
)
def zmpop(client: Client, numkeys: bytes, *rest: bytes) -> Reply:
    """Returns the highest- or lowest-scoring members from one or more sorted sets after removing them.
    Deletes the sorted set if the last member was popped.
    """
    keys, lowest, count = parse_pop(numkeys, rest)
    reply = pop_first(client, keys, lowest, count)
    return NULL_ARRAY if reply is None else reply


def parse_pop(numkeys: bytes, rest: Sequence[bytes]) -> tuple[Sequence[bytes], bool, int]:
    """Read what ZMPOP and BZMPOP share: the keys, whether the lowest members are asked for, and the count.

    :raises CommandError: a wrong number or a syntax error.
    """
    keys = at_least(1, numkeys, errors.NUMKEYS_NOT_POSITIVE)
    if keys >= len(rest):
        raise CommandError(errors.SYNTAX)
    where = rest[keys].upper()
    if where not in (b"MIN", b"MAX"):
        raise CommandError(errors.SYNTAX)
    options = rest[keys + 1 :]
    count = 1
    if options:
        if options[0].upper() != b"COUNT" or len(options) == 1:
            raise CommandError(errors.SYNTAX)
        count = at_least(1, options[1], errors.COUNT_NOT_POSITIVE)
        if len(options) > 2:
            raise CommandError(errors.SYNTAX)
    return rest[:keys], where == b"MIN", count


def pop_first(client: Client, keys: Sequence[bytes], lowest: bool, count: int) -> list[Reply] | None:
    """Pop from the first of the keys that is there: the key and pairs of member and score; else None.

    :raises CommandError: WRONGTYPE, for the first key that is there.
    """
    for key in keys:
        value = client.db.edit(key, SortedSet)
        if value is not None:
            popped = _pop_some(client, key, value, count, lowest)
            client.server.effects.replace(b"ZPOPMIN" if lowest else b"ZPOPMAX", key, b"%d" % len(popped))
            return [key, list(map(list, popped))]
    return None


# ------------------------------------------------------------------------------------------------- looks


@command("ZCARD key", READONLY | FAST, since="1.2.0", complexity="O(1)", keys=["RO"])
def zcard(client: Client, key: bytes) -> Reply:
    """Returns the number of members in a sorted set."""
    value = client.db.read_as(key, SortedSet)
    return 0 if value is None else len(value)


@command("ZSCORE key member", READONLY | FAST, since="1.2.0", complexity="O(1)")
def zscore(client: Client, key: bytes, member: bytes) -> Reply:
    """Returns the score of a member in a sorted set."""
    value = client.db.read_as(key, SortedSet)
    return None if value is None else value.score(member)


@command(
    "ZMSCORE key member [member ...]",
    READONLY | FAST,
    since="6.2.0",
    complexity="O(N) where N is the number of members being requested.",
)
def zmscore(client: Client, key: bytes, *members: bytes) -> Reply:
    """Returns the score of one or more members in a sorted set."""
    value = client.db.read_as(key, SortedSet)
    return [None] * len(members) if value is None else list(map(value.scores.get, members))


@command(
    "ZRANK key member [WITHSCORE]",
    READONLY | FAST,
    since="2.0.0",
    complexity="O(log(N))",
    history=_WITH_SCORE,
)
def zrank(client: Client, key: bytes, member: bytes, *options: bytes) -> Reply:
    """Returns the index of a member in a sorted set ordered by ascending scores."""
    return _rank(client, key, member, options, False)


@command(
    "ZREVRANK key member [WITHSCORE]",
    READONLY | FAST,
    since="2.0.0",
    complexity="O(log(N))",
    history=_WITH_SCORE,
)
def zrevrank(client: Client, key: bytes, member: bytes, *options: bytes) -> Reply:
    """Returns the index of a member in a sorted set ordered by descending scores."""
    return _rank(client, key, member, options, True)


def _rank(client: Client, key: bytes, member: bytes, options: Sequence[bytes], reverse: bool) -> Reply:
    if options:
        if len(options) > 1:
            raise errors.wrong_arity(b"zrevrank" if reverse else b"zrank")
        if options[0].upper() != b"WITHSCORE":
            raise CommandError(errors.SYNTAX)
    value = client.db.read_as(key, SortedSet)
    rank = None if value is None else value.rank(member, reverse=reverse)
    if not options:
        return rank
    return NULL_ARRAY if value is None or rank is None else [rank, value.score(member)]


# -------------------------------------------------------------------------------------- draws and scans


@command(
    "ZRANDMEMBER key [options: count [WITHSCORES]]",
    READONLY,
    since="6.2.0",
    complexity="O(N) where N is the number of members returned",
    tips=_AT_RANDOM,
    arity=-2,
)
def zrandmember(client: Client, key: bytes, *options: bytes) -> Reply:
    """Returns one or more random members from a sorted set."""
    random = client.server.random
    if not options:
        value = client.db.read_as(key, SortedSet)
        return None if value is None else value.random_pair(random)[0]
    count = integer(options[0])
    if count < -INT64_MAX:
        raise errors.not_between(-INT64_MAX, INT64_MAX)
    with_scores = len(options) > 1
    if with_scores:
        if len(options) > 2 or options[1].upper() != b"WITHSCORES":
            raise CommandError(errors.SYNTAX)
        if abs(count) > INT64_MAX // 2:
            raise CommandError(errors.OUT_OF_RANGE)
    value = client.db.read_as(key, SortedSet)
    if value is None:
        return []
    pairs = value.random_pairs(random, draws(client, abs(count)), repeat=count < 0)
    return pairs_reply(client, pairs) if with_scores else [member for member, _ in pairs]


@command(
    "ZSCAN key cursor [MATCH pattern] [COUNT count]",
    READONLY,
    since="2.8.0",
    complexity="O(1) for every call. O(N) for a complete iteration, including enough command calls for the "
    "cursor to return back to 0. N is the number of elements inside the collection.",
    tips=_AT_RANDOM,
)
def zscan(client: Client, key: bytes, cursor: bytes, *options: bytes) -> Reply:
    """Iterates over members and scores of a sorted set."""
    start = parse_cursor(cursor)
    value = client.db.read_as(key, SortedSet)
    if value is None:
        return [b"0", []]
    asked = parse_scan_options(options)
    following, pairs = value.scan(start, asked.count)
    if asked.matches is not None:
        matches = asked.matches
        pairs = [pair for pair in pairs if matches(pair[0])]
    # Redis keeps the scores of a listpack as text, and prints those of a skip list otherwise.
    shown = format_double if value.encoding == b"listpack" else format_double_17g
    return [b"%d" % following, [word for member, score in pairs for word in (member, shown(score))]]
