"""Random commands, made from the syntax that a redis-server tells of its own (COMMAND DOCS).

So what it does not know is never asked, and every option of what it knows is, in every combination. One command in
ten or so is then damaged: a word too many or too few, two changed places, nonsense for an argument.
"""

from __future__ import annotations

from random import Random
from typing import Any

from tests.differential.values import LEX_KEYS, Values
from tests.differential.wire import Connection, Item

__all__ = ["Generator", "documentation"]

_GROUPS = ("string", "bitmap", "hyperloglog", "list", "hash", "set", "sorted-set", "geo", "stream", "generic")
# Not asked: they wait for ever, end the connection, touch files, or tell what is each server's own.
_LEFT_OUT = frozenset(
    ("MIGRATE", "WAIT", "RESTORE-ASKING", "PFDEBUG", "PFSELFTEST", "DUMP", "RANDOMKEY",
     "OBJECT HELP", "OBJECT REFCOUNT", "XINFO HELP",
     "XGROUP HELP", "SUBSTR")
)  # fmt: skip
# What has a time among its arguments, beside EXPIRE and its kin.
_TIMES = frozenset((b"EX", b"PX", b"EXAT", b"PXAT", b"SETEX", b"PSETEX", b"RESTORE"))
# How often, beside the others.
_WEIGHTS = {
    "XADD": 8, "ZADD": 6, "HSET": 5, "SADD": 5, "RPUSH": 4, "LPUSH": 4, "GEOADD": 4, "SET": 4, "XREADGROUP": 6,
    "XGROUP CREATE": 3, "PFADD": 3, "DEL": 0.4, "UNLINK": 0.4, "FLUSHALL": 0, "SORT": 3, "BITFIELD": 3, "SCAN": 2,
    "GETDEL": 0.5, "ZREMRANGEBYSCORE": 0.4, "ZREMRANGEBYRANK": 0.4, "ZREMRANGEBYLEX": 0.4, "XTRIM": 0.5,
    "KEYS": 0.3, "COPY": 0.7, "RENAME": 0.5, "MOVE": 0.3, "XGROUP DESTROY": 0.2, "LTRIM": 0.4, "EXPIREAT": 0.4,
    "PEXPIREAT": 0.4, "ZRANGE": 3, "SETRANGE": 0.7, "XINFO STREAM": 2, "BLMOVE": 0.3, "BRPOPLPUSH": 0.3,
    "BLPOP": 0.3, "BRPOP": 0.3, "BLMPOP": 0.3, "BZMPOP": 0.3, "BZPOPMIN": 0.3, "BZPOPMAX": 0.3,
}  # fmt: skip
_LIMITS = {
    b"list-max-listpack-size": [b"-2", b"-1", b"1", b"5", b"128", b"0"],
    b"hash-max-listpack-entries": [b"0", b"4", b"128"],
    b"hash-max-listpack-value": [b"0", b"5", b"64"],
    b"set-max-intset-entries": [b"0", b"4", b"512"],
    b"zset-max-listpack-entries": [b"0", b"4", b"128"],
    b"zset-max-listpack-value": [b"0", b"5", b"64"],
    b"stream-node-max-entries": [b"0", b"1", b"5", b"100"],
    b"stream-node-max-bytes": [b"0", b"60", b"4096"],
    b"hll-sparse-max-bytes": [b"0", b"30", b"3000"],
    b"list-compress-depth": [b"0", b"1"],
}
_SCRIPTS = (
    b"return redis.call(unpack(ARGV))",
    b"return redis.pcall(unpack(ARGV))",
    b"redis.setresp(3) return redis.call(unpack(ARGV))",
    b"return {redis.pcall(unpack(ARGV))}",
    b"local r = redis.pcall(unpack(ARGV)) return type(r) == 'table' and r.err or r",
    b"local r = redis.call(unpack(ARGV)) return type(r) == 'table' and #r or type(r)",
)


def documentation(connection: Connection) -> dict[str, dict[str, Any]]:
    """What a server tells of its commands, subcommands as ``XINFO STREAM``."""
    connection.ask(b"HELLO", b"3")
    told = _plain(connection.ask(b"COMMAND", b"DOCS"))
    connection.ask(b"HELLO", b"2")
    found = {}
    for name, entry in told.items():
        found[name.upper()] = entry
        for subname, subentry in entry.get("subcommands", {}).items():
            found[subname.replace("|", " ").upper()] = subentry
    return {name: entry for name, entry in found.items() if "subcommands" not in entry}


