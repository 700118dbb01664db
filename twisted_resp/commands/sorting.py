"""The generic group, SORT and SORT_RO: order, look up by pattern, cut, and store.

https://redis.io/docs/latest/commands/sort/
"""

from __future__ import annotations

import locale
import sys
from collections.abc import Sequence
from typing import Any, Callable, Final, Optional

from twisted_resp import errors
from twisted_resp.commands.getkeys import sort_keys, sort_ro_keys
from twisted_resp.commands.permissions import look_up, may_read_all_keys
from twisted_resp.commands.table import DENYOOM, READONLY, WRITE, command
from twisted_resp.errors import CommandError
from twisted_resp.keyspace.database import Database, Value
from twisted_resp.keyspace.events import LIST
from twisted_resp.resp import Reply
from twisted_resp.server.client import Client
from twisted_resp.text.floats import parse_double
from twisted_resp.text.integers import parse_integer
from twisted_resp.values.hash import Hash
from twisted_resp.values.list import List
from twisted_resp.values.set import Set
from twisted_resp.values.sorted_set import SortedSet

__all__: list[str] = []

GROUP = "generic"

_COMPLEXITY: Final = (
    "O(N+M*log(M)) where N is the number of elements in the list or set to sort, and M the number of "
    "returned elements. When the elements are not sorted, complexity is O(N)."
)
_PATTERN_KEYS: Final = (
    "RO access # For the optional BY/GET keyword. It is marked 'unknown' because the key names derive from "
    "the content of the key we sort"
)
_STORE_KEYS: Final = (
    "OW update # For the optional STORE keyword. It is marked 'unknown' because the keyword can appear "
    "anywhere in the argument array"
)
_DENIED: Final = b"ERR %b option of SORT denied due to insufficient ACL permissions."
_BAD_SCORE: Final = b"ERR One or more scores can't be converted into double"

# Below this a double is not normal any more, and C calls the number out of range.
_SMALLEST: Final = sys.float_info.min
# Locales that compare byte by byte; the empty one is that of the environment.
_BY_BYTES: Final = frozenset((b"", b"C", b"POSIX"))
_BLANKS: Final = b" \t\n\v\f\r"

#: Finds what a pattern says of an element: None if there is no such key or field.
Lookup = Callable[[bytes], Optional[bytes]]
#: Makes of a text what is compared in its place.
Collation = Callable[[bytes], Any]


class _Request:
    """The options of SORT."""

    __slots__ = ("alpha", "by", "count", "descending", "get", "sorts", "start", "store")

    def __init__(self, options: Sequence[bytes], may_store: bool, may_look_up: bool) -> None:
        self.descending = False
        self.alpha = False
        self.start = 0
        #: How many, or all if negative.
        self.count = -1
        self.by: bytes | None = None
        #: False with a BY pattern that is the same for all elements: these keep their order.
        self.sorts = True
        self.get: list[bytes] = []
        self.store: bytes | None = None
        place = 0
        while place < len(options):
            word = options[place].upper()
            left = len(options) - place - 1
            if word == b"ASC":
                self.descending = False
            elif word == b"DESC":
                self.descending = True
            elif word == b"ALPHA":
                self.alpha = True
            elif word == b"LIMIT" and left >= 2:
                self.start = _integer(options[place + 1])
                self.count = _integer(options[place + 2])
                place += 2
            elif word == b"STORE" and left and may_store:
                self.store = options[place + 1]
                place += 1
            elif word == b"BY" and left:
                self.by = options[place + 1]
                if b"*" in self.by and not may_look_up:
                    raise CommandError(_DENIED % b"BY")
                # A pattern with a star does not take back what one without it said before.
                self.sorts = self.sorts and b"*" in self.by
                place += 1
            elif word == b"GET" and left:
                if not may_look_up:
                    raise CommandError(_DENIED % b"GET")
                self.get.append(options[place + 1])
                place += 1
            else:
                raise CommandError(errors.SYNTAX)
            place += 1

    def slice(self, size: int) -> slice:
        """The part of ``size`` sorted elements that LIMIT asks for."""
        start = max(self.start, 0)
        return slice(start, size if self.count < 0 else start + self.count)


def _integer(data: bytes) -> int:
    number = parse_integer(data)
    if number is None:
        raise CommandError(errors.NOT_AN_INTEGER)
    return number


@command(
    "SORT key [by-pattern: BY pattern] [LIMIT offset count] [get-pattern: GET pattern [GET pattern ...]] "
    "[ASC | DESC] [ALPHA] [STORE destination]",
    WRITE | DENYOOM,
    since="1.0.0",
    complexity=_COMPLEXITY,
    keys=["RO access", _PATTERN_KEYS, _STORE_KEYS],
    acl=["-keyspace", "set", "sortedset", "list", "dangerous"],
    get_keys=sort_keys,
)
def sort(client: Client, key: bytes, *options: bytes) -> Reply:
    """Sorts the elements in a list, a set, or a sorted set, optionally storing the result."""
    request = _Request(options, may_store=True, may_look_up=_may_look_up(client))
    found = _sort(client, key, request)
    if request.store is None:
        return found
    database = client.db
    if found:
        stored = List.of(database.keyspace.limits, [b"" if item is None else item for item in found])
        database.store(request.store, stored, b"sortstore", LIST, dirty=len(found))
    else:
        database.remove(request.store)
    return len(found)


