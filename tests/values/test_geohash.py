from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from twisted_resp.values import geohash

longitudes = st.one_of(st.floats(-180, 180), st.sampled_from([-180.0, 0.0, 180.0, 90.0]))
latitudes = st.one_of(st.floats(-85, 85), st.sampled_from([-geohash.MAX_LATITUDE, 0.0, 84.9]))
positions = st.tuples(longitudes, latitudes)
Position = tuple[float, float]


def test_palermo_and_catania() -> None:
    palermo, catania = geohash.encode(13.361389, 38.115556), geohash.encode(15.087269, 37.502669)
    assert (palermo, catania) == (3479099956230698, 3479447370796909)
    assert geohash.standard_hash(palermo) == b"sqc8b49rny0"
    assert geohash.decode(palermo) == (13.36138933897018433, 38.11555639549629859)
    assert f"{geohash.distance(*geohash.decode(palermo), *geohash.decode(catania)):.4f}" == "166274.1516"


@pytest.mark.parametrize(
    "position", [(180.1, 0.0), (0.0, 85.06), (0.0, -86.0), (float("nan"), 0.0), (0.0, float("nan"))]
)
def test_positions_out_of_range(position: Position) -> None:
    assert not geohash.is_valid(*position)
    with pytest.raises(ValueError, match="out of range"):
        geohash.encode(*position)


@given(positions)
def test_a_cell_holds_its_position(position: Position) -> None:
    area = geohash.decode_area(geohash.encode(*position))
    slack = 3e-6  # one cell; at the edges of the world scores are rounded
    assert area.west - slack <= position[0] <= area.east + slack
    assert area.south - slack <= position[1] <= area.north + slack
    assert geohash.distance(*position, *geohash.decode(geohash.encode(*position))) < 1


@given(positions, positions)
def test_distances(one: Position, two: Position) -> None:
    assert geohash.distance(*one, *one) == 0
    assert geohash.distance(*one, *two) == pytest.approx(geohash.distance(*two, *one))
    assert 0 <= geohash.distance(*one, *two) <= 20_100_000


@given(st.floats())
def test_any_score_is_somewhere(score: float) -> None:
    longitude, latitude = geohash.decode(score)
    assert geohash.is_valid(longitude, latitude)
    assert len(geohash.standard_hash(score)) == 11


@given(positions, st.floats(0, 1000), st.floats(0, 360), st.floats(0, 400_000))
def test_the_score_ranges_of_a_circle_cover_it(
    middle: Position, east: float, north: float, radius: float
) -> None:
    # A point at most `radius` away, short of the poles and of the edge of the map.
    point = (middle[0] + (east - 500) / 1000, middle[1] + (north - 180) / 360)
    assume(geohash.is_valid(*point) and abs(middle[1]) < 80 and abs(middle[0]) < 170)
    circle = geohash.Circle(*middle, radius)
    found = circle.distance_to(*point)
    assume(found is not None)
    assert any(low <= geohash.encode(*point) < high for low, high in circle.score_ranges())


def test_a_world_of_four_cells_has_no_cell_twice() -> None:
    ranges = geohash.Circle(10, 10, 12_000_000).score_ranges()
    assert len(ranges) == len(set(ranges)) == 4
    assert sum(high - low for low, high in ranges) == 2**52
    assert geohash.Circle(1, 1, 0).score_ranges()[0][0] == geohash.encode(1, 1)


@settings(max_examples=100)
@given(positions, positions)
def test_positions_are_as_in_redis(reference: Any, one: Position, two: Position) -> None:
    reference.execute_command("DEL", "g")
    reference.execute_command("GEOADD", "g", *map(repr, one), "a", *map(repr, two), "b")
    score, other = geohash.encode(*one), geohash.encode(*two)
    assert float(reference.execute_command("ZSCORE", "g", "a")) == float(score)
    assert reference.execute_command("GEOHASH", "g", "a") == [geohash.standard_hash(score)]
    (position,) = reference.execute_command("GEOPOS", "g", "a")
    assert tuple(map(float, position)) == pytest.approx(geohash.decode(score), abs=1e-15)
    expected = float(reference.execute_command("GEODIST", "g", "a", "b"))
    assert geohash.distance(*geohash.decode(score), *geohash.decode(other)) == pytest.approx(
        expected, abs=0.00011
    )


@settings(max_examples=80)
@given(
    positions,
    st.lists(positions, min_size=1, max_size=40),
    st.integers(1, 9_000_000),
    st.integers(1, 9_000_000),
)
def test_searches_are_as_in_redis(
    reference: Any, middle: Position, points: list[Position], width: int, height: int
) -> None:
    reference.execute_command("DEL", "g")
    scores = {b"%d" % number: geohash.encode(*point) for number, point in enumerate(points)}
    for member, (longitude, latitude) in zip(scores, points):
        reference.execute_command("GEOADD", "g", repr(longitude), repr(latitude), member)
    shapes: list[tuple[geohash.Shape, list[object]]] = [
        (geohash.Circle(*middle, width), ["BYRADIUS", width, "m"]),
        (geohash.Box(*middle, width, height), ["BYBOX", width, height, "m"]),
    ]
    for shape, arguments in shapes:
        found = {}
        for low, high in shape.score_ranges():
            for member, score in scores.items():
                away = shape.distance_to(*geohash.decode(score))
                if low <= score < high and away is not None:
                    found[member] = away
        reply = reference.execute_command(
            "GEOSEARCH", "g", "FROMLONLAT", *map(repr, middle), *arguments, "WITHDIST"
        )
        expected = {member: float(away) for member, away in reply}
        assert found == pytest.approx(expected, abs=0.00011)


@pytest.mark.parametrize(
    ("score", "same_as"),
    [(float("inf"), 0), (2.0**64, 0), (float("-inf"), 2.0**63), (-(2.0**64), 2.0**63), (-1.5, 2**64 - 1)],
)
def test_a_score_that_is_no_hash(score: float, same_as: float) -> None:
    # -1 is the last of 64-bit numbers, of which a float is one too great.
    bits = geohash.decode(same_as) if same_as < 2**64 - 1 else geohash.decode(2.0**64 - 2048)
    assert geohash.decode(score) == bits
