"""What arguments are made of: mostly sensible, now and then what no command should swallow."""

from __future__ import annotations

from random import Random

__all__ = ["ALL_KEYS", "KEYS", "LEX_KEYS", "Values"]

#: The keys, by the type that they mostly have. They are few, so that commands meet each other's values.
KEYS = {
    "string": [b"s1", b"s2", b"s3"],
    "bitmap": [b"s1", b"s2", b"s3", b"bit"],
    "hyperloglog": [b"hll1", b"hll2", b"s3"],
    "list": [b"l1", b"l2", b"l3"],
    "hash": [b"h1", b"h2", b"h3"],
    "set": [b"t1", b"t2", b"t3", b"t4"],
    "sorted-set": [b"z1", b"z2", b"z3"],
    "geo": [b"g1", b"g2"],
    "stream": [b"x1", b"x2"],
}
#: Sorted sets in which all scores are the same: elsewhere a range by member means nothing.
LEX_KEYS = [b"y1", b"y2"]
ALL_KEYS = sorted({key for keys in KEYS.values() for key in keys} | {b"none", b"", b"{t}k\x00\xff"})

_EDGES = [
    b"2147483647", b"2147483648", b"-2147483648", b"-2147483649", b"4294967295", b"4294967296",
    b"9223372036854775807", b"9223372036854775808", b"-9223372036854775808", b"-9223372036854775809",
    b"18446744073709551615", b"18446744073709551616", b"9" * 30,
]  # fmt: skip
_NO_NUMBERS = [
    b"", b" 1", b"1 ", b"+1", b"01", b"-0", b"0x1", b"1.0", b"1e2", b"abc", b"nan", b"1\x00", b"\xff", b"--1",
    b"1,5", b"#1", b"(1", b"*", b"inf",
]  # fmt: skip
_DOUBLES = [
    b"0", b"1", b"-1", b"2", b"3.5", b"-2.25", b"0.1", b"1e3", b"1e-5", b"3.0", b"100", b"12345.678", b"-0", b"inf",
    b"-inf", b"+inf", b"Infinity", b"1e17", b"123456789012345678", b"5e-324", b"1.7976931348623157e308", b".5", b"5.",
]  # fmt: skip
_ODD_DOUBLES = [
    b"nan", b"-nan", b"NAN", b"1e400", b"-1e400", b"1e-400", b"0x1p3", b"0x10", b"", b" 1", b"1 ", b"1.5x", b"abc",
    b"+-1", b"1e", b"1e+", b"e5", b".", b"1\x00", b"infinit", b"+inf ", b"1_0",
]  # fmt: skip
_TEXTS = [
    b"a", b"b", b"c", b"d", b"e", b"f", b"1", b"2", b"3", b"-7", b"10", b"007", b"3.5", b"hello", b"", b"x" * 64,
    b"y" * 65, b"z" * 300, b"\x00\x01\xff", b"9223372036854775807", b"-0", b"a b", b"A", b"\xc3\xa9",
    b"12345678901234567890", b"inf", b"1e5", b"c\r\nd",
]  # fmt: skip
_SCORES = [b"(1", b"(3.5", b"(inf", b"-inf", b"+inf", b"0", b"2", b"(", b"(nan", b"((1", b"1)", b"(-1"]
_LEX = [b"-", b"+", b"[a", b"(a", b"[c", b"(e", b"[", b"(", b"a", b"", b"[zz", b"-x", b"+x", b"[b\x00"]
_IDS = [
    b"0", b"0-0", b"0-1", b"1", b"1-1", b"1-2", b"2-0", b"2-5", b"3", b"5-5", b"7-1", b"9-9", b"-", b"+", b"(1-1",
    b"(2",
    b"1-*", b"3-*", b"50-1", b"51", b"60-3", b"18446744073709551615-18446744073709551615", b"18446744073709551615",
    b"18446744073709551616-0", b"1-", b"-1", b"1--1", b"a-b", b"", b"1-1-1", b"(", b"(-", b"$", b">", b"01-01",
    b"0-18446744073709551615",
]  # fmt: skip
_PATTERNS = [
    b"*", b"s*", b"?1", b"[a-e]*", b"[^a]*", b"h*", b"", b"\\*", b"[", b"[a", b"*1*", b"?", b"a*b*c", b"\\", b"[z-a]",
    b"{t}*", b"[]a]", b"**",
]  # fmt: skip
_BIT_TYPES = [
    b"u8",
    b"i8",
    b"u1",
    b"i64",
    b"u63",
    b"i5",
    b"u16",
    b"i16",
    b"u64",
    b"i65",
    b"u0",
    b"i0",
    b"x8",
    b"u",
    b"",
    b"U8",
]


