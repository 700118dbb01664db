"""The long doubles of INCRBYFLOAT and HINCRBYFLOAT: 80 bit floating point as the x87 has it.

Python has no such type, so a long double is a pair of integers here, mantissa * 2 ** exponent, and every
operation is computed exactly and then rounded once, half to even, to a mantissa of 64 bits: what the hardware
does too. Zero has no sign, because the only way of printing that Redis uses here does not show it.
"""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["LongDouble", "format_long_double", "parse_long_double"]

_MANTISSA_BITS = 64
_LOWEST_EXPONENT = -16445  # of the last bit of a subnormal number
_HIGHEST_BIT = 16384
# Decimal exponents of the first digit that surely overflow, or surely vanish.
_TOO_LARGE = 4940
_TOO_SMALL = -4970

_LONGEST = 5 * 1024 - 1
_PLACES = 17

_DECIMAL = re.compile(rb"([+-]?)(?=\.?[0-9])([0-9]*)(?:\.([0-9]*))?(?:[eE]([+-]?[0-9]+))?")
_HEXADECIMAL = re.compile(
    rb"([+-]?)0x(?=\.?[0-9a-f])([0-9a-f]*)(?:\.([0-9a-f]*))?(?:p([+-]?[0-9]+))?", re.IGNORECASE
)
_INFINITY = re.compile(rb"([+-]?)inf(?:inity)?", re.IGNORECASE)

# Python refuses to convert very long decimal numbers (sys.set_int_max_str_digits, 640 at least) in one piece.
_PIECE = 500
_PIECE_SIZE = 10**_PIECE

# Stands for a number that is not finite: the mantissa then is 1, -1 or (NaN) 0.
_NOT_FINITE = _HIGHEST_BIT + 1


class LongDouble(NamedTuple):
    """An 80 bit floating point number: mantissa * 2 ** exponent, or an infinity, or NaN."""

    mantissa: int
    exponent: int

    @property
    def is_finite(self) -> bool:
        """False of infinities and of NaN."""
        return self.exponent != _NOT_FINITE

    def plus(self, other: LongDouble) -> LongDouble:
        """Add, rounding as the hardware does; the result may be an infinity, or NaN."""
        if self.is_finite and other.is_finite:
            exponent = min(self.exponent, other.exponent)
            total = (self.mantissa << self.exponent - exponent) + (
                other.mantissa << other.exponent - exponent
            )
            return _scaled(total, exponent)
        infinite = {number.mantissa for number in (self, other) if not number.is_finite}
        return LongDouble(infinite.pop() if len(infinite) == 1 else 0, _NOT_FINITE)

    def times(self, factor: int) -> LongDouble:
        """Multiply by a positive integer, rounding as the hardware does."""
        return _scaled(self.mantissa * factor, self.exponent) if self.is_finite else self

    def ceil(self) -> int:
        """Return the smallest integer that is not below this number.

        Raises:
            OverflowError: of an infinity or NaN.
        """
        if not self.is_finite:
            raise OverflowError
        return self.mantissa << self.exponent if self.exponent >= 0 else -(-self.mantissa >> -self.exponent)


def parse_long_double(data: bytes) -> LongDouble | None:
    """Read a long double as Redis' ``string2ld`` (C's ``strtold``), or return None.

    Decimal and hexadecimal numbers and ``inf`` or ``infinity`` in any case, with an optional sign; no blanks,
    no NaN, less than 5 kB. What is too large for a long double, or so small that it would become zero, is
    refused.
    """
    if len(data) > _LONGEST:
        return None
    match = _DECIMAL.fullmatch(data)
    if match is not None:
        sign, whole, fraction, power = match.groups(b"")
        if not power and len(whole) <= 18 and not fraction:
            return LongDouble(-int(whole) if sign == b"-" else int(whole), 0)
        digits = (whole + fraction).lstrip(b"0")
        scale = _to_exponent(power) - len(fraction)
        if not digits:
            return LongDouble(0, 0)
        if not _TOO_SMALL < len(digits) + scale < _TOO_LARGE:
            return None
        magnitude = _to_integer(digits)
        number = _rounded(magnitude * 10**scale, 1) if scale >= 0 else _rounded(magnitude, 10**-scale)
    else:
        match = _HEXADECIMAL.fullmatch(data)
        if match is None:
            return _parse_infinity(data)
        sign, whole, fraction, power = match.groups(b"")
        magnitude = int(whole + fraction, 16)
        scale = _to_exponent(power) - 4 * len(fraction)
        if not magnitude:
            return LongDouble(0, 0)
        if not 2 * _LOWEST_EXPONENT < magnitude.bit_length() + scale < 2 * _HIGHEST_BIT:
            return None
        number = _scaled(magnitude, scale)
    if not number.mantissa or not number.is_finite:
        return None
    return LongDouble(-number.mantissa, number.exponent) if sign == b"-" else number


