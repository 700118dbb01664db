"""The geo group: positions in sorted sets, https://redis.io/docs/latest/commands/?group=geo

A position is the score of its member, see `twisted_resp.values.geohash`. The order in which arguments are
looked at differs between the searches, and with it the error that is told of several.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import Final, NamedTuple

from twisted_resp import errors
from twisted_resp.commands.numbers import integer
from twisted_resp.commands.sorted_sets import number, zadd
from twisted_resp.commands.table import DENYOOM, READONLY, WRITE, command
from twisted_resp.errors import CommandError
from twisted_resp.keyspace.events import ZSET
from twisted_resp.resp import NULL_ARRAY, LongDouble, Reply
from twisted_resp.server.client import Client
from twisted_resp.values.geohash import (
    Box,
    Circle,
    Shape,
    decode,
    distance,
    encode,
    is_valid,
    standard_hash,
)
from twisted_resp.values.sorted_set import ScoreRange, SortedSet

__all__ = ["GROUP"]

GROUP = "geo"

_METRES: Final = {b"M": 1.0, b"KM": 1000.0, b"FT": 0.3048, b"MI": 1609.34}

_UNSUPPORTED_UNIT: Final = b"ERR unsupported unit provided. please use M, KM, FT, MI"
_NO_SUCH_MEMBER: Final = b"ERR could not decode requested zset member"

_NEAR_THE_SHAPE: Final = (
    "O(N+log(M)) where N is the number of elements in the grid-aligned bounding box area around the shape "
    "provided as the filter and M is the number of items inside the shape"
)
_NEAR_THE_CIRCLE: Final = (
    "O(N+log(M)) where N is the number of elements inside the bounding box of the circular area delimited by "
    "center and radius and M is the number of items inside the index."
)
_UPPERCASE_UNITS: Final = ("7.0.0", "Added support for uppercase unit names.")
_ANY: Final = ("6.2.0", "Added the `ANY` option for `COUNT`.")
_STORE_KEYS: Final = ["RO access", "OW update", "OW update"]


# -------------------------------------------------------------------------------------------- arguments


def _position(longitude: bytes, latitude: bytes) -> tuple[float, float]:
    """Read a position.

    :raises CommandError: no numbers, or out of range.
    """
    x, y = number(longitude), number(latitude)
    if not is_valid(x, y):
        raise CommandError(b"ERR invalid longitude,latitude pair %f,%f" % (x, y))
    return x, y


def _unit(word: bytes) -> float:
    """The length of a unit in metres.

    :raises CommandError: it is none.
    """
    metres = _METRES.get(word.upper())
    if metres is None:
        raise CommandError(_UNSUPPORTED_UNIT)
    return metres


def _length(argument: bytes, name: bytes) -> float:
    return number(argument, b"ERR need numeric %b" % name)


def _distance_text(length: float) -> bytes:
    return b"%.4f" % length


# --------------------------------------------------------------------------------------------- positions


@command(
    "GEOADD key [NX | XX] [CH] longitude latitude member [longitude latitude member ...]",
    WRITE | DENYOOM,
    since="3.2.0",
    complexity="O(log(N)) for each item added, where N is the number of elements in the sorted set.",
    argument_since={"condition": "6.2.0", "change": "6.2.0"},
    history=[("6.2.0", "Added the `CH`, `NX` and `XX` options.")],
)
def geoadd(client: Client, key: bytes, *words: bytes) -> Reply:
    """Adds one or more members to a geospatial index. The key is created if it doesn't exist."""
    start = 0
    options = set()
    while start < len(words) and words[start].upper() in (b"NX", b"XX", b"CH"):
        options.add(words[start].upper())
        start += 1
    if start == len(words) or (len(words) - start) % 3 or {b"NX", b"XX"} <= options:
        raise CommandError(errors.SYNTAX)
    added = list(words[:start])
    for place in range(start, len(words), 3):
        score = encode(*_position(words[place], words[place + 1]))
        added += (b"%d" % int(score), words[place + 2])
    client.server.effects.replace(b"ZADD", key, *added)
    return zadd(client, key, *added)


@command(
    "GEODIST key member1 member2 [M | KM | FT | MI]",
    READONLY,
    since="3.2.0",
    complexity="O(1)",
)
def geodist(client: Client, key: bytes, member1: bytes, member2: bytes, *unit: bytes) -> Reply:
    """Returns the distance between two members of a geospatial index."""
    if len(unit) > 1:
        raise CommandError(errors.SYNTAX)
    metres = _unit(unit[0]) if unit else 1.0
    value = client.db.read_as(key, SortedSet)
    if value is None:
        return None
    first, second = value.score(member1), value.score(member2)
    if first is None or second is None:
        return None
    return _distance_text(distance(*decode(first), *decode(second)) / metres)