def _plain(item: Item) -> Any:
    if item.mark == b"%":
        return {_plain(key): _plain(value) for key, value in zip(item.value[::2], item.value[1::2])}
    if item.mark in b"*~":
        return [_plain(part) for part in item.value]
    if item.mark == b":":
        return int(item.value)
    return item.value.decode()


class Generator:
    """Makes requests.

    :param docs: see :func:`documentation`.
    :param groups: which groups of commands to take, all without it.
    """

    def __init__(self, random: Random, docs: dict[str, dict[str, Any]], groups: tuple[str, ...] = ()) -> None:
        self.random = random
        self.values = Values(random)
        self._docs = {
            name: entry
            for name, entry in docs.items()
            if entry["group"] in (groups or _GROUPS) and name not in _LEFT_OUT
        }
        self._names = list(self._docs)
        self._weights = [_WEIGHTS.get(name, 1) for name in self._names]

    def command(self) -> list[bytes]:
        """A command on data."""
        random = self.random
        (name,) = random.choices(self._names, self._weights)
        entry = self._docs[name]
        words = [word.encode() for word in name.split()]
        words += self._arguments(entry.get("arguments", []), entry["group"], name)
        blocking = name.startswith(("XREAD", "B")) and not name.startswith("BIT")
        # Damaged, one that blocks could block for ever.
        if random.random() < 0.05 and not (blocking or self.values.careful):
            words = self._damaged(name, words)
        if name == "SORT" and b"BY" in {word.upper() for word in words}:
            # Elements of the same weight, or without one, stay as they came: from a set (any key may hold one) in the
            # order of a hash table, which differs from run to run. So that is not stored.
            words = [b"ALPHA" if word.upper() == b"STORE" else word for word in words]
        if "LEX" in name or b"BYLEX" in [word.upper() for word in words]:
            place = 2 if name == "ZRANGESTORE" else 1
            words[place:] = [random.choice(LEX_KEYS), *words[place + 1 :]]
        if name == "XADD":  # an id from the time differs
            words = [b"9-*" if word == b"*" else word for word in words]
        elif name.startswith("XREAD"):  # newer
            words = [b"1-1" if word == b"+" else word for word in words]
        return words

    def other(self) -> list[bytes]:
        """A command on something else than data: settings, databases, the connection."""
        random = self.random
        key = self.values.key(random.choice(_GROUPS))
        chance = random.random()
        if chance < 0.35:
            name = random.choice(list(_LIMITS))
            return [b"CONFIG", b"SET", name, random.choice(_LIMITS[name])]
        choices = [
            [b"DBSIZE"],
            [b"SELECT", random.choice([b"0", b"1", b"0", b"16", b"-1", b"x", b""])],
            [b"SWAPDB", random.choice([b"0", b"1", b"x"]), random.choice([b"0", b"1", b"99"])],
            [b"ECHO", self.values.text()],
            [b"PING", self.values.text()],
            [b"OBJECT", random.choice([b"ENCODING", b"FREQ", b"encodin"]), key],
            [b"DEBUG", b"DIGEST-VALUE", key],
            [b"TYPE", key],
            [b"NOSUCH" + self.values.text(), self.values.text(), b"x" * 200],
            [b"COMMAND", b"COUNT", b"x"],
            [b"COMMAND", b"GETKEYS", *self.command()],
            [b"WAIT", b"x", b"0"],
            [b"EVAL", self.values.text(), b"0"],
            [b"EVAL", b"return 1", random.choice([b"1", b"-1", b"x", b"2"]), b"a"],
            [b"UNWATCH"],
            [b"DISCARD"],
            [b"EXEC"],
            [b"RESTORE", key, random.choice([b"0", b"-1", b"x"]), b"abc"],
        ]
        return random.choice(choices)

    def script(self) -> list[bytes]:
        """A script that calls a command."""
        words = self.command()
        while words[0].startswith(b"B") or b"BLOCK" in words:  # which scripts may run since 7.2
            words = self.command()
        script = self.random.choice(_SCRIPTS if words[0] != b"XINFO" else _SCRIPTS[:2])
        return [b"EVAL", script, b"0", *words]

    def filling(self) -> list[bytes]:
        """A command that makes a value long, past the limits of the compact encodings."""
        random = self.random
        start, count = random.randrange(1000), random.choice([20, 130, 300, 600])
        texts = [
            b"%d" % (start + place) if random.random() < 0.9 else b"m%d" % place for place in range(count)
        ]
        kind = random.choice(["lex", "list", "hash", "set", "sorted-set", "intset"])
        key = self.values.key("set" if kind == "intset" else kind)
        if kind == "list":
            return [random.choice([b"RPUSH", b"LPUSH"]), key, *texts]
        if kind == "set":
            return [b"SADD", key, *texts]
        if kind == "intset":
            return [
                b"SADD",
                key,
                *(b"%d" % (random.choice([1, 70000, 2**33]) * place) for place in range(count)),
            ]
        if kind == "lex":
            return [b"ZADD", random.choice(LEX_KEYS), *(word for text in texts for word in (b"0", text))]
        pairs = [word for place, text in enumerate(texts) for word in (b"%d" % (place % 50), text)]
        return (
            [b"ZADD", key, *pairs]
            if kind == "sorted-set"
            else [b"HSET", key, *(p for t in texts for p in (t, t))]
        )

    # -- from the tree of arguments

    def _arguments(self, arguments: list[dict[str, Any]], group: str, command: str) -> list[bytes]:
        random = self.random
        parts: list[tuple[bool, list[bytes]]] = []
        counted: int | None = None
        for argument in arguments:
            flags = argument.get("flags", [])
            optional = "optional" in flags
            if optional and random.random() < 0.6:
                continue
            if argument["name"] in ("numkeys", "numfields") and not optional:
                counted = len(parts)
                parts.append((False, [b"?"]))
                continue
            again = random.choice([1, 1, 2, 3]) if "multiple" in flags else 1
            token = argument.get("token")
            # An empty token of the documentation stands for the empty string.
            spelled = (
                [] if token is None else [token.encode() if random.random() < 0.9 else token.lower().encode()]
            )
            made: list[bytes] = []
            for turn in range(again):
                if spelled and argument["type"] != "pure-token" and (turn == 0 or "multiple_token" in flags):
                    made += spelled
                made += self._one(argument, group, command)
            if counted is not None and parts[counted][1] == [b"?"]:
                number = (
                    again
                    if self.values.careful or random.random() < 0.93
                    else random.choice([0, -1, again + 1, again - 1, 2**31])
                )
                parts[counted] = (
                    False,
                    [b"%d" % number if self.values.careful or random.random() < 0.97 else b"x"],
                )
            parts.append((optional and token is not None, made))
        if random.random() < 0.3:  # options go in any order
            optional_parts = [made for optional, made in parts if optional]
            random.shuffle(optional_parts)
            parts = [(False, optional_parts.pop() if optional else made) for optional, made in parts]
        return [word for _, made in parts for word in made]

    def _one(self, argument: dict[str, Any], group: str, command: str) -> list[bytes]:
        kind, name = argument["type"], argument["name"]
        values = self.values
        if kind == "oneof":
            choices = argument["arguments"]
            choice = dict(self.random.choice(choices))
            choice["flags"] = [flag for flag in choice.get("flags", []) if flag != "optional"]
            return self._arguments([choice], group, command)
        if kind == "block":
            return self._arguments(argument["arguments"], group, command)
        if kind == "pure-token":
            token = argument["token"].encode()
            return [token if self.random.random() < 0.9 else token.lower()]
        if kind == "key":
            return [values.key(group)]
        if kind == "integer":
            return [values.integer(name, command)]
        if kind == "double":
            return [values.double(name)]
        if kind == "unix-time":
            return [values.time(name)]
        if kind == "pattern":
            return [values.pattern()]
        return [values.string(name, command)]

    def _damaged(self, name: str, words: list[bytes]) -> list[bytes]:
        random = self.random
        words = list(words)
        place = random.randrange(1, len(words)) if len(words) > 1 else 0
        what = random.randrange(6)
        if what in (2, 3) and ("EXPIRE" in name or not _TIMES.isdisjoint(word.upper() for word in words)):
            what = 4  # a time that is another than was meant may come while the servers are asked
        if what in (1, 5) and name in ("ZRANK", "ZREVRANK"):
            what = 4  # that takes more words since 7.2, and is queued with too many
        if what == 0 and place:
            del words[place]
        elif what == 1:
            words.insert(place + 1, self.values.text())
        elif what == 2 and place:
            words[place] = random.choice(
                [self.values.text(), self.values.integer("count", "RAND"), self.values.double("x")]
            )
        elif what == 3 and place:
            other = random.randrange(1, len(words))
            words[place], words[other] = words[other], words[place]
        elif what == 4 and place:
            words[place] = words[place].swapcase()
        else:
            words += words[-random.randrange(1, 3) :]
        return words
