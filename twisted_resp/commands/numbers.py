"""Numbers among a command's arguments: converted, or refused with the error that Redis has for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_resp import errors
from twisted_resp.errors import CommandError
from twisted_resp.text.durations import parse_seconds
from twisted_resp.text.integers import INT64_MAX, parse_integer

if TYPE_CHECKING:
    from twisted_resp.server.client import Client

__all__ = ["at_least", "draws", "integer", "timeout_in_milliseconds", "timeout_in_seconds"]

# The shortest element of a reply (bytes).
_SHORTEST = len(b"$0\r\n\r\n")


def integer(argument: bytes, error: bytes = errors.NOT_AN_INTEGER) -> int:
    """A signed 64 bit integer.

    :raises CommandError: ``error``.
    """
    value = parse_integer(argument)
    if value is None:
        raise CommandError(error)
    return value


def at_least(least: int, argument: bytes, error: bytes = errors.MUST_BE_POSITIVE) -> int:
    """An integer that is not below ``least``.

    :raises CommandError: ``error``, also for what is no integer at all.
    """
    value = parse_integer(argument)
    if value is None or value < least:
        raise CommandError(error)
    return value


def draws(client: Client, count: int) -> int:
    """How many elements are drawn for ``count``, where they may repeat and so could be any number.

    No more than suffice to end the connection, where its replies are limited.
    """
    return min(count, client.longest_reply() // _SHORTEST + 1)


def timeout_in_seconds(argument: bytes, now: int) -> float:
    """How long BLPOP and its kin may wait: seconds, by Redis rounded up to whole milliseconds; 0 is for ever.

    :param now: Unix time in milliseconds; the end of the wait must be a time that Redis can count.
    :raises CommandError: no number, negative, or out of range.
    """
    milliseconds = parse_seconds(argument)
    if milliseconds is None:
        raise CommandError(errors.INVALID_TIMEOUT)
    return _checked(milliseconds, now)


def timeout_in_milliseconds(argument: bytes, now: int) -> float:
    """How long XREAD and its kin may wait: like :func:`timeout_in_seconds`, but given in milliseconds.

    :return: seconds.
    :raises CommandError: no integer, negative, or out of range.
    """
    return _checked(integer(argument, errors.INVALID_INTEGER_TIMEOUT), now)


def _checked(milliseconds: int, now: int) -> float:
    if milliseconds < 0:
        raise CommandError(errors.NEGATIVE_TIMEOUT)
    if milliseconds > INT64_MAX - now:
        raise CommandError(errors.TIMEOUT_OUT_OF_RANGE)
    return milliseconds / 1000