@command(
    "GEOHASH key [member [member ...]]",
    READONLY,
    since="3.2.0",
    complexity="O(1) for each member requested.",
)
def geohash(client: Client, key: bytes, *members: bytes) -> Reply:
    """Returns members from a geospatial index as geohash strings."""
    value = client.db.read_as(key, SortedSet)
    scores = [None if value is None else value.score(member) for member in members]
    return [None if score is None else standard_hash(score) for score in scores]


@command(
    "GEOPOS key [member [member ...]]",
    READONLY,
    since="3.2.0",
    complexity="O(1) for each member requested.",
)
def geopos(client: Client, key: bytes, *members: bytes) -> Reply:
    """Returns the longitude and latitude of members from a geospatial index."""
    value = client.db.read_as(key, SortedSet)
    scores = [None if value is None else value.score(member) for member in members]
    return [NULL_ARRAY if score is None else list(map(LongDouble, decode(score))) for score in scores]


# ---------------------------------------------------------------------------------------------- searches


class _Found(NamedTuple):
    member: bytes
    score: float
    distance: float
    longitude: float
    latitude: float


_by_distance: Final = itemgetter(2)


def _search(value: SortedSet, shape: Shape, enough: int) -> list[_Found]:
    """Return the members within the shape, no more than ``enough`` unless that is 0."""
    found: list[_Found] = []
    for low, high in shape.score_ranges():
        for member, score in value.range_by_score(ScoreRange(low, high, False, True)).pairs():
            longitude, latitude = decode(score)
            away = shape.distance_to(longitude, latitude)
            if away is not None:
                found.append(_Found(member, score, away, longitude, latitude))
                if len(found) == enough:
                    return found
    return found


class _Search:
    """A search and its options, read in the order in which Redis does.

    :ivar position: the middle of the shape; None if it is not told, or is a member of a set that is not there.
    """

    __slots__ = (
        "any", "ascending", "count", "height", "is_box", "metres", "position", "radius", "store_distances",
        "target", "value", "width", "with_coordinates", "with_distances", "with_hashes",
    )  # fmt: skip

    def __init__(self, value: SortedSet | None) -> None:
        self.value = value
        self.position: tuple[float, float] | None = None
        self.is_box = False
        self.radius: float | None = None
        self.width = self.height = 0.0
        self.metres = 1.0
        self.any = False
        self.count = 0
        #: None for any order.
        self.ascending: bool | None = None
        self.with_coordinates = self.with_distances = self.with_hashes = False
        self.target: bytes | None = None
        self.store_distances = False

    def around_member(self, member: bytes) -> None:
        """Take a member's position for the middle."""
        if self.value is not None:
            score = self.value.score(member)
            if score is None:
                raise CommandError(_NO_SUCH_MEMBER)
            self.position = decode(score)

    def within_radius(self, radius: bytes, unit: bytes) -> None:
        """Search in a circle."""
        length = _length(radius, b"radius")
        if length < 0:
            raise CommandError(b"ERR radius cannot be negative")
        self.metres = _unit(unit)
        self.radius = length

    def within_box(self, width: bytes, height: bytes, unit: bytes) -> None:
        """Search in a box."""
        self.width, self.height = _length(width, b"width"), _length(height, b"height")
        if self.width < 0 or self.height < 0:
            raise CommandError(b"ERR height or width cannot be negative")
        self.metres = _unit(unit)
        self.is_box = True

    def take_option(self, words: Sequence[bytes], place: int) -> int:
        """Read the option at a place that all searches know; answers the place after it.

        :raises CommandError: they don't know it, or its argument is wrong.
        """
        word = words[place].upper()
        if word == b"WITHDIST":
            self.with_distances = True
        elif word == b"WITHHASH":
            self.with_hashes = True
        elif word == b"WITHCOORD":
            self.with_coordinates = True
        elif word == b"ANY":
            self.any = True
        elif word == b"ASC":
            self.ascending = True
        elif word == b"DESC":
            self.ascending = False
        elif word == b"COUNT" and place + 1 < len(words):
            self.count = integer(words[place + 1])
            if self.count <= 0:
                raise CommandError(b"ERR COUNT must be > 0")
            return place + 2
        else:
            raise CommandError(errors.SYNTAX)
        return place + 1

    def check_target(self, what: bytes) -> None:
        """What is stored has no extras.

        :raises CommandError: some were asked for.
        """
        if self.target is not None and (self.with_distances or self.with_hashes or self.with_coordinates):
            raise CommandError(
                b"ERR %b is not compatible with WITHDIST, WITHHASH and WITHCOORD options" % what
            )

    def run(self, client: Client, event: bytes) -> Reply:
        """Search, and reply or store."""
        if self.any and not self.count:
            raise CommandError(b"ERR the ANY argument requires COUNT argument")
        found = self._found()
        if self.target is None:
            return self._told(found)
        db = client.db
        if found:
            metres = self.metres
            pairs = [
                (one.member, one.distance / metres if self.store_distances else one.score) for one in found
            ]
            stored = SortedSet.of(db.keyspace.limits, pairs)
            db.store(self.target, stored, event, ZSET, dirty=len(found))
        else:
            db.remove(self.target)
        return len(found)

    def _found(self) -> list[_Found]:
        if self.value is None or self.position is None:
            return []
        metres = self.metres
        shape: Shape
        if self.is_box:
            shape = Box(*self.position, self.width * metres, self.height * metres)
        else:
            shape = Circle(*self.position, (self.radius or 0.0) * metres)
        found = _search(self.value, shape, self.count if self.any else 0)
        ascending = self.ascending
        if ascending is None and self.count and not self.any:
            # The first few are the nearest ones.
            ascending = True
        if ascending is not None:
            found.sort(key=_by_distance, reverse=not ascending)
        return found[: self.count] if self.count else found

    def _told(self, found: Sequence[_Found]) -> Reply:
        if not (self.with_distances or self.with_hashes or self.with_coordinates):
            return [one.member for one in found]
        told = []
        for one in found:
            reply: list[Reply] = [one.member]
            if self.with_distances:
                reply.append(_distance_text(one.distance / self.metres))
            if self.with_hashes:
                reply.append(int(one.score))
            if self.with_coordinates:
                reply.append([LongDouble(one.longitude), LongDouble(one.latitude)])
            told.append(reply)
        return told


