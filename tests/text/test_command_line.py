"""Splitting and quoting: examples, their round trip, and redis-server's inline commands and MONITOR."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from twisted_resp.text.command_line import quote, split_arguments

COMPARISON = settings(
    deadline=None, max_examples=500, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.mark.parametrize(
    ("line", "arguments"),
    [
        (b"", []),
        (b" \t\r\n\v\f", []),
        (b"set a b", [b"set", b"a", b"b"]),
        (b"  set \t a\r\n", [b"set", b"a"]),
        (b"a\vb \fc", [b"a\vb", b"c"]),
        (b"\"\" ''", [b"", b""]),
        (b"set \"a b\" 'c d'", [b"set", b"a b", b"c d"]),
        (b'"\\n\\r\\t\\b\\a\\q\\""', [b'\n\r\t\b\aq"']),
        (b'"\\x41\\xfF\\x4g\\x"', [b"A\xffx4gx"]),
        (b"'\\n\\'\\x41\\'", None),
        (b"'\\n\\'\\x41'", [b"\\n'\\x41"]),
        (b"'\\\\'", None),
        (b"'\\\\' '", [b"\\' "]),
        (b'ab"c d"', [b"abc d"]),
        (b'"a"b', None),
        (b"'a'b", None),
        (b"\"a\"'b'", None),
        (b'"a"\vb', [b"a", b"b"]),
        (b'"a', None),
        (b'"a\\', None),
        (b'"a\\"', None),
        (b"a'", None),
        (b"\\n \\", [b"\\n", b"\\"]),
        (b"a b\0 'c", [b"a", b"b"]),
        (b'"a\0"', None),
    ],
)
def test_splits(line: bytes, arguments: list[bytes] | None) -> None:
    assert split_arguments(line) == arguments


@pytest.mark.parametrize("quoted", [b'"', b"'", b'"' + b"\\", b"'" + b"\\", b"\"\\'"])
def test_a_missing_quote_costs_linear_time(quoted: bytes) -> None:
    started = time.process_time()
    assert split_arguments(quoted + b"a\\" * 200_000) is None
    assert time.process_time() - started < 2


@pytest.mark.parametrize(
    ("data", "printed"),
    [
        (b"", b'""'),
        (b"abc ~", b'"abc ~"'),
        (b"\"\\'", b'"\\"\\\\\'"'),
        (b"\n\r\t\a\b", b'"\\n\\r\\t\\a\\b"'),
        (b"\0\x0b\x1f\x7f\x80\xff", b'"\\x00\\x0b\\x1f\\x7f\\x80\\xff"'),
    ],
)
def test_quotes(data: bytes, printed: bytes) -> None:
    assert quote(data) == printed


@given(st.lists(st.binary()))
def test_what_is_quoted_splits_to_the_same(arguments: list[bytes]) -> None:
    assert split_arguments(b" ".join(map(quote, arguments))) == arguments


lines = st.lists(
    st.one_of(
        st.sampled_from(
            [b'"', b"'", b"\\", b" ", b"\\x4", b"\\xab", b"\\n", b'\\"', b"\\'", b"\v", b"\t", b"\r"]
        ),
        st.binary(max_size=2),
    ),
    max_size=12,
).map(lambda parts: b"".join(parts).replace(b"\n", b"").replace(b"\0", b""))


@given(lines)
@example(b"'a' \"b\"")
@COMPARISON
def test_splits_as_redis_server_splits_inline_commands(connect: Any, line: bytes) -> None:
    connection = connect()
    try:
        reply = connection.inline(b'EVAL "return ARGV" 0 ' + line)
    finally:
        connection.close()
    assert split_arguments(line) == (None if isinstance(reply, Exception) else reply)


@given(st.binary(max_size=40))
@example(bytes(range(256)))
@COMPARISON
def test_quotes_as_redis_server_does_for_monitor(redis: Any, monitor: Any, data: bytes) -> None:
    redis(b"ECHO", data)
    assert monitor.read().endswith(b' "ECHO" ' + quote(data))
