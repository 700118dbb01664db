"""What follows from a command's syntax line."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_resp.commands.arguments import Argument
from twisted_resp.commands.syntax import Syntax, SyntaxLineError


@pytest.mark.parametrize(
    ("line", "arity", "keys"),
    [
        ("GET key", 2, (1, 1, 1)),
        ("DEL key [key ...]", -2, (1, -1, 1)),
        ("SET key value [NX | XX] [GET] [EX seconds | PX milliseconds | KEEPTTL]", -3, (1, 1, 1)),
        ("MSET key value [key value ...]", -3, (1, -1, 2)),
        ("LPOS key element [RANK rank] [COUNT num-matches] [MAXLEN len]", -3, (1, 1, 1)),
        ("BLPOP key [key ...] timeout", -3, (1, -2, 1)),
        ("BLMPOP timeout numkeys key [key ...] <LEFT | RIGHT> [COUNT count]", -5, (0, 0, 0)),
        ("RENAME key newkey", 3, (1, 2, 1)),
        ("LMOVE source destination <wherefrom: LEFT | RIGHT> <whereto: LEFT | RIGHT>", 5, (1, 2, 1)),
        ("LCS key1 key2 [LEN] [IDX]", -3, (1, 2, 1)),
        ("PFMERGE destkey [sourcekey [sourcekey ...]]", -2, (1, -1, 1)),
        ("SINTERSTORE destination key [key ...]", -3, (1, -1, 1)),
        ("BITOP <operation: AND | OR | XOR | NOT> destkey key [key ...]", -4, (2, -1, 1)),
        ("ZUNIONSTORE destination numkeys key [key ...] [WEIGHTS weight [weight ...]]", -4, (1, 1, 1)),
        ("XREAD [COUNT count] [BLOCK milliseconds] STREAMS key [key ...] id [id ...]", -4, (0, 0, 0)),
        ("XGROUP CREATE key group <id | $> [MKSTREAM]", -5, (2, 2, 1)),
        ("OBJECT ENCODING key", 3, (2, 2, 1)),
        ("CONFIG GET parameter [parameter ...]", -3, (0, 0, 0)),
        ("REPLICAOF <args: host port | NO ONE>", 3, (0, 0, 0)),
        ("CLIENT KILL <filter: ip:port | <by: [ID client-id] | [USER username] ...>>", -3, (0, 0, 0)),
        ("SSUBSCRIBE shardchannel [shardchannel ...]", -2, (1, -1, 1)),
        ("PING [message]", -1, (0, 0, 0)),
    ],
)
def test_arity_and_legacy_range(line: str, arity: int, keys: tuple[int, int, int]) -> None:
    syntax = Syntax.parse(line)
    assert syntax.arity == arity
    assert syntax.legacy_range == keys


@pytest.mark.parametrize(
    ("line", "specs"),
    [
        ("BLMPOP timeout numkeys key [key ...]", [((2,), (0, 1, 1))]),
        ("EVAL script numkeys [key [key ...]] [arg [arg ...]]", [((2,), (0, 1, 1))]),
        ("RENAME key newkey", [((1,), (0, 1, 0)), ((2,), (0, 1, 0))]),
        ("XREAD [COUNT count] STREAMS key [key ...] id [id ...]", [(("STREAMS", 1), (-1, 1, 2))]),
        (
            "XREADGROUP group-block: GROUP group consumer [NOACK] STREAMS key [key ...] id [id ...]",
            [(("STREAMS", 4), (-1, 1, 2))],
        ),
        (
            "GEORADIUS key longitude latitude radius <M | KM> [ASC | DESC] [STORE key | STOREDIST key]",
            [((1,), (0, 1, 0)), (("STORE", 6), (0, 1, 0)), (("STOREDIST", 6), (0, 1, 0))],
        ),
        # A password may read KEYS, a pattern STORE: the keyword is looked for from the end, or not at all.
        (
            'MIGRATE host port <key-selector: key | ""> db [AUTH password] [KEYS key [key ...]]',
            [((3,), (0, 1, 0)), (("KEYS", -2), (-1, 1, 0))],
        ),
        (
            "SORT key [BY pattern] [LIMIT offset count] [GET pattern [GET pattern ...]] [STORE destination]",
            [((1,), (0, 1, 0)), (None, None), (None, None)],
        ),
    ],
)
def test_key_specifications(line: str, specs: list[tuple[Any, Any]]) -> None:
    # SORT names two patterns: labels as in its real declaration.
    line = line.replace("[BY ", "[by-pattern: BY ").replace("[GET pattern [", "[get-pattern: GET pattern [")
    assert [(spec.begin, spec.find) for spec in Syntax.parse(line).key_specs] == specs


def test_movable_keys() -> None:
    assert Syntax.parse("LMPOP numkeys key [key ...]").movable_keys
    assert not Syntax.parse("SINTERSTORE destination key [key ...]").movable_keys
    assert not Syntax.parse("SELECT index").movable_keys
    assert Syntax.parse("DUMP key", keys=["RO incomplete"]).movable_keys


def test_name_and_subcommand() -> None:
    syntax = Syntax.parse("CLIENT NO-EVICT <ON | OFF>")
    assert (syntax.name, syntax.subcommand) == ("CLIENT", "NO-EVICT")
    syntax = Syntax.parse("HGET key field")
    assert (syntax.name, syntax.subcommand) == ("HGET", "")
    # A token directly after the name is told from a subcommand by its label.
    syntax = Syntax.parse("XREADGROUP group-block: GROUP group consumer")
    assert (syntax.name, syntax.subcommand) == ("XREADGROUP", "")


def outline(arguments: tuple[Argument, ...]) -> list[Any]:
    """Reduce arguments to name, type and what of the rest is set."""
    outlined: list[Any] = []
    for argument in arguments:
        flags = [name for name in ("optional", "multiple", "multiple_token") if getattr(argument, name)]
        words = " ".join(
            [argument.name, argument.type, *([argument.token] if argument.token else []), *flags]
        )
        outlined.append((words, outline(argument.children)) if argument.children else words)
    return outlined


def test_arguments_of_set() -> None:
    syntax = Syntax.parse(
        "SET key value [NX | XX] [GET] [EX seconds | PXAT unix-time-milliseconds | KEEPTTL]"
    )
    assert outline(syntax.arguments) == [
        "key key",
        "value string",
        ("condition oneof optional", ["nx pure-token NX", "xx pure-token XX"]),
        "get pure-token GET optional",
        (
            "expiration oneof optional",
            [
                "seconds integer EX",
                "unix-time-milliseconds unix-time PXAT",
                "keepttl pure-token KEEPTTL",
            ],
        ),
    ]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("[LIMIT offset count]", ("limit block LIMIT optional", ["offset integer", "count integer"])),
        (
            "[COUNT count [ANY]]",
            ("count-block block optional", ["count integer COUNT", "any pure-token ANY optional"]),
        ),
        (
            "[TO host port [FORCE]]",
            ("to block TO optional", ["host string", "port integer", "force pure-token FORCE optional"]),
        ),
        (
            "[AGGREGATE <SUM | MIN>]",
            ("aggregate oneof AGGREGATE optional", ["sum pure-token SUM", "min pure-token MIN"]),
        ),
        ("[WEIGHTS weight [weight ...]]", "weight integer WEIGHTS optional multiple"),
        ("[PREFIX prefix [PREFIX prefix ...]]", "prefix string PREFIX optional multiple multiple_token"),
        (
            "[config: CONFIG name value [CONFIG name value ...]]",
            ("config block CONFIG optional multiple multiple_token", ["name string", "value string"]),
        ),
        ("field value [field value ...]", ("data block multiple", ["field string", "value string"])),
        (
            "FIELDS numfields field [field ...]",
            ("fields block FIELDS", ["numfields integer", "field string multiple"]),
        ),
        (
            "<by: circle: BYRADIUS radius <M | KM> | BYBOX width height>",
            (
                "by oneof",
                [
                    (
                        "circle block",
                        ["radius double BYRADIUS", ("unit oneof", ["m pure-token M", "km pure-token KM"])],
                    ),
                    ("bybox block BYBOX", ["width double", "height double"]),
                ],
            ),
        ),
        (
            "<trim: <MAXLEN | MINID> [= | ~] threshold>",
            (
                "trim block",
                [
                    ("strategy oneof", ["maxlen pure-token MAXLEN", "minid pure-token MINID"]),
                    ("operator oneof optional", ["equal pure-token =", "approximately pure-token ~"]),
                    "threshold string",
                ],
            ),
        ),
        ("[operation: COUNT count | RESET ...]", None),
        ("[arg [arg ...]]", "arg string optional multiple"),
        ("[addr: ADDR ip:port]", "addr string ADDR optional"),
        ("[by-pattern: BY pattern]", "by-pattern pattern BY optional"),
    ],
)
def test_arguments(words: str, expected: Any) -> None:
    outlined = outline(Syntax.parse(f"CALL GROUP {words}").arguments)
    if expected is None:
        expected = ("operation oneof optional multiple", ["count integer COUNT", "reset pure-token RESET"])
    assert outlined == [expected]


def test_labels_are_not_shown() -> None:
    syntax = Syntax.parse(
        "CLIENT KILL [mode: WRITE | ALL] [addr: ADDR ip:port] <trim: <MAXLEN | MINID> threshold>"
    )
    assert syntax.line == "CLIENT KILL [WRITE | ALL] [ADDR ip:port] <MAXLEN | MINID> threshold"
    assert syntax.arguments[1].display == "ip:port"


def test_hooks() -> None:
    syntax = Syntax.parse(
        "ZRANGE key start stop [REV] [before: BEFORE start]",
        arity=-2,
        keys=["access RO # of the key"],
        types={"start": "string"},
        since={"rev": "6.2.0"},
        deprecated={"before": "7.0.0"},
    )
    key, start, stop, rev, before = syntax.arguments
    assert syntax.arity == -2
    assert (syntax.key_specs[0].flags, syntax.key_specs[0].notes) == (("RO", "access"), "of the key")
    assert (key.key_spec_index, start.type, stop.type, rev.since) == (0, "string", "integer", "6.2.0")
    assert before.deprecated_since == "7.0.0"


def test_key_specifications_may_be_left_out() -> None:
    syntax = Syntax.parse("COPY source destination", keys=["RO access"])
    assert len(syntax.key_specs) == 1
    assert [argument.key_spec_index for argument in syntax.arguments] == [0, None]


@pytest.mark.parametrize(
    ("line", "hooks"),
    [
        ("", {}),
        ("key", {}),
        ("GET [key", {}),
        ("GET key]", {}),
        ("GET []", {}),
        ("GET [name:]", {}),
        ("GET [name: key | other:]", {}),
        ("GET key [value ...]", {}),
        ("GET [key ...]", {}),
        ("GET <HERE | THERE>", {}),
        ("GET name:", {}),
        ("GET one: two: key", {}),
        ("GET key", {"types": {"value": "integer"}}),
        ("GET key", {"keys": ["RO", "RW"]}),
    ],
)
def test_unreadable(line: str, hooks: dict[str, Any]) -> None:
    with pytest.raises(SyntaxLineError):
        Syntax.parse(line, **hooks)


def test_unknown_key_flag() -> None:
    with pytest.raises(ValueError, match="acces"):
        Syntax.parse("GET key", keys=["RO acces"])


WORDS = st.sampled_from(["element", "count", "offset", "ip:port", "member"])
TOKENS = st.sampled_from(["LEN", "REV", "WITHSCORES", "BY", "LIB-NAME"])


def groups(items: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    sequences = st.lists(items, min_size=1, max_size=3).map(" ".join)
    return st.one_of(
        sequences.map("[{}]".format),
        st.lists(sequences, min_size=1, max_size=3).map(lambda parts: f"[NX | {' | '.join(parts)}]"),
        st.lists(sequences, min_size=1, max_size=3).map(lambda parts: f"<NX | {' | '.join(parts)}>"),
        sequences.map("[NX | {} ...]".format),
        WORDS.map(lambda word: f"{word} [{word} ...]"),
        st.tuples(TOKENS, WORDS).map(lambda pair: "{0} {1} [{0} {1} ...]".format(*pair)),
    )


@given(st.lists(st.recursive(st.one_of(WORDS, TOKENS), groups, max_leaves=12), max_size=5))
def test_a_line_without_labels_is_read_again_as_it_is_shown(items: list[str]) -> None:
    syntax = Syntax.parse(" ".join(["CALL key", *items]))
    again = Syntax.parse(syntax.line)
    assert (again.line, again.arity, again.key_specs) == (syntax.line, syntax.arity, syntax.key_specs)


@given(st.lists(st.recursive(st.one_of(WORDS, TOKENS), groups, max_leaves=12), max_size=5))
def test_arity_is_what_the_arguments_take_at_least(items: list[str]) -> None:
    syntax = Syntax.parse(" ".join(["CALL", "key", *items]))
    least = 1 + sum(argument.words()[0] for argument in syntax.arguments)
    assert abs(syntax.arity) == least
    assert (syntax.arity < 0) == any(len(set(argument.words())) == 2 for argument in syntax.arguments)
