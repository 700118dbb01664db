"""The keys of a database as a mapping: read, compared and changed by a test without a client.

>>> assert server.keys == {"user:1": {"name": "Ada"}, "queue": ["a", "b"], "tags": {"x"}, "board": {"ann": 1.5}}

A string is a text, a list a list, a set a set, a hash a dict of texts, a sorted set a dict of floats and a stream a
list of ``(id, fields)``. In a comparison texts, bytes and numbers are what they are in a command: ``"1"``, ``b"1"`` and
``1`` are equal. To look leaves no trace: no key is touched and no hit counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any

from twisted_resp.in_process import as_argument
from twisted_resp.keyspace.database import Database, Value, type_name
from twisted_resp.testing.comparison import described, matches, parts, short
from twisted_resp.values.hash import Hash
from twisted_resp.values.list import List
from twisted_resp.values.set import Set
from twisted_resp.values.sorted_set import SortedSet
from twisted_resp.values.stream import Stream
from twisted_resp.values.strings import encoding_of

if TYPE_CHECKING:
    from twisted_resp.testing.factory import ControlledFactory

__all__ = ["Keys"]


class Keys(MutableMapping[Any, Any]):
    """The keys of one database.

    :param run: calls a function with the factory, in the thread of its reactor, and answers what that answers.
    :param database: its number.
    :param decode: whether bytes become texts, where they are UTF-8; see :attr:`as_bytes`.
    """

    __hash__ = None  # type: ignore[assignment]

    def __init__(
        self, run: Callable[[Callable[[ControlledFactory], Any]], Any], database: int = 0, decode: bool = True
    ) -> None:
        self._run = run
        self._index = database
        self._decode = decode

    @property
    def as_bytes(self) -> Keys:
        """The same keys, with bytes in the place of texts."""
        return Keys(self._run, self._index, decode=False)

    def as_dict(self) -> dict[Any, Any]:
        """All keys and values."""
        return {self._text(key): self._plain(value) for key, value in sorted(self._copy().items())}

    # -- a mapping

    def __getitem__(self, key: Any) -> Any:
        name = as_argument(key)
        return self._with(lambda database: self._plain(_live(database, name)))

    def __setitem__(self, key: Any, value: Any) -> None:
        self._run(lambda factory: factory.seed({"$databases": {self._index: {key: value}}}))

    def __delitem__(self, key: Any) -> None:
        name = as_argument(key)

        def delete(database: Database) -> None:
            _live(database, name)
            database.remove(name)

        self._with(delete)

    def __iter__(self) -> Iterator[Any]:
        return iter([self._text(key) for key in self._with(lambda database: sorted(_live_keys(database)))])

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __contains__(self, key: object) -> bool:
        name = as_argument(key)
        found: bool = self._with(lambda database: name in database.values and not database.is_past(name))
        return found

    def clear(self) -> None:
        """Delete all of them."""
        self._run(lambda factory: factory.server.keyspace.databases[self._index].flush())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mapping):
            return NotImplemented
        return not self.differences(other)

    def __repr__(self) -> str:
        return f"<keys of database {self._index}: {self.as_dict()!r}>"

    # -- more about one

    def ttl(self, key: Any) -> float | None:
        """How long a key lives on, in seconds of the server's clock; None where it has no expiry.

        :raises KeyError: it is not there.
        """
        name = as_argument(key)

        def left(database: Database) -> float | None:
            _live(database, name)
            at = database.expires.get(name)
            return None if at is None else (at - database.keyspace.tick()) / 1000

        found: float | None = self._with(left)
        return found

    def type(self, key: Any) -> str:
        """What TYPE says of a key.

        :raises KeyError: it is not there.
        """
        name = as_argument(key)
        return str(self._with(lambda database: type_name(_live(database, name)).decode()))

    def encoding(self, key: Any) -> str:
        """What OBJECT ENCODING says of a key.

        :raises KeyError: it is not there.
        """
        name = as_argument(key)
        return str(self._with(lambda database: _encoding(_live(database, name))))

    # -- comparing

    def differences(self, expected: Mapping[Any, Any]) -> list[str]:
        """What is not as expected, a line each; nothing where all is."""
        if isinstance(expected, Keys):
            expected = expected.as_bytes.as_dict()
        wanted = {as_argument(key): value for key, value in expected.items()}
        there = self._copy()
        lines = []
        for key in sorted(wanted.keys() | there.keys()):
            name = repr(self._text(key))
            if key not in there:
                lines.append(f"{name} is missing: {short(wanted[key])}")
            elif key not in wanted:
                lines.append(f"{name} is not expected: {described(there[key], self._plain(there[key]))}")
            elif not matches(there[key], wanted[key]):
                found = described(there[key], self._plain(there[key]))
                lines.append(f"{name} is {found}, not {short(wanted[key])}")
                lines += [f"    {line}" for line in parts(self._plain(there[key]), there[key], wanted[key])]
        return lines

    # -- within

    def _with(self, look: Callable[[Database], Any]) -> Any:
        def look_there(factory: ControlledFactory) -> Any:
            keyspace = factory.server.keyspace
            keyspace.tick()
            return look(keyspace.databases[self._index])

        return self._run(look_there)

    def _copy(self) -> dict[bytes, Value]:
        """All values, to be looked at in another thread."""

        def copy(database: Database) -> dict[bytes, Value]:
            values = database.values
            return {
                key: values[key] if type(values[key]) is bytes else _copied(values[key])
                for key in _live_keys(database)
            }

        copied: dict[bytes, Value] = self._with(copy)
        return copied

    def _text(self, data: bytes) -> Any:
        if self._decode:
            try:
                return data.decode()
            except UnicodeDecodeError:
                pass
        return data

    def _plain(self, value: Value) -> Any:
        text = self._text
        if isinstance(value, (bytes, bytearray)):
            return text(bytes(value))
        if isinstance(value, List):
            return [text(element) for element in value]
        if isinstance(value, Set):
            return {text(member) for member in value}
        if isinstance(value, SortedSet):
            return {text(member): score for member, score in value}
        if isinstance(value, Hash):
            return {text(field): text(content) for field, content in value.items()}
        assert isinstance(value, Stream)
        return [
            (f"{entry_id[0]}-{entry_id[1]}", dict(zip(map(text, fields[::2]), map(text, fields[1::2]))))
            for entry_id, fields in ((entry_id, list(fields)) for entry_id, fields in value)
        ]


def _live_keys(database: Database) -> list[bytes]:
    return [key for key in database.values if not database.is_past(key)]


def _live(database: Database, key: bytes) -> Value:
    if key not in database.values or database.is_past(key):
        raise KeyError(key.decode("utf-8", "backslashreplace"))
    return database.values[key]


def _copied(value: Value) -> Value:
    return bytes(value) if type(value) is bytearray else value.copy()


def _encoding(value: Value) -> str:
    encoding: bytes = encoding_of(value) if isinstance(value, (bytes, bytearray)) else value.encoding
    return encoding.decode()