def format_long_double(number: LongDouble) -> bytes:
    """Print a long double for people (``ld2string`` with ``LD_STR_HUMAN``), as INCRBYFLOAT replies.

    C's ``%.17Lf`` without the zeros at its end: never an exponent, at most 17 places, never ``-0``.
    See https://redis.io/docs/latest/commands/incrbyfloat/.
    """
    mantissa, exponent = number
    if not number.is_finite:
        return b"nan" if not mantissa else b"inf" if mantissa > 0 else b"-inf"
    if exponent >= 0:
        return _to_digits(mantissa << exponent)
    scaled = _divide(abs(mantissa) * 10**_PLACES, 1 << -exponent)
    if not scaled:
        return b"0"
    digits = str(scaled).rjust(_PLACES + 1, "0")
    fraction = digits[-_PLACES:].rstrip("0")
    text = f"{'-' if mantissa < 0 else ''}{digits[:-_PLACES]}{'.' if fraction else ''}{fraction}"
    return text.encode("ascii")


def _parse_infinity(data: bytes) -> LongDouble | None:
    match = _INFINITY.fullmatch(data)
    if match is None:
        return None
    return LongDouble(-1 if match[1] == b"-" else 1, _NOT_FINITE)


def _divide(numerator: int, denominator: int) -> int:
    """Divide two positive integers, rounding half to even."""
    quotient, remainder = divmod(numerator, denominator)
    twice = 2 * remainder
    if twice > denominator or (twice == denominator and quotient & 1):
        quotient += 1
    return quotient


def _scaled(mantissa: int, exponent: int) -> LongDouble:
    """Round an exact mantissa * 2 ** exponent."""
    size = abs(mantissa)
    if exponent >= _LOWEST_EXPONENT and size.bit_length() <= _MANTISSA_BITS:
        return _checked(mantissa, exponent)
    rounded = _rounded(size << exponent, 1) if exponent >= 0 else _rounded(size, 1 << -exponent)
    return LongDouble(-rounded.mantissa, rounded.exponent) if mantissa < 0 else rounded


def _rounded(numerator: int, denominator: int) -> LongDouble:
    """Round an exact fraction that is not negative."""
    magnitude = numerator.bit_length() - denominator.bit_length()
    if magnitude >= 0:
        magnitude -= numerator < denominator << magnitude
    else:
        magnitude -= numerator << -magnitude < denominator
    # Now 2 ** magnitude is the largest power of two in the fraction.
    exponent = max(magnitude - _MANTISSA_BITS + 1, _LOWEST_EXPONENT)
    if exponent >= 0:
        mantissa = _divide(numerator, denominator << exponent)
    else:
        mantissa = _divide(numerator << -exponent, denominator)
    return _checked(mantissa, exponent)


def _checked(mantissa: int, exponent: int) -> LongDouble:
    if abs(mantissa).bit_length() + exponent > _HIGHEST_BIT:
        return LongDouble(1 if mantissa > 0 else -1, _NOT_FINITE)
    return LongDouble(mantissa, exponent)


def _to_exponent(text: bytes) -> int:
    """Read an exponent; one of absurd length only as far as to be far out of range."""
    value = int(text.lstrip(b"+-0")[:10] or b"0")
    return -value if text[:1] == b"-" else value


def _to_integer(digits: bytes) -> int:
    value = 0
    for start in range(0, len(digits), _PIECE):
        piece = digits[start : start + _PIECE]
        value = value * 10 ** len(piece) + int(piece)
    return value


def _to_digits(value: int) -> bytes:
    pieces: list[bytes] = []
    rest = abs(value)
    while rest >= _PIECE_SIZE:
        rest, piece = divmod(rest, _PIECE_SIZE)
        pieces.append(b"%0*d" % (_PIECE, piece))
    pieces.append(b"%d" % (-rest if value < 0 else rest))
    return b"".join(reversed(pieces))
