"""Ask two servers the same, and tell where they differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from random import Random
from typing import NamedTuple

from tests.differential.generator import Generator, documentation
from tests.differential.judge import DRAWS_AND_CHANGES, same
from tests.differential.values import ALL_KEYS, LEX_KEYS
from tests.differential.wire import Connection, Item, Request

__all__ = ["Difference", "Runner"]

_BATCH = 40
_DEFAULTS = (
    [b"CONFIG", b"SET", b"list-max-listpack-size", b"-2"],
    [b"CONFIG", b"SET", b"hash-max-listpack-entries", b"512"],
    [b"CONFIG", b"SET", b"hash-max-listpack-value", b"64"],
    [b"CONFIG", b"SET", b"set-max-intset-entries", b"512"],
    [b"CONFIG", b"SET", b"zset-max-listpack-entries", b"128"],
    [b"CONFIG", b"SET", b"zset-max-listpack-value", b"64"],
    [b"CONFIG", b"SET", b"stream-node-max-entries", b"100"],
    [b"CONFIG", b"SET", b"stream-node-max-bytes", b"4096"],
    [b"CONFIG", b"SET", b"hll-sparse-max-bytes", b"3000"],
    [b"CONFIG", b"SET", b"list-compress-depth", b"0"],
)


class Difference(NamedTuple):
    """A request that was answered differently; ``before`` are the last ones on the way to it."""

    words: list[bytes]
    ours: Item
    theirs: Item
    before: list[list[bytes]]


class Runner:
    """Compares a server with a redis-server.

    :param ours: a connection to the one, ``theirs`` to the other; what they hold is lost.
    :param protocol: the RESP version to talk.
    """

    def __init__(
        self, ours: Connection, theirs: Connection, seed: int, protocol: int, groups: tuple[str, ...] = ()
    ) -> None:
        self.ours = ours
        self.theirs = theirs
        self.random = Random(seed)
        #: After how many commands to compare what the servers hold.
        self.check_every = 2000
        self.asked: Counter[bytes] = Counter()
        self.errors = 0
        self._protocol = protocol
        self.generator = Generator(self.random, documentation(theirs), groups)
        self._history: list[list[bytes]] = []
        self.start()

    def start(self) -> None:
        """Begin with empty servers of the same settings."""
        for request in (
            [b"DISCARD"], [b"HELLO", b"%d" % self._protocol], [b"FLUSHALL"], [b"SELECT", b"0"], [b"SCRIPT", b"FLUSH"],
            *_DEFAULTS,
        ):  # fmt: skip
            for server in (self.ours, self.theirs):
                server.ask(*request)
        self._history.clear()

    def run(self, count: int, progress: Callable[[int], None] = lambda done: None) -> Iterator[Difference]:
        """Ask so many commands; begin anew after each difference, as nothing after it would mean much."""
        done, checked = 0, 0
        while done < count:
            batch = self._batch()
            done += len(batch)
            differences = self._compare(batch)
            if not differences and done - checked >= self.check_every:
                checked = done
                differences = self._check()
                progress(done)
                if self.random.random() < self.check_every / 7000:
                    self.start()
            if differences:
                yield differences[0]
                self.start()

    def _batch(self) -> list[list[bytes]]:
        random, generator = self.random, self.generator
        generator.values.careful = random.random() < 0.5
        chance = random.random()
        if chance < 0.08:
            commands = [generator.command() for _ in range(random.randrange(6))]
            queued = [
                one
                for words in commands
                if words[0].upper() not in DRAWS_AND_CHANGES
                for one in _prepared(words)
            ]
            return [[b"MULTI"], *queued, [b"EXEC"]]
        batch: list[list[bytes]] = []
        for _ in range(_BATCH):
            chance = random.random()
            if chance < 0.04:
                words = generator.other()
            elif chance < 0.055:
                words = generator.filling()
            elif chance < 0.11:
                words = generator.script()
            else:
                words = generator.command()
            if any(word.upper() in DRAWS_AND_CHANGES for word in words):
                if batch or words[0].upper() not in DRAWS_AND_CHANGES:
                    continue
                return [words]
            batch += _prepared(words)
        return batch

    def _compare(self, batch: list[list[bytes]]) -> list[Difference]:
        differences = []
        for server in (self.ours, self.theirs):
            server.send(batch)
        for place, words in enumerate(batch):
            self.asked[words[0].upper()] += 1
            try:
                ours, theirs = self.ours.receive(), self.theirs.receive()
            except (OSError, EOFError) as error:
                raise RuntimeError(f"no reply to {words}") from error
            self.errors += theirs.is_error
            if words[0].upper() in DRAWS_AND_CHANGES:
                if theirs.is_error or ours.is_error:
                    right = ours == theirs
                else:
                    right = ours.mark == theirs.mark
                    self._copy(words[1])
            elif words == [b"EXEC"] and batch[0] == [b"MULTI"]:
                right = _same_in_transaction(batch[1:-1], ours, theirs)
            else:
                right = same(words, ours, theirs)
            if not right:
                before = [*self._history, *batch[:place]][-200:]
                differences.append(Difference(words, ours, theirs, before))
        self._history = [*self._history, *batch][-200:]
        return differences

    def _copy(self, key: bytes) -> None:
        """Make a key of theirs what it is here."""
        payload = self.ours.ask(b"DUMP", key).value
        if payload is None:
            self.theirs.ask(b"DEL", key)
        else:
            ttl = self.ours.ask(b"PTTL", key).value
            self.theirs.ask(b"RESTORE", key, ttl if int(ttl) > 0 else b"0", payload, b"REPLACE")

    def _check(self) -> list[Difference]:
        """Compare what the servers hold, and exchange it."""
        found = []
        requests: list[Request] = [[b"DBSIZE"]]
        for key in (*ALL_KEYS, *LEX_KEYS):
            requests += [
                [b"TYPE", key],
                [b"OBJECT", b"ENCODING", key],
                [b"DEBUG", b"DIGEST-VALUE", key],
                [b"PTTL", key],
            ]
        for request in requests:
            words = list(request)
            ours, theirs = self.ours.ask(*words), self.theirs.ask(*words)
            if not same(words, ours, theirs):
                found.append(Difference(words, ours, theirs, list(self._history)))
        for key in (*ALL_KEYS, *LEX_KEYS):
            for giver in (self.ours, self.theirs):
                payload = giver.ask(b"DUMP", key).value
                if payload:
                    # What it was is no measure: -0 in a skip list comes back as 0 in a listpack.
                    mine, other = self._restored(self.ours, payload), self._restored(self.theirs, payload)
                    if mine != other or mine.is_error:
                        found.append(Difference([b"RESTORE", key, payload], mine, other, list(self._history)))
        return found

    def _restored(self, taker: Connection, payload: bytes) -> Item:
        """The digest of what a server makes of a payload, or an error."""
        restored = taker.ask(b"RESTORE", b"copy", b"0", payload, b"REPLACE")
        digest = taker.ask(b"DEBUG", b"DIGEST-VALUE", b"copy")
        taker.ask(b"DEL", b"copy")
        return restored if restored.is_error else digest


def _prepared(words: list[bytes]) -> list[list[bytes]]:
    """A request, and what has to come before it.

    SORT in redis-server looks at the C library's error number, where ERANGE may be left from anything before: then it
    refuses good numbers. To read a score sets it to zero.
    """
    sorts = any(word.upper().startswith(b"SORT") for word in words)
    return [[b"ZINCRBY", b"none", b"no score", b"x"], words] if sorts else [words]


def _same_in_transaction(commands: list[list[bytes]], ours: Item, theirs: Item) -> bool:
    if not isinstance(theirs.value, list) or not isinstance(ours.value, list):
        return ours == theirs
    # A command that was refused was not queued, and then EXEC is an error.
    return len(commands) == len(theirs.value) == len(ours.value) and all(
        same(words, mine, other) for words, mine, other in zip(commands, ours.value, theirs.value)
    )
