"""Positions on Earth as sorted set scores, and the shapes that GEOSEARCH looks in.

A score is a geohash of 52 bits: the world is halved 26 times in each direction, and the bits that say in
which half a point is are taken in turn, longitude first. Points close to each other mostly share a prefix, so
a shape is searched by the score ranges of at most nine cells. As in Web Mercator the poles are out of reach:
latitudes end at 85.05112878 degrees. Longitudes and latitudes are in degrees, distances in metres. See
https://redis.io/docs/latest/commands/geoadd/
"""

from __future__ import annotations

from math import asin, cos, isfinite, nan, pi, sin, sqrt
from typing import NamedTuple

__all__ = [
    "MAX_LATITUDE",
    "MAX_LONGITUDE",
    "Area",
    "Box",
    "Circle",
    "Shape",
    "decode",
    "decode_area",
    "distance",
    "encode",
    "is_valid",
    "standard_hash",
]

MAX_LONGITUDE = 180.0
MAX_LATITUDE = 85.05112878

_STEPS = 26
_CELLS = 1 << _STEPS
_SIZE = float(_CELLS)
_WIDTH = 2 * MAX_LONGITUDE
_HEIGHT = 2 * MAX_LATITUDE
_EARTH_RADIUS = 6372797.560856
# From here on a radius takes in the world; half the equator in Web Mercator.
_MERCATOR_MAX = 20037726.37
_RADIANS = pi / 180.0
_ALPHABET = b"0123456789bcdefghjkmnpqrstuvwxyz"
# The centre first, then as Redis goes: N S E W NE NW SE SW, as steps in (longitude, latitude).
_NEIGHBOURS = ((0, 0), (0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1))


class Area(NamedTuple):
    """A cell or a bounding box, in degrees."""

    west: float
    south: float
    east: float
    north: float


def is_valid(longitude: float, latitude: float) -> bool:
    """Return whether a geohash can tell the position."""
    return -MAX_LONGITUDE <= longitude <= MAX_LONGITUDE and -MAX_LATITUDE <= latitude <= MAX_LATITUDE


def encode(longitude: float, latitude: float) -> float:
    """Return the score of a position. Raises ValueError if it is out of range or not a number.

    At the eastern and northern edge of the world the bits are 54, which a float rounds; Redis stores the
    same.
    """
    if not is_valid(longitude, latitude):
        raise ValueError("position out of range")
    return float(_interleave(*_cell(longitude, latitude, _STEPS, MAX_LATITUDE)))


def decode(score: float) -> tuple[float, float]:
    """Return the longitude and latitude of the middle of the score's cell."""
    column, row = _cell_of(score)
    # As `_area_of` has it, digit by digit: the middle between two edges.
    longitude = (
        -MAX_LONGITUDE + column / _SIZE * _WIDTH + (-MAX_LONGITUDE + (column + 1) / _SIZE * _WIDTH)
    ) / 2
    latitude = (-MAX_LATITUDE + row / _SIZE * _HEIGHT + (-MAX_LATITUDE + (row + 1) / _SIZE * _HEIGHT)) / 2
    if column >= _CELLS or row >= _CELLS:
        return min(longitude, MAX_LONGITUDE), min(latitude, MAX_LATITUDE)
    return longitude, latitude


def decode_area(score: float) -> Area:
    """Return the cell of the score. Any number will do, as any number may be in a sorted set."""
    return _area_of(_cell_of(score), _STEPS)


def _cell_of(score: float) -> tuple[int, int]:
    # What C leaves open is as x86 has it: what is too large becomes 0, what is too small 2**63.
    bits = 0 if score >= 2.0**64 else int(score) & 2**64 - 1 if score >= -(2.0**63) else 2**63
    digits = f"{bits:064b}"
    return int(digits[::2], 2), int(digits[1::2], 2)


def standard_hash(score: float) -> bytes:
    """Return the 11 characters of the geohash as https://geohash.org knows it (GEOHASH).

    Its latitudes go up to 90 degrees, so the bits are others; the last character is always 0.
    """
    bits = _interleave(*_cell(*decode(score), _STEPS, 90.0))
    return bytes(_ALPHABET[bits >> shift & 31] for shift in range(47, 1, -5)) + b"0"


def distance(longitude1: float, latitude1: float, longitude2: float, latitude2: float) -> float:
    """Return the distance in metres along a great circle, by the haversine formula."""
    v = sin((longitude2 * _RADIANS - longitude1 * _RADIANS) / 2)
    if not v:
        return _meridian_distance(latitude1, latitude2)
    radians1, radians2 = latitude1 * _RADIANS, latitude2 * _RADIANS
    u = sin((radians2 - radians1) / 2)
    a = u * u + cos(radians1) * cos(radians2) * v * v
    return 2.0 * _EARTH_RADIUS * asin(sqrt(min(a, 1.0)))


def _meridian_distance(latitude1: float, latitude2: float) -> float:
    return _EARTH_RADIUS * abs(latitude2 * _RADIANS - latitude1 * _RADIANS)


