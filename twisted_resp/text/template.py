"""Templates as redis.conf has them: ``{name}`` stands for a value, ``{{`` for a brace."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["expand"]


def expand(template: bytes, values: Mapping[bytes, bytes]) -> bytes:
    """Put values in the place of their names.

    :raises ValueError: a name that there is no value for, or that does not end.
    """
    parts = []
    start = 0
    while True:
        brace = template.find(b"{", start)
        if brace < 0:
            parts.append(template[start:])
            return b"".join(parts)
        parts.append(template[start:brace])
        if template.startswith(b"{", brace + 1):
            parts.append(b"{")
            start = brace + 2
            continue
        end = template.find(b"}", brace)
        value = values.get(template[brace + 1 : end]) if end >= 0 else None
        if value is None:
            raise ValueError
        parts.append(value)
        start = end + 1
