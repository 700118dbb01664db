"""The sorted set group, what is made of several: ZUNION, ZINTER, ZDIFF, their STORE forms, and ZINTERCARD.

Plain sets may be among the inputs; their members have the score 1. See
https://redis.io/docs/latest/commands/zunionstore/
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, Union

from twisted_resp import errors
from twisted_resp.commands.numbers import at_least, integer
from twisted_resp.commands.sorted_sets import number, pairs_reply
from twisted_resp.commands.table import DENYOOM, READONLY, WRITE, command
from twisted_resp.errors import WRONG_TYPE, CommandError
from twisted_resp.keyspace.events import ZSET
from twisted_resp.resp import Reply
from twisted_resp.server.client import Client
from twisted_resp.values.score_order import Pair, in_order
from twisted_resp.values.set import Set
from twisted_resp.values.sorted_set import SortedSet

__all__ = ["GROUP"]

GROUP = "sorted-set"

_UNION: Final = (
    "O(N)+O(M*log(M)) with N being the sum of the sizes of the input sorted sets, and M being the number of "
    "elements in the resulting sorted set."
)
_UNION_STORE: Final = (
    "O(N)+O(M log(M)) with N being the sum of the sizes of the input sorted sets, and M being the number of "
    "elements in the resulting sorted set."
)
_INTERSECTION: Final = (
    "O(N*K)+O(M*log(M)) worst case with N being the smallest input sorted set, K being the number of input "
    "sorted sets and M being the number of elements in the resulting sorted set."
)
_DIFFERENCE: Final = (
    "O(L + (N-K)log(N)) worst case where L is the total number of elements in all the sets, N is the size of "
    "the first set, and K is the size of the result set."
)
_STORING: Final = ["OW update", "RO access"]

_WEIGHT_NOT_A_FLOAT: Final = b"ERR weight value is not a float"

_Value = Union[SortedSet, Set]
_Aggregate = Callable[[float, float], float]


# ------------------------------------------------------------------------------------------- aggregation


def _sum(left: float, right: float) -> float:
    total = left + right
    # Infinities of both signs cancel each other out.
    return total if total == total else 0.0


def _least(left: float, right: float) -> float:
    return right if right < left else left


def _greatest(left: float, right: float) -> float:
    return right if right > left else left


_AGGREGATES: Final[dict[bytes, _Aggregate]] = {b"SUM": _sum, b"MIN": _least, b"MAX": _greatest}


def _number_or_zero(score: float) -> float:
    # Infinity times zero is not a number.
    return score if score == score else 0.0


# -------------------------------------------------------------------------------------------- arguments


class _Asked:
    """What ZUNION and its kin were asked for: the inputs with their weights, and what to do with them.

    ``inputs`` has None for a key that is not there.
    """

    __slots__ = ("aggregate", "inputs", "limit", "weights", "with_scores")

    def __init__(
        self,
        client: Client,
        name: bytes,
        numkeys: bytes,
        words: Sequence[bytes],
        *,
        weighted: bool = True,
        counting: bool = False,
        storing: bool = False,
    ) -> None:
        """Look the inputs up and read the options.

        :param weighted: whether WEIGHTS and AGGREGATE are allowed, ``counting``: LIMIT; ``storing`` and
            counting: not WITHSCORES.
        :raises CommandError: what is wrong, the types of the inputs before the options.
        """
        number_of_keys = integer(numkeys)
        if number_of_keys < 1:
            raise CommandError(b"ERR at least 1 input key is needed for '%b' command" % name)
        if number_of_keys > len(words):
            raise CommandError(errors.SYNTAX)
        self.inputs = [_read(client, key) for key in words[:number_of_keys]]
        self.weights = [1.0] * number_of_keys
        self.aggregate: _Aggregate = _sum
        self.with_scores = False
        self.limit = 0
        place = number_of_keys
        while place < len(words):
            word = words[place].upper()
            place += 1
            left = len(words) - place
            if word == b"WEIGHTS" and weighted and left >= number_of_keys:
                weights = words[place : place + number_of_keys]
                self.weights = [number(weight, _WEIGHT_NOT_A_FLOAT) for weight in weights]
                place += number_of_keys
            elif word == b"AGGREGATE" and weighted and left:
                aggregate = _AGGREGATES.get(words[place].upper())
                if aggregate is None:
                    raise CommandError(errors.SYNTAX)
                self.aggregate = aggregate
                place += 1
            elif word == b"WITHSCORES" and not storing and not counting:
                self.with_scores = True
            elif word == b"LIMIT" and counting and left:
                self.limit = at_least(0, words[place], errors.NEGATIVE_LIMIT)
                place += 1
            else:
                raise CommandError(errors.SYNTAX)

    def smallest_first(self) -> list[tuple[_Value, float]]:
        """The inputs that are there and their weights, by size.

        The order is Redis'; the last digits of a sum depend on it.
        """
        there = [(value, weight) for value, weight in zip(self.inputs, self.weights) if value is not None]
        there.sort(key=_size_of)
        return there

    def reply(self, client: Client, scores: dict[bytes, float]) -> Reply:
        pairs = in_order(scores.items())
        return pairs_reply(client, pairs) if self.with_scores else [member for member, _ in pairs]


def _read(client: Client, key: bytes) -> _Value | None:
    value = client.db.read(key)
    if value is None or isinstance(value, (SortedSet, Set)):
        return value
    raise CommandError(WRONG_TYPE)


def _size_of(weighted: tuple[_Value, float]) -> int:
    return len(weighted[0])


def _pairs(value: _Value) -> Iterable[Pair]:
    if isinstance(value, SortedSet):
        return value.scores.items()
    return [(member, 1.0) for member in value]


def _lookup(value: _Value) -> Callable[[bytes], float | None]:
    if isinstance(value, SortedSet):
        return value.scores.get
    return lambda member: 1.0 if member in value else None


# ------------------------------------------------------------------------------------------- the algebra


def _union(asked: _Asked) -> dict[bytes, float]:
    union: dict[bytes, float] = {}
    aggregate = asked.aggregate
    for value, weight in asked.smallest_first():
        pairs = _pairs(value)
        if weight == 1.0 and not union:
            union.update(pairs)
            continue
        known = union.get
        for member, score in pairs:
            score = _number_or_zero(score * weight)
            before = known(member)
            union[member] = score if before is None else aggregate(before, score)
    return union


def _intersection(asked: _Asked) -> dict[bytes, float]:
    inputs = asked.smallest_first()
    if len(inputs) < len(asked.inputs):
        return {}
    (smallest, own_weight), *others = inputs
    aggregate = asked.aggregate
    lookups = [(_lookup(value), weight) for value, weight in others]
    intersection: dict[bytes, float] = {}
    for member, own_score in _pairs(smallest):
        total = _number_or_zero(own_weight * own_score)
        for lookup, weight in lookups:
            score = lookup(member)
            if score is None:
                break
            total = aggregate(total, score * weight)
        else:
            intersection[member] = total
    return intersection


def _difference(asked: _Asked) -> dict[bytes, float]:
    first, *others = asked.inputs
    if first is None or first in others:
        return {}
    rest = dict(_pairs(first))
    for other in others:
        if other is None:
            continue
        if len(other) < len(rest):
            for member, _ in _pairs(other):
                rest.pop(member, None)
        else:
            rest = {member: score for member, score in rest.items() if member not in other}
    return rest


@command(
    "ZUNION numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | MAX>] [WITHSCORES]",
    READONLY,
    since="6.2.0",
    complexity=_UNION,
)
def zunion(client: Client, numkeys: bytes, *words: bytes) -> Reply:
    """Returns the union of multiple sorted sets."""
    asked = _Asked(client, b"zunion", numkeys, words)
    return asked.reply(client, _union(asked))


@command(
    "ZINTER numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | MAX>] [WITHSCORES]",
    READONLY,
    since="6.2.0",
    complexity=_INTERSECTION,
)
def zinter(client: Client, numkeys: bytes, *words: bytes) -> Reply:
    """Returns the intersect of multiple sorted sets."""
    asked = _Asked(client, b"zinter", numkeys, words)
    return asked.reply(client, _intersection(asked))


@command(
    "ZDIFF numkeys key [key ...] [WITHSCORES]",
    READONLY,
    since="6.2.0",
    complexity=_DIFFERENCE,
)
def zdiff(client: Client, numkeys: bytes, *words: bytes) -> Reply:
    """Returns the difference between multiple sorted sets."""
    asked = _Asked(client, b"zdiff", numkeys, words, weighted=False)
    return asked.reply(client, _difference(asked))


@command(
    "ZINTERCARD numkeys key [key ...] [LIMIT limit]",
    READONLY,
    since="7.0.0",
    complexity="O(N*K) worst case with N being the smallest input sorted set, K being the number of input "
    "sorted sets.",
)
def zintercard(client: Client, numkeys: bytes, *words: bytes) -> Reply:
    """Returns the number of members of the intersect of multiple sorted sets."""
    asked = _Asked(client, b"zintercard", numkeys, words, weighted=False, counting=True)
    inputs = [value for value, _ in asked.smallest_first()]
    if len(inputs) < len(asked.inputs):
        return 0
    smallest, *others = inputs
    found = 0
    for member, _ in _pairs(smallest):
        if all(member in other for other in others):
            found += 1
            if found == asked.limit:
                break
    return found


@command(
    "ZUNIONSTORE destination numkeys key [key ...] [WEIGHTS weight [weight ...]] "
    "[AGGREGATE <SUM | MIN | MAX>]",
    WRITE | DENYOOM,
    since="2.0.0",
    complexity=_UNION_STORE,
    keys=_STORING,
)
def zunionstore(client: Client, destination: bytes, numkeys: bytes, *words: bytes) -> Reply:
    """Stores the union of multiple sorted sets in a key."""
    asked = _Asked(client, b"zunionstore", numkeys, words, storing=True)
    return _store(client, destination, _union(asked), b"zunionstore")


@command(
    "ZINTERSTORE destination numkeys key [key ...] [WEIGHTS weight [weight ...]] "
    "[AGGREGATE <SUM | MIN | MAX>]",
    WRITE | DENYOOM,
    since="2.0.0",
    complexity=_INTERSECTION,
    keys=_STORING,
)
def zinterstore(client: Client, destination: bytes, numkeys: bytes, *words: bytes) -> Reply:
    """Stores the intersect of multiple sorted sets in a key."""
    asked = _Asked(client, b"zinterstore", numkeys, words, storing=True)
    return _store(client, destination, _intersection(asked), b"zinterstore")


@command(
    "ZDIFFSTORE destination numkeys key [key ...]",
    WRITE | DENYOOM,
    since="6.2.0",
    complexity=_DIFFERENCE,
    keys=_STORING,
)
def zdiffstore(client: Client, destination: bytes, numkeys: bytes, *words: bytes) -> Reply:
    """Stores the difference of multiple sorted sets in a key."""
    asked = _Asked(client, b"zdiffstore", numkeys, words, weighted=False, storing=True)
    return _store(client, destination, _difference(asked), b"zdiffstore")


def _store(client: Client, destination: bytes, scores: dict[bytes, float], event: bytes) -> int:
    db = client.db
    if scores:
        db.store(destination, SortedSet.of(db.keyspace.limits, scores.items()), event, ZSET)
    else:
        db.remove(destination)
    return len(scores)