@command(
    "SORT_RO key [by-pattern: BY pattern] [LIMIT offset count] [get-pattern: GET pattern [GET pattern ...]] "
    "[ASC | DESC] [ALPHA]",
    READONLY,
    since="7.0.0",
    complexity=_COMPLEXITY,
    keys=["RO access", _PATTERN_KEYS],
    acl=["-keyspace", "set", "sortedset", "list", "dangerous"],
    get_keys=sort_ro_keys,
)
def sort_ro(client: Client, key: bytes, *options: bytes) -> Reply:
    """Returns the sorted elements of a list, a set, or a sorted set."""
    request = _Request(options, may_store=False, may_look_up=_may_look_up(client))
    return _sort(client, key, request)


def _may_look_up(client: Client) -> bool:
    """Whether BY and GET, which read keys that the call does not name, are allowed to the client's user."""
    if not client.user.restricted:
        return True
    entry = look_up(client.server, client.current)
    return entry is not None and may_read_all_keys(client.user, entry, client.current)


def _sort(client: Client, key: bytes, request: _Request) -> list[bytes | None]:
    """What SORT returns or stores."""
    database = client.db
    value = database.read(key)
    elements = _elements(value)
    if request.sorts:
        # What is stored must not depend on a locale.
        collation = _collation(client) if request.alpha and request.store is None else None
        elements = _ordered(database, elements, request.by, request.alpha, request.descending, collation)
    elif type(value) is Set:
        # A set has no order to keep. Where the outcome must be the same on replicas, it gets one.
        if request.store is not None or _in_script(client):
            elements.sort(reverse=request.descending)
    elif request.descending:
        elements.reverse()
    elements = elements[request.slice(len(elements))]
    if not request.get:
        return list(elements)
    lookups = [_lookup(database, pattern) for pattern in request.get]
    return [lookup(element) for element in elements for lookup in lookups]


def _in_script(client: Client) -> bool:
    return not client.can_block and not client.in_exec


def _elements(value: Value) -> list[bytes]:
    """The elements of a value that can be sorted, in their own order."""
    if value is None:
        return []
    kind = type(value)
    if kind is List or kind is Set:
        return list(value)
    if kind is SortedSet:
        # Redis makes it a skip list first, and leaves it one.
        value.encoding = b"skiplist"
        return [member for member, _ in value]
    raise CommandError(errors.WRONG_TYPE)


def _collation(client: Client) -> Collation:
    """What ALPHA compares by: bytes, unless ``locale-collate`` names a language.

    Redis takes the locale of its environment unless it is told; here an answer does not depend on that. Either way C's
    ``strcoll`` is asked, for which a text ends at the first zero byte.
    """
    if client.server.configuration[b"locale-collate"] in _BY_BYTES:
        return lambda text: text.partition(b"\0")[0]
    return lambda text: locale.strxfrm(text.partition(b"\0")[0].decode("utf-8", "surrogateescape"))


def _ordered(
    database: Database,
    elements: list[bytes],
    by: bytes | None,
    alpha: bool,
    descending: bool,
    collation: Collation | None,
) -> list[bytes]:
    """Sort by the elements or by what the pattern ``by`` finds for them.

    :param collation: what ``alpha`` compares by, if not the bytes themselves.
    :raises CommandError: a weight is not a number.
    """
    if by is None:
        if alpha:
            return sorted(elements, key=collation, reverse=descending)
        weights = [_score(element) for element in elements]
    else:
        lookup = _lookup(database, by)
        found = [lookup(element) for element in elements]
        if alpha:
            # What has no weight comes before what has one, and equals keep their order.
            rank: Callable[[bytes], Any] = collation or bytes
            ranks = [(weight is not None, rank(weight or b"")) for weight in found]
            order = sorted(range(len(elements)), key=ranks.__getitem__, reverse=descending)
            return [elements[index] for index in order]
        weights = [0.0 if weight is None else _score(weight) for weight in found]
    pairs = sorted(zip(weights, elements), reverse=descending)
    return [element for _, element in pairs]


def _score(data: bytes) -> float:
    """Read a weight as C's ``strtod`` does: blanks in front are skipped, and nothing at all is 0."""
    if b"\0" in data:
        data = data[: data.index(b"\0")]
    if not data:
        return 0.0
    score = parse_double(data.lstrip(_BLANKS) if data[0] in _BLANKS else data)
    if score is None or 0.0 < abs(score) < _SMALLEST:
        raise CommandError(_BAD_SCORE)
    return score


def _lookup(database: Database, pattern: bytes) -> Lookup:
    """The function that a pattern stands for: ``#``, ``weight_*``, ``object_*->field``."""
    if pattern == b"#":
        return lambda element: element
    before, star, after = pattern.partition(b"*")
    if not star:
        return lambda element: None
    after_star, arrow, field = after.partition(b"->")
    if not arrow or not field:

        def find_string(element: bytes) -> bytes | None:
            value = database.read(before + element + after)
            if type(value) is bytes:
                return value
            return bytes(value) if isinstance(value, (bytes, bytearray)) else None

        return find_string

    def find_field(element: bytes) -> bytes | None:
        value = database.read(before + element + after_star)
        if type(value) is not Hash or value.is_expired(field, database.keyspace.now):
            return None
        return value.get(field)

    return find_field
