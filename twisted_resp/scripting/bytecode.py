"""What is done to compiled Lua 5.1 before it runs.

``return f(x)`` leaves no trace of the function that it stands in. Where ``f`` is written in C, as all of Redis' are,
that function is still there while ``f`` runs, and error messages name its line. Ours are written in Lua, so a script's
tail calls are made plain calls: but for the instruction the two are compiled alike.

Our own Lua is stripped of line numbers and names, which takes half its memory away and keeps its lines out of messages.
"""

from __future__ import annotations

from typing import Literal

__all__ = ["stripped", "without_tail_calls"]

_CALL = 28
_TAIL_CALL = 29
_OPCODE = 0x3F
# Types of constants.
_NIL, _BOOLEAN, _NUMBER, _STRING = 0, 1, 3, 4


class _Code:
    """Goes through what ``string.dump`` has made (the format is that of ``lundump.c``) and makes a copy."""

    def __init__(self, code: bytes, strip: bool) -> None:
        if code[:6] != b"\x1bLua\x51\0":
            raise ValueError("not compiled by Lua 5.1")
        self._order: Literal["little", "big"] = "little" if code[6] else "big"
        self._int, self._size, self._instruction, self._number = code[7:11]
        self._code = code
        self._place = 12
        self._strip = strip
        self.copy = bytearray(code[:12])
        self.changed = strip

    def _integer(self, size: int, keep: bool = True) -> int:
        data = self._bytes(size, keep)
        return int.from_bytes(data, self._order)

    def _bytes(self, size: int, keep: bool = True) -> bytes:
        data = self._code[self._place : self._place + size]
        self._place += size
        if keep:
            self.copy += data
        return data

    def _string(self, keep: bool = True) -> None:
        size = self._integer(self._size, keep)
        self._bytes(size, keep)

    def function(self) -> None:
        """Go through one function, and those in it."""
        self._string()  # source
        self._bytes(2 * self._int + 4)  # lines; upvalues, parameters, varargs, stack
        count = self._integer(self._int)
        start = len(self.copy)
        self._bytes(count * self._instruction)
        if not self._strip:
            lowest = start if self._order == "little" else start + self._instruction - 1
            for place in range(lowest, len(self.copy), self._instruction):
                if self.copy[place] & _OPCODE == _TAIL_CALL:
                    self.copy[place] += _CALL - _TAIL_CALL
                    self.changed = True
        for _ in range(self._integer(self._int)):
            kind = self._integer(1)
            if kind == _BOOLEAN:
                self._bytes(1)
            elif kind == _NUMBER:
                self._bytes(self._number)
            elif kind == _STRING:
                self._string()
            elif kind != _NIL:
                raise ValueError("an unknown kind of constant")
        for _ in range(self._integer(self._int)):
            self.function()
        self._names()

    def _names(self) -> None:
        """Lines of instructions, names of local variables and of upvalues."""
        keep = not self._strip
        count = self._integer(self._int, keep)
        self._bytes(count * self._int, keep)
        for _ in range(self._integer(self._int, keep)):
            self._string(keep)
            self._bytes(2 * self._int, keep)
        for _ in range(self._integer(self._int, keep)):
            self._string(keep)
        if not keep:
            self.copy += bytes(3 * self._int)


def without_tail_calls(code: bytes) -> bytes | None:
    """What ``string.dump`` answers for a function, changed; None if there is nothing to change."""
    reader = _Code(code, False)
    reader.function()
    return bytes(reader.copy) if reader.changed else None


def stripped(code: bytes) -> bytes:
    """The same without debug information."""
    reader = _Code(code, True)
    reader.function()
    return bytes(reader.copy)
