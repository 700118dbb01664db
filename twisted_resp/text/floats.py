"""How Redis reads and prints doubles: scores, coordinates and the doubles of RESP3.

Reading follows C's ``strtod``, which Redis calls up to 7.4, printing the ``fpconv_dtoa`` of Redis 7.2 and
later: the shortest digits that read back to the same double, in a layout of its own. (Its Grisu2 algorithm
misses them for about one double in a thousand and prints longer or farther digits; ours are always the
shortest and nearest.) For long doubles see `twisted_resp.text.long_doubles`.
"""

from __future__ import annotations

import re
from math import copysign, inf

__all__ = ["format_double", "format_double_17g", "format_for_people", "parse_double"]

_PLAIN = b"0123456789.-+eE"
# So many digits are not too large for a double.
_FINITE = 308
_INFINITY = re.compile(rb"([+-]?)inf(?:inity)?", re.IGNORECASE)
_HEXADECIMAL = re.compile(
    rb"([+-]?0x)(?=\.?[0-9a-f])([0-9a-f]*)(?:\.([0-9a-f]*))?(?:p([+-]?[0-9]+))?", re.IGNORECASE
)

# Doubles that are integers of at most this size are printed as integers.
_INTEGERS = 2.0**62


def parse_double(data: bytes) -> float | None:
    """Read a double as Redis' ``string2d``, or return None.

    Decimal and hexadecimal (``0x1.8p3``) numbers and ``inf`` or ``infinity`` in any case, with an optional
    sign; no blanks, no NaN. What is too large for a double, or so small that it would become zero, is
    refused.
    """
    if data.isdigit() and len(data) <= _FINITE:
        return float(data)
    if data.translate(None, _PLAIN):
        return _parse_special(data)
    try:
        value = float(data)
    except ValueError:
        return None
    if value == 0.0:
        return None if _has_significant_digit(data) else value
    return None if value in (inf, -inf) else value


def _has_significant_digit(data: bytes) -> bool:
    mantissa = data.lower().partition(b"e")[0]
    return bool(mantissa.strip(b"+-.0"))


def _parse_special(data: bytes) -> float | None:
    match = _INFINITY.fullmatch(data)
    if match is not None:
        return -inf if match[1] == b"-" else inf
    match = _HEXADECIMAL.fullmatch(data)
    if match is None:
        return None
    head, whole, fraction, exponent = match.groups(b"")
    text = b"%b%b.%bp%b" % (head, whole, fraction, exponent or b"0")
    try:
        value = float.fromhex(text.decode("ascii"))
    except OverflowError:
        return None
    if value == 0.0 and (whole + fraction).strip(b"0"):
        return None
    return value


def format_double(value: float) -> bytes:
    """Print a double as Redis 7.2 and later do in replies (``d2string``).

    Integers of up to 2**62 are printed in full, others with the fewest digits that read back to the same
    double: in full with up to seven zeros behind the digits, with up to six places behind the point, or from
    0.001 to below 10000; otherwise with an exponent (``1e+20``, ``1.5e-7``). Zero keeps its sign; ``inf``,
    ``-inf`` and ``nan`` are spelled so.
    """
    if value.is_integer():
        if -_INTEGERS <= value <= _INTEGERS:
            if value == 0.0 and copysign(1.0, value) < 0:
                return b"-0"
            return b"%d" % int(value)
    elif value - value != 0.0:
        return b"nan" if value != value else b"inf" if value > 0 else b"-inf"
    text = repr(value)
    if 0.001 <= value < 10000.0 or -10000.0 < value <= -0.001:
        return text.encode("ascii")  # the layouts agree
    return _lay_out(text).encode("ascii")


def _lay_out(text: str) -> str:
    """Turn what ``repr`` says of a double into the layout of ``fpconv_dtoa``."""
    sign = "-" if text[0] == "-" else ""
    mantissa, _, exponent = text[len(sign) :].partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    # The value is digits * 10 ** scale.
    scale = int(exponent or "0") - len(fraction) + len(digits) - len(digits.rstrip("0"))
    digits = digits.rstrip("0")
    magnitude = scale + len(digits) - 1
    if 0 <= scale <= 7:
        return sign + digits + "0" * scale
    if -7 < scale < 0 or (scale < 0 and -4 < magnitude < 4):
        if magnitude < 0:
            return f"{sign}0.{'0' * (-magnitude - 1)}{digits}"
        return f"{sign}{digits[:scale]}.{digits[scale:]}"
    return f"{sign}{digits[0]}{'.' if len(digits) > 1 else ''}{digits[1:]}e{magnitude:+d}"


def format_double_17g(value: float) -> bytes:
    """Print a double with 17 significant digits, as all of Redis up to 7.0 does in replies (C's ``%.17g``).

    Later versions still do so for the scores that ZSCAN returns from a skip list.
    """
    return b"nan" if value != value else b"%.17g" % value


def format_for_people(value: float) -> bytes:
    """Print a double without an exponent, with up to 17 places: C's ``%.17f`` without the zeros at its end.

    So are coordinates, which go through ``ld2string`` with ``LD_STR_HUMAN``; see
    https://redis.io/docs/latest/commands/geopos/.
    """
    text = (b"%.17f" % value).rstrip(b"0").rstrip(b".")
    return b"0" if text == b"-0" else text