@command(
    "GEOSEARCH key <FROMMEMBER member | FROMLONLAT longitude latitude> <by: circle: BYRADIUS radius <M | KM "
    "| FT | MI> | box: BYBOX width height <M | KM | FT | MI>> [ASC | DESC] [COUNT count [ANY]] [WITHCOORD] "
    "[WITHDIST] [WITHHASH]",
    READONLY,
    since="6.2.0",
    complexity=_NEAR_THE_SHAPE,
    history=[_UPPERCASE_UNITS],
)
def geosearch(client: Client, key: bytes, *words: bytes) -> Reply:
    """Queries a geospatial index for members inside an area of a box or a circle."""
    return _geosearch(client, key, words, None)


@command(
    "GEOSEARCHSTORE destination source <FROMMEMBER member | FROMLONLAT longitude latitude> <by: circle: "
    "BYRADIUS radius <M | KM | FT | MI> | box: BYBOX width height <M | KM | FT | MI>> [ASC | DESC] "
    "[COUNT count [ANY]] [STOREDIST]",
    WRITE | DENYOOM,
    since="6.2.0",
    complexity=_NEAR_THE_SHAPE,
    keys=["OW update", "RO access"],
    history=[_UPPERCASE_UNITS],
)
def geosearchstore(client: Client, destination: bytes, source: bytes, *words: bytes) -> Reply:
    """Queries a geospatial index for members inside an area of a box or a circle,
    optionally stores the result.
    """
    return _geosearch(client, source, words, destination)


def _geosearch(client: Client, key: bytes, words: Sequence[bytes], target: bytes | None) -> Reply:
    search = _Search(client.db.read_as(key, SortedSet))
    search.target = target
    by_member = by_position = False
    place = 0
    while place < len(words):
        word = words[place].upper()
        left = len(words) - place - 1
        if word == b"STOREDIST" and target is not None:
            search.store_distances = True
            place += 1
        elif word == b"FROMMEMBER" and left >= 1 and not by_position:
            search.around_member(words[place + 1])
            by_member = True
            place += 2
        elif word == b"FROMLONLAT" and left >= 2 and not by_member:
            search.position = _position(words[place + 1], words[place + 2])
            by_position = True
            place += 3
        elif word == b"BYRADIUS" and left >= 2 and not search.is_box:
            search.within_radius(words[place + 1], words[place + 2])
            place += 3
        elif word == b"BYBOX" and left >= 3 and search.radius is None:
            search.within_box(words[place + 1], words[place + 2], words[place + 3])
            place += 4
        else:
            place = search.take_option(words, place)
    search.check_target(b"GEOSEARCHSTORE")
    name = client.current[0]
    if not (by_member or by_position):
        raise CommandError(b"ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for %b" % name)
    if search.radius is None and not search.is_box:
        raise CommandError(b"ERR exactly one of BYRADIUS and BYBOX can be specified for %b" % name)
    return search.run(client, b"geosearchstore")


