"""The wire: requests decoded however they are cut, replies encoded for both versions."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_resp import resp
from twisted_resp.errors import CommandError
from twisted_resp.resp import RequestDecoder, encode

MEBIBYTE = 1024 * 1024


def request(*args: bytes) -> bytes:
    """A multibulk request."""
    return b"*%d\r\n" % len(args) + b"".join(b"$%d\r\n%b\r\n" % (len(arg), arg) for arg in args)


def decode(*chunks: bytes) -> list[list[bytes]]:
    """What a fresh decoder makes of a stream."""
    decoder = RequestDecoder()
    requests = [one for chunk in chunks for one in decoder.feed(chunk)]
    assert decoder.error is None
    assert not decoder.inline
    return requests


def error_of(data: bytes, authenticated: bool = True) -> bytes:
    """The error that a stream ends in."""
    decoder = RequestDecoder()
    decoder.authenticated = authenticated
    decoder.feed(data)
    assert decoder.error is not None
    return decoder.error.message


# Arguments that look like protocol are the ones that a careless decoder stumbles over.
arguments = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([b"", b"\r\n", b"\r", b"\n", b"*1\r\n", b"$3\r\nGET\r\n", b"a\r\nb", b"x" * 5000]),
)
streams = st.lists(st.lists(arguments, min_size=1, max_size=6), max_size=12)


class TestDecoder:
    @given(streams, st.data())
    def test_any_cut_gives_the_same_requests(self, requests: list[list[bytes]], data: st.DataObject) -> None:
        stream = b"".join(request(*args) for args in requests)
        cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=8).map(sorted))
        edges = [0, *cuts, len(stream)]
        chunks = [stream[start:end] for start, end in zip(edges, edges[1:])]
        assert decode(*chunks) == requests

    @given(streams)
    def test_byte_by_byte(self, requests: list[list[bytes]]) -> None:
        stream = b"".join(request(*args) for args in requests if sum(map(len, args)) < 100)
        expected = [args for args in requests if sum(map(len, args)) < 100]
        assert decode(*(stream[at : at + 1] for at in range(len(stream)))) == expected

    @pytest.mark.parametrize("count", [1, 2, 3, 16, 17, 100])
    @pytest.mark.parametrize("words", [1, 2, 3, 4, 9])
    def test_pipelines_of_one_shape(self, count: int, words: int) -> None:
        args = [b"word%d" % word for word in range(words)]
        assert decode(request(*args) * count) == [args] * count

    def test_a_pipeline_of_one_shape_with_one_odd_value(self) -> None:
        stream = (
            request(b"SET", b"k", b"v") * 5 + request(b"SET", b"k", b"a\r\nb") + request(b"SET", b"k", b"v")
        )
        assert decode(stream) == [
            *[[b"SET", b"k", b"v"]] * 5,
            [b"SET", b"k", b"a\r\nb"],
            [b"SET", b"k", b"v"],
        ]

    def test_a_value_that_imitates_the_rest_of_its_request(self) -> None:
        # The tokens of the two readings are the same; only the lengths tell them apart.
        value = b"v\r\n$1\r\nw"
        assert decode(request(b"MSET", b"k", value)) == [[b"MSET", b"k", value]]

    def test_empty_and_negative_multibulks_are_passed_over(self) -> None:
        assert decode(b"*0\r\n*-1\r\n*-5\r\n" + request(b"PING")) == [[b"PING"]]

    def test_an_inline_request_is_left_to_the_protocol(self) -> None:
        decoder = RequestDecoder()
        assert decoder.feed(request(b"PING") + b"GET a\r\n" + request(b"PING")) == [[b"PING"]]
        assert decoder.inline
        assert decoder.take_rest() == b"GET a\r\n" + request(b"PING")
        assert not decoder.incomplete

    def test_what_ends_a_value_is_not_looked_at(self) -> None:
        # Redis skips two bytes, whatever they are.
        assert decode(b"*1\r\n$4\r\nPINGxx" + request(b"ECHO", b"a")) == [[b"PING"], [b"ECHO", b"a"]]

    @pytest.mark.parametrize(
        ("stream", "message"),
        [
            (b"*abc\r\n", b"ERR Protocol error: invalid multibulk length"),
            (b"*2147483648\r\n", b"ERR Protocol error: invalid multibulk length"),
            (b"*99999999999999999999999\r\n", b"ERR Protocol error: invalid multibulk length"),
            (b"*\r\n", b"ERR Protocol error: invalid multibulk length"),
            (b"*01\r\n$4\r\nPING\r\n", b"ERR Protocol error: invalid multibulk length"),
            (b"*+1\r\n", b"ERR Protocol error: invalid multibulk length"),
            (b"*1\r\n:5\r\n", b"ERR Protocol error: expected '$', got ':'"),
            (b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\nfooz\r\n", b"ERR Protocol error: expected '$', got 'f'"),
            (b"*1\r\n$-10\r\n", b"ERR Protocol error: invalid bulk length"),
            (b"*1\r\n$x\r\n", b"ERR Protocol error: invalid bulk length"),
            (b"*1\r\n$2000000000\r\n", b"ERR Protocol error: invalid bulk length"),
            (b"*" + b"1" * 70000, b"ERR Protocol error: too big mbulk count string"),
            (b"*1\r\n$" + b"1" * 70000, b"ERR Protocol error: too big bulk count string"),
        ],
    )
    def test_errors_are_worded_as_redis_words_them(self, stream: bytes, message: bytes) -> None:
        assert error_of(stream) == message
        # Errors do not depend on what came before, or in how many pieces.
        assert error_of(request(b"PING") * 3 + stream) == message

    def test_requests_before_an_error_count(self) -> None:
        decoder = RequestDecoder()
        assert decoder.feed(request(b"SET", b"a", b"b") + b"*x\r\n") == [[b"SET", b"a", b"b"]]
        assert decoder.error is not None
        assert decoder.feed(request(b"PING")) == []

    def test_strangers_have_small_limits(self) -> None:
        assert error_of(b"*11\r\n", False) == b"ERR Protocol error: unauthenticated multibulk length"
        assert error_of(b"*1\r\n$16385\r\n", False) == b"ERR Protocol error: unauthenticated bulk length"

    def test_strangers_are_decoded_one_request_at_a_time(self) -> None:
        decoder = RequestDecoder()
        decoder.authenticated = False
        big = request(*[b"x"] * 20)
        assert decoder.feed(request(b"AUTH", b"pw") + big) == [[b"AUTH", b"pw"]]
        decoder.authenticated = True
        assert decoder.feed(b"") == [[b"x"] * 20]

    def test_nothing_is_allocated_for_a_promise(self) -> None:
        tracemalloc = pytest.importorskip("tracemalloc", reason="PyPy does not trace memory")
        decoder = RequestDecoder()
        tracemalloc.start()
        try:
            decoder.feed(b"*2147483647\r\n$536870912\r\nabc")
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert decoder.error is None
        assert decoder.incomplete
        assert peak < 100_000

    def test_a_large_value_takes_twice_its_size_at_most(self) -> None:
        tracemalloc = pytest.importorskip("tracemalloc", reason="PyPy does not trace memory")
        size = 64 * MEBIBYTE
        decoder = RequestDecoder()
        chunk = b"x" * 65536
        tracemalloc.start()
        try:
            decoder.feed(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n" % size)
            for _ in range(size // len(chunk)):
                # A copy each time, as a socket gives: the decoder must not get away with keeping one object.
                assert decoder.feed(bytes(bytearray(chunk))) == []
            requests = decoder.feed(b"\r\n" + request(b"PING"))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert [len(args[-1]) for args in requests] == [size, 4]
        assert peak < 2.1 * size

    @pytest.mark.parametrize("cut", [-3, -2, -1, 0])
    def test_a_large_value_may_be_cut_in_its_line_end(self, cut: int) -> None:
        value = b"y" * 40000
        stream = request(b"SET", b"k", value)
        at = len(stream) + cut
        assert decode(stream[:100], stream[100:at], stream[at:] + request(b"PING")) == [
            [b"SET", b"k", value],
            [b"PING"],
        ]

    def test_max_bulk_is_a_limit_of_its_own(self) -> None:
        decoder = RequestDecoder(max_bulk=10)
        assert decoder.feed(b"*1\r\n$10\r\n0123456789\r\n") == [[b"0123456789"]]


class TestEncode:
    @pytest.mark.parametrize(
        ("reply", "resp2", "resp3"),
        [
            (None, b"$-1\r\n", b"_\r\n"),
            (resp.NULL_ARRAY, b"*-1\r\n", b"_\r\n"),
            (resp.NO_REPLY, b"", b""),
            (resp.OK, b"+OK\r\n", b"+OK\r\n"),
            (resp.Status(b"PONG"), b"+PONG\r\n", b"+PONG\r\n"),
            (b"", b"$0\r\n\r\n", b"$0\r\n\r\n"),
            (b"a\r\nb", b"$4\r\na\r\nb\r\n", b"$4\r\na\r\nb\r\n"),
            (bytearray(b"ab"), b"$2\r\nab\r\n", b"$2\r\nab\r\n"),
            (0, b":0\r\n", b":0\r\n"),
            (1023, b":1023\r\n", b":1023\r\n"),
            (1024, b":1024\r\n", b":1024\r\n"),
            (-1, b":-1\r\n", b":-1\r\n"),
            (True, b":1\r\n", b"#t\r\n"),
            (False, b":0\r\n", b"#f\r\n"),
            (1.5, b"$3\r\n1.5\r\n", b",1.5\r\n"),
            (3.0, b"$1\r\n3\r\n", b",3\r\n"),
            (math.inf, b"$3\r\ninf\r\n", b",inf\r\n"),
            ([b"a", 1, None], b"*3\r\n$1\r\na\r\n:1\r\n$-1\r\n", b"*3\r\n$1\r\na\r\n:1\r\n_\r\n"),
            ((b"a", [b"b"]), b"*2\r\n$1\r\na\r\n*1\r\n$1\r\nb\r\n", b"*2\r\n$1\r\na\r\n*1\r\n$1\r\nb\r\n"),
            ({b"a": 1}, b"*2\r\n$1\r\na\r\n:1\r\n", b"%1\r\n$1\r\na\r\n:1\r\n"),
            (resp.Map([(b"a", 1), (b"a", 2)]), b"*4\r\n$1\r\na\r\n:1\r\n$1\r\na\r\n:2\r\n",
             b"%2\r\n$1\r\na\r\n:1\r\n$1\r\na\r\n:2\r\n"),
            (resp.SetReply([b"a"]), b"*1\r\n$1\r\na\r\n", b"~1\r\n$1\r\na\r\n"),
            (resp.SetReply({b"a": None}), b"*1\r\n$1\r\na\r\n", b"~1\r\n$1\r\na\r\n"),
            (resp.Push([b"message", b"c", b"m"]), b"*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nm\r\n",
             b">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nm\r\n"),
            (resp.Verbatim(b"txt", b"hi"), b"$2\r\nhi\r\n", b"=6\r\ntxt:hi\r\n"),
            (resp.BigNumber(b"123"), b"$3\r\n123\r\n", b"(123\r\n"),
            (resp.Several([1, b"a"]), b":1\r\n$1\r\na\r\n", b":1\r\n$1\r\na\r\n"),
            (resp.Attributed(([(b"k", 1)], b"v")), b"$1\r\nv\r\n", b"|1\r\n$1\r\nk\r\n:1\r\n$1\r\nv\r\n"),
            (CommandError(b"ERR no"), b"-ERR no\r\n", b"-ERR no\r\n"),
            (CommandError("ERR a\r\nb"), b"-ERR a  b\r\n", b"-ERR a  b\r\n"),
        ],
    )  # fmt: skip
    def test_replies(self, reply: resp.Reply, resp2: bytes, resp3: bytes) -> None:
        assert encode(reply, 2) == resp2
        assert encode(reply, 3) == resp3

    def test_a_subclass_of_bytes_is_a_string(self) -> None:
        class Marked(bytes):
            pass

        assert encode(Marked(b"ab")) == b"$2\r\nab\r\n"
        assert encode([Marked(b"ab")]) == b"*1\r\n$2\r\nab\r\n"

    def test_what_has_no_encoding_is_an_error(self) -> None:
        with pytest.raises(TypeError, match="object"):
            encode(object())

    @given(st.binary(max_size=3000))
    def test_bulk_strings_of_any_length(self, data: bytes) -> None:
        assert encode(data) == b"$%d\r\n%b\r\n" % (len(data), data)
        assert encode([data]) == b"*1\r\n$%d\r\n%b\r\n" % (len(data), data)