class Shape:
    """What GEOSEARCH looks in, around a position: a `Circle` or a `Box`."""

    __slots__ = ("_half_height", "_half_width", "_radius", "latitude", "longitude")

    def __init__(
        self, longitude: float, latitude: float, half_width: float, half_height: float, radius: float
    ) -> None:
        self.longitude = longitude
        self.latitude = latitude
        self._half_width = half_width
        self._half_height = half_height
        self._radius = radius

    def distance_to(self, longitude: float, latitude: float) -> float | None:
        """Return the distance of a position from the middle, None if it is outside the shape."""
        raise NotImplementedError

    def bounds(self) -> Area:
        """Return a box around the shape. It may go beyond the world."""
        height = self._half_height / _EARTH_RADIUS / _RADIANS
        # The parallel on the side of the equator is longer, so a width takes fewer degrees there.
        away = self.latitude - height if self.latitude < 0 else self.latitude + height
        # An endless height leaves no width (a NaN), and then nothing is outside.
        narrowing = cos(away * _RADIANS) if isfinite(away) else nan
        width = self._half_width / _EARTH_RADIUS / narrowing / _RADIANS
        return Area(
            self.longitude - width, self.latitude - height, self.longitude + width, self.latitude + height
        )

    def score_ranges(self) -> list[tuple[int, int]]:
        """Return the ranges of scores, from and up to but not including, in which all of the shape is.

        Every range is a cell; they are in the order in which Redis searches them.
        """
        bounds = self.bounds()
        steps = _steps_for(self._radius, self.latitude)
        middle = _cell(self.longitude, self.latitude, steps, MAX_LATITUDE)
        if steps > 1 and not self._is_covered(bounds, middle, steps):
            steps -= 1
            middle = _cell(self.longitude, self.latitude, steps, MAX_LATITUDE)
        area = _area_of(middle, steps)
        shift = 52 - 2 * steps
        ranges: list[tuple[int, int]] = []
        last = None
        for east, north in _NEIGHBOURS:
            if steps >= 2 and (
                (north < 0 and area.south < bounds.south)
                or (north > 0 and area.north > bounds.north)
                or (east < 0 and area.west < bounds.west)
                or (east > 0 and area.east > bounds.east)
            ):
                continue
            cell = _neighbour(middle, east, north, steps)
            # Where the world has but two cells in a row, the one to the east is the one to the west.
            if cell != last or len(ranges) == 1:
                bits = _interleave(*cell)
                ranges.append((bits << shift, bits + 1 << shift))
                last = cell
        return ranges

    @staticmethod
    def _is_covered(bounds: Area, middle: tuple[int, int], steps: int) -> bool:
        return (
            _area_of(_neighbour(middle, 0, 1, steps), steps).north >= bounds.north
            and _area_of(_neighbour(middle, 0, -1, steps), steps).south <= bounds.south
            and _area_of(_neighbour(middle, 1, 0, steps), steps).east >= bounds.east
            and _area_of(_neighbour(middle, -1, 0, steps), steps).west <= bounds.west
        )


class Circle(Shape):
    """The positions within a radius, in metres."""

    __slots__ = ()

    def __init__(self, longitude: float, latitude: float, radius: float) -> None:
        super().__init__(longitude, latitude, radius, radius, radius)

    def distance_to(self, longitude: float, latitude: float) -> float | None:
        away = distance(self.longitude, self.latitude, longitude, latitude)
        return away if away <= self._radius else None


class Box(Shape):
    """The positions within a rectangle along the axes; width and height in metres."""

    __slots__ = ()

    def __init__(self, longitude: float, latitude: float, width: float, height: float) -> None:
        half_width, half_height = width / 2, height / 2
        radius = sqrt(half_width * half_width + half_height * half_height)
        super().__init__(longitude, latitude, half_width, half_height, radius)

    def distance_to(self, longitude: float, latitude: float) -> float | None:
        if _meridian_distance(latitude, self.latitude) > self._half_height:
            return None
        # The width is measured along the parallel of the position.
        if distance(longitude, latitude, self.longitude, latitude) > self._half_width:
            return None
        return distance(self.longitude, self.latitude, longitude, latitude)


def _steps_for(radius: float, latitude: float) -> int:
    """Return how often to halve the world so that a cell and its neighbours cover the radius."""
    if not radius:
        return _STEPS
    steps = -1
    while radius < _MERCATOR_MAX:
        radius *= 2
        steps += 1
    # Cells are narrower near the poles.
    if abs(latitude) > 66:
        steps -= 1
        if abs(latitude) > 80:
            steps -= 1
    return max(min(steps, _STEPS), 1)


def _cell(longitude: float, latitude: float, steps: int, max_latitude: float) -> tuple[int, int]:
    """Return column and row of the cell in a world cut into 2**steps of each."""
    return (
        int((longitude + MAX_LONGITUDE) / (2 * MAX_LONGITUDE) * (1 << steps)),
        int((latitude + max_latitude) / (2 * max_latitude) * (1 << steps)),
    )


def _area_of(cell: tuple[int, int], steps: int) -> Area:
    column, row = cell
    size = float(1 << steps)
    width, height = 2 * MAX_LONGITUDE, 2 * MAX_LATITUDE
    return Area(
        -MAX_LONGITUDE + column / size * width,
        -MAX_LATITUDE + row / size * height,
        -MAX_LONGITUDE + (column + 1) / size * width,
        -MAX_LATITUDE + (row + 1) / size * height,
    )


def _neighbour(cell: tuple[int, int], east: int, north: int, steps: int) -> tuple[int, int]:
    # The world is round, in both directions as far as Redis is concerned.
    if not east and not north:
        return cell
    mask = (1 << steps) - 1
    return (cell[0] + east & mask if east else cell[0], cell[1] + north & mask if north else cell[1])


def _interleave(column: int, row: int) -> int:
    # Binary digits read to the base of four are the bits with room between them.
    return int(f"{column:b}", 4) << 1 | int(f"{row:b}", 4)
