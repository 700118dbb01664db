from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from twisted_resp.values import bitmap

strings = st.one_of(
    st.binary(max_size=12),
    st.lists(st.sampled_from([b"\0", b"\xff", b"\x80", b"\x01", b"\xfe", b"\x7f"]), max_size=10).map(
        b"".join
    ),
)
indexes = st.integers(-100, 100)


def bits_of(data: bytes) -> str:
    return "".join(f"{byte:08b}" for byte in data)


def bytes_of(bits: str) -> bytes:
    return bytes(int(bits[start : start + 8], 2) for start in range(0, len(bits), 8))


@given(strings, st.integers(0, 200), st.integers(0, 1))
def test_single_bits(data: bytes, offset: int, value: int) -> None:
    bits = list(bits_of(data).ljust((offset // 8 + 1) * 8, "0"))
    assert bitmap.get_bit(data, offset) == int(bits[offset])
    changed = bytearray(data)
    assert bitmap.set_bit(changed, offset, value) == int(bits[offset])
    bits[offset] = str(value)
    assert changed == bytes_of("".join(bits))
    assert bitmap.get_bit(changed, offset) == value


def test_growing() -> None:
    data = bytearray(b"a")
    assert not bitmap.grow(data, 8)
    assert bitmap.grow(data, 9)
    assert data == b"a\0"


@given(strings, indexes, indexes, st.booleans())
def test_count_and_position_by_the_book(data: bytes, start: int, end: int, by_bit: bool) -> None:
    bits = bits_of(data)
    units = list(bits) if by_bit else [bits[at : at + 8] for at in range(0, len(bits), 8)]
    first = max(start + len(units), 0) if start < 0 else start
    last = min(max(end + len(units), 0) if end < 0 else end, len(units) - 1)
    part = "".join(units[first : last + 1]) if first <= last else ""
    expected = 0 if end < start < 0 else part.count("1")
    assert bitmap.count(data, start, end, by_bit=by_bit) == expected
    before = first if by_bit else first * 8
    for bit in (0, 1):
        found = part.find(str(bit))
        expected = found + before if found >= 0 else -1
        assert bitmap.position(data, bit, start, end, by_bit=by_bit) == expected


@settings(max_examples=60)
@given(strings.filter(bool), indexes, indexes, st.integers(0, 1), st.sampled_from(["BYTE", "BIT"]))
def test_count_and_position_are_as_in_redis(
    reference: Any, data: bytes, start: int, end: int, bit: int, unit: str
) -> None:
    reference.execute_command("SET", "b", data)
    by_bit = unit == "BIT"
    assert bitmap.count(data) == reference.execute_command("BITCOUNT", "b")
    expected = reference.execute_command("BITCOUNT", "b", start, end, unit)
    assert bitmap.count(data, start, end, by_bit=by_bit) == expected
    expected = reference.execute_command("BITPOS", "b", bit, start, end, unit)
    assert bitmap.position(data, bit, start, end, by_bit=by_bit) == expected
    assert bitmap.position(data, bit, start) == reference.execute_command("BITPOS", "b", bit, start)
    assert bitmap.position(data, bit) == reference.execute_command("BITPOS", "b", bit)


def test_long_strings() -> None:
    size = 200_000
    data = bytearray(size)
    assert bitmap.position(data, 1) == -1
    bitmap.set_bit(data, size * 8 - 3, 1)
    assert bitmap.position(data, 1) == bitmap.position(data, 1, -1) == size * 8 - 3
    assert bitmap.count(data) == 1
    full = b"\xff" * size
    assert bitmap.count(full) == bitmap._ones_by_text(int.from_bytes(full, "big")) == size * 8
    assert bitmap.position(full, 0) == bitmap.position(full, 0, 70_000) == size * 8
    assert bitmap.position(full, 0, 0, -1) == -1


MODELS: dict[bytes, Callable[[Sequence[bool]], object]] = {
    b"AND": lambda column: all(column),
    b"OR": lambda column: any(column),
    b"XOR": lambda column: sum(column) % 2,
    b"NOT": lambda column: not column[0],
    b"DIFF": lambda column: column[0] and not any(column[1:]),
    b"DIFF1": lambda column: not column[0] and any(column[1:]),
    b"ANDOR": lambda column: column[0] and any(column[1:]),
    b"ONE": lambda column: sum(column) == 1,
}


def test_all_operations_have_a_model() -> None:
    assert set(MODELS) == bitmap.OPERATIONS


@settings(max_examples=300)
@given(st.sampled_from(sorted(MODELS)), st.lists(strings, min_size=1, max_size=4))
def test_operations(operation: bytes, many: list[bytes]) -> None:
    used = many[:1] if operation == b"NOT" else many
    size = max(map(len, used))
    columns = zip(*([bit == "1" for bit in bits_of(data.ljust(size, b"\0"))] for data in used))
    expected = bytes_of("".join("1" if MODELS[operation](column) else "0" for column in columns))
    assert bitmap.combine(operation, many) == expected
    assert bitmap.combine(operation, [bytearray(data) for data in many]) == expected


@given(strings, st.integers(0, 120), st.integers(1, 64), st.integers(-(2**63), 2**63 - 1))
def test_fields(data: bytes, offset: int, bits: int, number: int) -> None:
    text = bits_of(data).ljust((offset + bits + 7) // 8 * 8, "0")
    expected = int(text[offset : offset + bits], 2)
    assert bitmap.get_field(data, offset, bits, signed=False) == expected
    signed = expected - (1 << bits) if expected >> (bits - 1) else expected
    assert bitmap.get_field(data, offset, bits, signed=True) == signed
    changed = bytearray(data)
    bitmap.set_field(changed, offset, bits, number)
    field = f"{number & (1 << bits) - 1:0{bits}b}"
    assert changed == bytes_of(text[:offset] + field + text[offset + bits :])


@pytest.mark.parametrize(
    ("number", "bits", "signed", "wrapped", "saturated"),
    [
        (255, 8, False, 255, 255),
        (256, 8, False, 0, 255),
        (-1, 8, False, 255, 0),
        (127, 8, True, 127, 127),
        (128, 8, True, -128, 127),
        (-129, 8, True, 127, -128),
        (2**63, 64, True, -(2**63), 2**63 - 1),
        (1, 1, True, -1, 0),
    ],
)
def test_overflow(number: int, bits: int, signed: bool, wrapped: int, saturated: int) -> None:
    assert bitmap.fit(number, bits, signed=signed) == wrapped
    assert bitmap.fit(number, bits, signed=signed, overflow=bitmap.SAT) == saturated
    fits = number == wrapped
    assert bitmap.fit(number, bits, signed=signed, overflow=bitmap.FAIL) == (number if fits else None)


@settings(max_examples=80)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["SET", "INCRBY"]),
            st.booleans(),
            st.integers(1, 63),
            st.integers(0, 40),
            st.one_of(st.integers(-300, 300), st.integers(-(2**63), 2**63 - 1)),
            st.sampled_from(["WRAP", "SAT", "FAIL"]),
        ),
        max_size=8,
    )
)
@example([("SET", True, 19, 0, 2**18 - 2**63 - 1, "SAT"), ("SET", True, 19, 19, 2**18 - 2**63, "SAT")])
def test_fields_are_as_in_redis(reference: Any, script: list[tuple[str, bool, int, int, int, str]]) -> None:
    reference.execute_command("DEL", "f")
    data = bytearray()
    for action, signed, bits, offset, number, overflow in script:
        kind = f"{'i' if signed else 'u'}{bits}"
        (reply,) = reference.execute_command(
            "BITFIELD", "f", "OVERFLOW", overflow, action, kind, offset, number
        )
        old = bitmap.get_field(data, offset, bits, signed=signed)
        wanted = bitmap.in_64_bits(number, bits, signed=signed) if action == "SET" else old + number
        mode = {"WRAP": bitmap.WRAP, "SAT": bitmap.SAT, "FAIL": bitmap.FAIL}[overflow]
        new = bitmap.fit(wanted, bits, signed=signed, overflow=mode)
        bitmap.grow(data, offset + bits)
        if new is not None:
            bitmap.set_field(data, offset, bits, new)
        assert reply == (None if new is None else old if action == "SET" else new)
        assert reference.execute_command("GET", "f") == bytes(data)