class Values:
    """Makes arguments at random.

    :param random: where chance comes from.
    :ivar careful: whether to make sensible ones only. Half of the time something is wrong with a command, and nothing
        happens; so without careful ones between them few values would ever be large, or old.
    """

    def __init__(self, random: Random) -> None:
        self.random = random
        self.numbered = 0
        self.careful = False

    def _one_of(self, good: list[bytes], bad: list[bytes]) -> bytes:
        return self.random.choice(good if self.careful else good + bad)

    def key(self, group: str) -> bytes:
        """A key, mostly one that has the type of a group."""
        random = self.random
        if group in KEYS and (self.careful or random.random() < 0.93):
            return random.choice(KEYS[group])
        return random.choice(ALL_KEYS)

    def text(self) -> bytes:
        """An element, a member, a field, a value."""
        random = self.random
        if random.random() < 0.1:
            return b"%d" % random.randrange(-5, 400)
        if random.random() < 0.005:
            return bytes([random.randrange(97, 100)]) * random.choice([1000, 5000, 20000])
        return random.choice(_TEXTS)

    def integer(self, name: str, command: str) -> bytes:
        """A number for an argument of this name; not one that makes a server hold or send gigabytes."""
        random = self.random
        chance = random.random()
        if name == "milliseconds" and command.startswith("XREAD"):  # BLOCK
            return random.choice([b"1", b"2", b"abc", b"-1", b"", b"1.5"])
        if name in (
            "seconds",
            "milliseconds",
            "unix-time-seconds",
            "unix-time-milliseconds",
            "ttl",
            "timestamp",
        ):
            return self.time(name)
        if name in ("min-idle-time", "ms"):
            return self._one_of(
                [b"0", b"0", b"0", b"1000000000"], [b"-1", b"abc", b"", b"99999999999999999999"]
            )
        if name in ("offset", "bit") and command not in ("ZRANGEBYSCORE", "ZRANGE", "ZRANGEBYLEX", "SORT"):
            return self._one_of(
                [b"0", b"1", b"7", b"8", b"9", b"100", b"3000"],
                [b"-1", b"4294967296", b"#1", b"#0", b"", b"x", b"1.5", b"9223372036854775807",
                 b"99999999999999999999"],
            )  # fmt: skip
        if self.careful:
            chance = 0.06 + 0.94 * chance
        if chance < 0.03:
            return random.choice(_NO_NUMBERS)
        if chance < 0.06:
            edge = random.choice(_EDGES)
            if command == "LREM" and edge == b"-9223372036854775808":
                return b"-9223372036854775807"  # the other is refused since 7.2
            return edge if "RAND" not in command or not edge.startswith(b"-") else b"-9223372036854775808"
        if chance < 0.2:
            return b"%d" % random.randrange(-200, 200)
        return b"%d" % random.choice([-3, -2, -1, 0, 0, 1, 1, 1, 2, 2, 3, 4, 5, 7, 10])

    def time(self, name: str) -> bytes:
        """A duration, or a point in time: far from now, so that no test meets it."""
        random = self.random
        if not self.careful and random.random() < 0.25:
            return random.choice(
                [b"0", b"-1", b"abc", b"", b"1.5", b"9223372036854775807", b"-9223372036854775808", b"9223372036854775",
                 b"99999999999999999999", b" 100000", b"9223370336854775"]
            )  # fmt: skip
        if name.startswith("unix-time"):
            return b"4102444800" if name.endswith("-seconds") and random.random() < 0.9 else b"4102444800123"
        return random.choice([b"10000000", b"12345678", b"20000000", b"98765432"])

    def double(self, name: str) -> bytes:
        """A number with a fraction, or what some take for one."""
        random = self.random
        if name == "timeout":
            return random.choice([b"0.001", b"0.002", b"1e-3", b"abc", b"-1", b"nan", b"", b"1e400", b"-0.5"])
        if name == "longitude":
            if self.careful:
                return b"%.6f" % random.uniform(-10, 30)
            return random.choice(
                [b"13.361389", b"15.087269", b"-180", b"180", b"180.1", b"0", b"2.5", b"nan", b"x"]
            )
        if name == "latitude":
            if self.careful:
                return b"%.6f" % random.uniform(-20, 60)
            return random.choice(
                [b"38.115556", b"37.502669", b"85.05112878", b"-85.05112878", b"86", b"0", b"41", b"x"]
            )
        if name in ("radius", "width", "height"):
            return self._one_of(
                [b"0", b"1", b"100", b"200.5", b"1000", b"30000"], [b"-1", b"nan", b"inf", b"x", b"1e400"]
            )
        if name in ("min", "max"):
            return random.choice((_SCORES[:7] if self.careful else _SCORES) + _DOUBLES[:8])
        if not self.careful and random.random() < 0.1:
            return random.choice(_ODD_DOUBLES)
        if random.random() < 0.3:
            return b"%d" % random.randrange(-20, 50)
        return random.choice(_DOUBLES)

    def pattern(self) -> bytes:
        return self.random.choice(_PATTERNS)

    def string(self, name: str, command: str) -> bytes:
        """A word for an argument of this name."""
        random = self.random
        if name == "encoding":
            return random.choice(_BIT_TYPES[:8] if self.careful else _BIT_TYPES)
        if name in ("min", "max"):
            lex, scores = (_LEX[:6], _SCORES[:7]) if self.careful else (_LEX, _SCORES)
            choices = lex if "LEX" in command else lex + scores
            if random.random() < 0.4:
                return b"%d" % random.randrange(-3, 5)
            return random.choice(choices)
        if name in (
            "id",
            "start",
            "end",
            "lastid",
            "last-id",
            "threshold",
            "max-deleted-id",
            "entries-added-id",
        ):
            return self.id(command)
        if name == "group":
            return self._one_of([b"grp", b"grp", b"grp", b"g2"], [b"nogroup", b""])
        if name == "consumer":
            return random.choice([b"alice", b"bob", b"carol", b""])
        if name in ("operation",):
            return self._one_of([b"AND", b"or", b"XOR", b"NOT"], [b"NAND"])
        if name == "serialized-value":
            return random.choice([b"", b"abc", b"\x00\xc0\x01\x0a\x00" + b"\x00" * 8])
        return self.text()

    def id(self, command: str) -> bytes:
        """The id of an entry; XADD mostly gets one that is greater than those before."""
        random = self.random
        if command == "XADD" and random.random() < 0.8:
            self.numbered += 1
            return b"%d-%d" % (100 + self.numbered // 3, self.numbered % 3)
        if random.random() < 0.3:
            return b"%d-%d" % (100 + random.randrange(self.numbered // 3 + 1), random.randrange(3))
        if command == "XREADGROUP" and random.random() < 0.6:
            return b">"
        return random.choice(_IDS[:16] if self.careful else _IDS)