@command(
    "GEORADIUS key longitude latitude radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] "
    "[COUNT count [ANY]] [ASC | DESC] [store: storekey: STORE key | storedistkey: STOREDIST key]",
    WRITE | DENYOOM,
    since="3.2.0",
    complexity=_NEAR_THE_CIRCLE,
    keys=_STORE_KEYS,
    argument_since={"any": "6.2.0"},
    history=[_ANY, _UPPERCASE_UNITS],
    deprecated="6.2.0",
    replaced_by="`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument",
)
def georadius(client: Client, key: bytes, *words: bytes) -> Reply:
    """Queries a geospatial index for members within a distance from a coordinate,
    optionally stores the result.
    """
    return _georadius(client, key, words, True)


@command(
    "GEORADIUS_RO key longitude latitude radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] "
    "[COUNT count [ANY]] [ASC | DESC]",
    READONLY,
    since="3.2.10",
    complexity=_NEAR_THE_CIRCLE,
    argument_since={"any": "6.2.0"},
    history=[_ANY, _UPPERCASE_UNITS],
    deprecated="6.2.0",
    replaced_by="`GEOSEARCH` with the `BYRADIUS` argument",
)
def georadius_ro(client: Client, key: bytes, *words: bytes) -> Reply:
    """Returns members from a geospatial index that are within a distance from a coordinate."""
    return _georadius(client, key, words, False)


@command(
    "GEORADIUSBYMEMBER key member radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] "
    "[COUNT count [ANY]] [ASC | DESC] [store: storekey: STORE key | storedistkey: STOREDIST key]",
    WRITE | DENYOOM,
    since="3.2.0",
    complexity=_NEAR_THE_CIRCLE,
    keys=_STORE_KEYS,
    history=[_ANY, _UPPERCASE_UNITS],
    deprecated="6.2.0",
    replaced_by="`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and `FROMMEMBER` arguments",
)
def georadiusbymember(client: Client, key: bytes, *words: bytes) -> Reply:
    """Queries a geospatial index for members within a distance from a member,
    optionally stores the result.
    """
    return _georadius_by_member(client, key, words, True)


@command(
    "GEORADIUSBYMEMBER_RO key member radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] "
    "[COUNT count [ANY]] [ASC | DESC]",
    READONLY,
    since="3.2.10",
    complexity=_NEAR_THE_CIRCLE,
    history=[_ANY, _UPPERCASE_UNITS],
    deprecated="6.2.0",
    replaced_by="`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments",
)
def georadiusbymember_ro(client: Client, key: bytes, *words: bytes) -> Reply:
    """Returns members from a geospatial index that are within a distance from a member."""
    return _georadius_by_member(client, key, words, False)


def _georadius(client: Client, key: bytes, words: Sequence[bytes], may_store: bool) -> Reply:
    search = _Search(client.db.read_as(key, SortedSet))
    search.position = _position(words[0], words[1])
    search.within_radius(words[2], words[3])
    return _run_georadius(client, search, words[4:], may_store)


def _georadius_by_member(client: Client, key: bytes, words: Sequence[bytes], may_store: bool) -> Reply:
    search = _Search(client.db.read_as(key, SortedSet))
    if search.value is not None:
        # Redis does not look at the radius either where there is nothing to find.
        search.around_member(words[0])
        search.within_radius(words[1], words[2])
    return _run_georadius(client, search, words[3:], may_store)


def _run_georadius(client: Client, search: _Search, options: Sequence[bytes], may_store: bool) -> Reply:
    place = 0
    while place < len(options):
        word = options[place].upper()
        if may_store and word in (b"STORE", b"STOREDIST") and place + 1 < len(options):
            search.target = options[place + 1]
            search.store_distances = word == b"STOREDIST"
            place += 2
        else:
            place = search.take_option(options, place)
    search.check_target(b"STORE option in GEORADIUS")
    return search.run(client, b"georadiusstore")
