"""The geo commands: replies, errors and their order, what is stored and told."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import needs_lua
from twisted_resp.resp import encode
from twisted_resp.values.geohash import encode as encode_position

Engine = Any  # the fixture of conftest.py

SYNTAX = b"ERR syntax error"
WRONG_TYPE = b"WRONGTYPE Operation against a key holding the wrong kind of value"
SICILY = ("13.361389", "38.115556", "Palermo", "15.087269", "37.502669", "Catania")


@pytest.fixture
def sicily(engine: Engine) -> Engine:
    engine.call("GEOADD", "g", *SICILY)
    return engine


def test_positions(sicily: Engine) -> None:
    assert sicily.call("GEODIST", "g", "Palermo", "Catania") == b"166274.1516"
    assert sicily.call("GEODIST", "g", "Palermo", "Catania", "KM") == b"166.2742"
    assert sicily.call("GEODIST", "g", "Palermo", "Rome") is sicily.call("GEODIST", "x", "a", "b") is None
    assert sicily.call("GEOHASH", "g", "Palermo", "Rome", "Catania") == [b"sqc8b49rny0", None, b"sqdtr74hyu0"]
    assert sicily.call("GEOPOS", "g", "Palermo", "Rome") == [[13.361389338970184, 38.1155563954963], None]
    assert sicily.call("GEOHASH", "g") == sicily.call("GEOPOS", "none") == []


@needs_lua
def test_positions_on_the_wire(sicily: Engine) -> None:
    client = sicily.factory.client().client
    reply = client.execute(client, [b"GEOPOS", b"g", b"Palermo", b"Rome"])
    # As https://redis.io/docs/latest/commands/geopos/ shows them.
    longitude, latitude = b"13.36138933897018433", b"38.11555639549629859"
    assert encode(reply, 2) == b"*2\r\n*2\r\n$20\r\n%b\r\n$20\r\n%b\r\n*-1\r\n" % (longitude, latitude)
    assert encode(reply, 3) == b"*2\r\n*2\r\n,%b\r\n,%b\r\n_\r\n" % (longitude, latitude)
    client.execute(client, [b"GEOADD", b"g", b"-0.00000001", b"-85.05112878", b"edge"])
    assert encode(client.execute(client, [b"GEOPOS", b"g", b"edge"]), 2).split(b"\r\n")[3:6:2] == [
        b"-0.00000268220901489",
        b"-85.05112751263942528",
    ]
    assert sicily.call("EVAL", "return redis.call('GEOPOS', 'g', 'Palermo')", "0") == [[longitude, latitude]]


def test_add(engine: Engine) -> None:
    told = engine.effects()
    events = engine.events()
    assert engine.call("GEOADD", "g", *SICILY) == 2
    assert engine.call("GEOADD", "g", "XX", "CH", 13, 38, "Palermo", 1, 1, "new") == 1
    assert engine.call("GEOADD", "g", "NX", 1, 1, "Palermo") == 0
    first, second = (b"%d" % encode_position(*position) for position in ((13, 38), (1, 1)))
    assert told == [
        [b"ZADD", b"g", b"3479099956230698", b"Palermo", b"3479447370796909", b"Catania"],
        [b"ZADD", b"g", b"XX", b"CH", first, b"Palermo", second, b"new"],
    ]
    assert [event for event, _ in events] == [b"new", b"zadd", b"zadd"]


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("GEOADD s 1 1 a 2", SYNTAX),
        ("GEOADD s NX XX 1 1 a", SYNTAX),
        ("GEOADD s CH CH CH", SYNTAX),
        ("GEOADD s x 1 a", b"ERR value is not a valid float"),
        ("GEOADD s 200 -100.5 a", b"ERR invalid longitude,latitude pair 200.000000,-100.500000"),
        ("GEOADD s 1 1 a", WRONG_TYPE),
        ("GEODIST s a b m x", SYNTAX),
        ("GEODIST s a b x", b"ERR unsupported unit provided. please use M, KM, FT, MI"),
        ("GEODIST s a b m", WRONG_TYPE),
        ("GEORADIUS s x 1 1 m", WRONG_TYPE),
        ("GEORADIUS n x 1 1 m", b"ERR value is not a valid float"),
        ("GEORADIUS n 1 1 x m", b"ERR need numeric radius"),
        ("GEORADIUS n 1 1 -1 x", b"ERR radius cannot be negative"),
        ("GEORADIUS n 1 1 1 x", b"ERR unsupported unit provided. please use M, KM, FT, MI"),
        ("GEORADIUS n 1 1 1 m COUNT 0", b"ERR COUNT must be > 0"),
        ("GEORADIUS n 1 1 1 m COUNT x", b"ERR value is not an integer or out of range"),
        ("GEORADIUS n 1 1 1 m ANY", b"ERR the ANY argument requires COUNT argument"),
        (
            "GEORADIUS n 1 1 1 m STORE d WITHDIST",
            b"ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD options",
        ),
        ("GEORADIUS_RO n 1 1 1 m STORE d", SYNTAX),
        ("GEORADIUSBYMEMBER g Rome x m", b"ERR could not decode requested zset member"),
        ("GEORADIUSBYMEMBER g Palermo x m", b"ERR need numeric radius"),
        ("GEORADIUSBYMEMBER n a x x nonsense", SYNTAX),
        ("GEORADIUSBYMEMBER_RO n a 1 m STOREDIST d", SYNTAX),
        ("GEOSEARCH g FROMMEMBER Rome ASC ASC ASC", b"ERR could not decode requested zset member"),
        ("GEOSEARCH g FROMMEMBER Palermo FROMLONLAT 1 1 ASC", SYNTAX),
        ("GEOSEARCH g BYRADIUS 1 m BYBOX 1 1 m", SYNTAX),
        ("GEOSEARCH g BYBOX x 1 m ASC ASC", b"ERR need numeric width"),
        ("GEOSEARCH g BYBOX 1 x m ASC ASC", b"ERR need numeric height"),
        ("GEOSEARCH g BYBOX 1 -1 m ASC ASC", b"ERR height or width cannot be negative"),
        (
            "geosearch g BYBOX 1 1 m ASC ASC",
            b"ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for geosearch",
        ),
        (
            "GEOSEARCHSTORE d g FROMLONLAT 1 1 ASC ASC ASC",
            b"ERR exactly one of BYRADIUS and BYBOX can be specified for GEOSEARCHSTORE",
        ),
        ("GEOSEARCH g FROMLONLAT 1 1 BYRADIUS 1 m STOREDIST", SYNTAX),
        (
            "GEOSEARCHSTORE d g FROMLONLAT 1 1 BYRADIUS 1 m WITHCOORD",
            b"ERR GEOSEARCHSTORE is not compatible with WITHDIST, WITHHASH and WITHCOORD options",
        ),
    ],
)
def test_errors(sicily: Engine, words: str, error: bytes) -> None:
    sicily.call("SET", "s", "x")
    assert sicily.error(*words.split()) == error


@pytest.mark.parametrize(
    ("words", "reply"),
    [
        ("GEORADIUS g 15 37 200 km ASC", "Catania Palermo"),
        ("GEORADIUS g 15 37 200 km DESC", "Palermo Catania"),
        ("GEORADIUS_RO g 15 37 100 km", "Catania"),
        ("GEORADIUS g 15 37 200 km COUNT 1", "Catania"),
        ("GEORADIUSBYMEMBER g Palermo 200 km COUNT 2 ASC", "Palermo Catania"),
        ("GEORADIUSBYMEMBER_RO g Palermo 1 m", "Palermo"),
        ("GEOSEARCH g FROMLONLAT 15 37 BYBOX 400 400 km DESC", "Palermo Catania"),
        ("GEOSEARCH g FROMMEMBER Catania BYRADIUS 10 mi ASC", "Catania"),
        ("GEOSEARCH g FROMLONLAT 100 0 BYRADIUS 10 mi ASC", ""),
        ("GEOSEARCH none FROMMEMBER Catania BYRADIUS 10 mi ASC", ""),
        ("GEORADIUSBYMEMBER none Catania 1 m", ""),
    ],
)
def test_searches(sicily: Engine, words: str, reply: str) -> None:
    assert sicily.call(*words.split()) == reply.encode().split()


def test_what_is_found_may_come_with_extras(sicily: Engine) -> None:
    words = "g FROMLONLAT 15 37 BYRADIUS 100 km WITHHASH WITHDIST WITHCOORD"
    position = [15.087267458438873, 37.50266842333162]
    assert sicily.call("GEOSEARCH", *words.split()) == [[b"Catania", b"56.4413", 3479447370796909, position]]


def test_any_stops_early(engine: Engine) -> None:
    for n in range(50):
        engine.call("GEOADD", "g", n / 1000, 0, n)
    found = engine.call("GEOSEARCH", "g", "FROMLONLAT", 0, 0, "BYRADIUS", 50, "km", "COUNT", 5, "ANY")
    assert len(found) == 5
    nearest = engine.call("GEOSEARCH", "g", "FROMLONLAT", 0, 0, "BYRADIUS", 50, "km", "COUNT", 5)
    assert nearest == [b"0", b"1", b"2", b"3", b"4"]


def test_what_is_found_may_be_stored(sicily: Engine) -> None:
    events = sicily.events()
    before = sicily.server.keyspace.dirty
    assert sicily.call("GEORADIUS", "g", 15, 37, 200, "km", "STORE", "a") == 2
    assert sicily.server.keyspace.dirty == before + 2
    assert sicily.call("ZRANGE", "a", 0, -1) == [b"Palermo", b"Catania"]
    assert (
        sicily.call("GEOSEARCHSTORE", "a", "g", "FROMLONLAT", 15, 37, "BYBOX", 400, 400, "km", "STOREDIST")
        == 2
    )
    assert sicily.call("ZRANGE", "a", 0, -1) == [b"Catania", b"Palermo"]
    assert sicily.call("ZSCORE", "a", "Catania") == pytest.approx(56.4413, abs=1e-4)
    assert sicily.call("GEORADIUSBYMEMBER", "none", "x", 1, "m", "STOREDIST", "a") == 0
    assert sicily.call("EXISTS", "a") == 0
    told = [event for event, _ in events if event not in (b"new", b"keymiss")]
    assert told == [b"georadiusstore", b"geosearchstore", b"del"]


def test_an_endless_radius_finds_what_is_there(engine: Engine) -> None:
    engine.call("GEOADD", "g", 13.361389, 38.115556, "palermo")
    assert engine.call("GEOSEARCH", "g", "FROMLONLAT", 13, 38, "BYRADIUS", "inf", "km") == [b"palermo"]
