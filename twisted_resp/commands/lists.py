"""The list group: https://redis.io/docs/latest/commands/?group=list

The commands that wait are in `blocking_lists.py`. LPUSH, RPUSH, LPOP, RPOP and LRANGE are hot paths.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from twisted_resp import errors
from twisted_resp.commands.numbers import at_least, integer
from twisted_resp.commands.table import DENYOOM, FAST, READONLY, WRITE, command, in_columns
from twisted_resp.errors import CommandError
from twisted_resp.keyspace.columns import create_alike, edit_alike
from twisted_resp.keyspace.events import LIST
from twisted_resp.resp import NULL_ARRAY, OK, Reply
from twisted_resp.server.client import Client
from twisted_resp.text.integers import INT64_MAX, INT64_MIN
from twisted_resp.values.list import List

__all__ = ["move", "parse_pop", "pop_first", "which_end"]

GROUP = "list"

_PER_ELEMENT: Final = (
    "O(1) for each element added, so O(N) to add N elements when the command is called with multiple "
    "arguments."
)
_POP: Final = "O(N) where N is the number of elements returned"
_MANY_ELEMENTS: Final = "Accepts multiple `element` arguments."

_RANK_ZERO: Final = (
    b"ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to "
    b"start from the end of the list"
)


def which_end(word: bytes) -> bool:
    """True for LEFT, False for RIGHT, in any case.

    :raises CommandError: a syntax error.
    """
    word = word.upper()
    if word == b"RIGHT":
        return False
    if word == b"LEFT":
        return True
    raise CommandError(errors.SYNTAX)


# ---------------------------------------------------------------------- push


@command(
    "LPUSH key element [element ...]",
    WRITE | DENYOOM | FAST,
    since="1.0.0",
    complexity=_PER_ELEMENT,
    keys=["RW insert"],
    history=[("2.4.0", _MANY_ELEMENTS)],
)
def lpush(client: Client, key: bytes, *elements: bytes) -> Reply:
    """Prepends one or more elements to a list. Creates the key if it doesn't exist."""
    db = client.db
    value = db.edit(key, List)
    if value is None:
        value = db.create(key, List)
    length = value.push_left(elements)
    db.grown(key, b"lpush", LIST, len(elements))
    return length


@in_columns(lpush, 3)
def _lpush_in_columns(client: Client, keys: list[bytes], elements: list[bytes]) -> Sequence[Reply]:
    db = client.db
    value = create_alike(db, keys, List)
    if value is None:
        return ()
    lengths = value.push_left_each(elements)
    db.grown(keys[0], b"lpush", LIST, len(elements))
    return lengths


@command(
    "RPUSH key element [element ...]",
    WRITE | DENYOOM | FAST,
    since="1.0.0",
    complexity=_PER_ELEMENT,
    keys=["RW insert"],
    history=[("2.4.0", _MANY_ELEMENTS)],
)
def rpush(client: Client, key: bytes, *elements: bytes) -> Reply:
    """Appends one or more elements to a list. Creates the key if it doesn't exist."""
    db = client.db
    value = db.edit(key, List)
    if value is None:
        value = db.create(key, List)
    length = value.push_right(elements)
    db.grown(key, b"rpush", LIST, len(elements))
    return length


@in_columns(rpush, 3)
def _rpush_in_columns(client: Client, keys: list[bytes], elements: list[bytes]) -> Sequence[Reply]:
    db = client.db
    value = create_alike(db, keys, List)
    if value is None:
        return ()
    lengths = value.push_right_each(elements)
    db.grown(keys[0], b"rpush", LIST, len(elements))
    return lengths


@command(
    "LPUSHX key element [element ...]",
    WRITE | DENYOOM | FAST,
    since="2.2.0",
    complexity=_PER_ELEMENT,
    keys=["RW insert"],
    history=[("4.0.0", _MANY_ELEMENTS)],
)
def lpushx(client: Client, key: bytes, *elements: bytes) -> Reply:
    """Prepends one or more elements to a list only when the list exists."""
    return 0 if client.db.edit(key, List) is None else lpush(client, key, *elements)


@command(
    "RPUSHX key element [element ...]",
    WRITE | DENYOOM | FAST,
    since="2.2.0",
    complexity=_PER_ELEMENT,
    keys=["RW insert"],
    history=[("4.0.0", _MANY_ELEMENTS)],
)
def rpushx(client: Client, key: bytes, *elements: bytes) -> Reply:
    """Appends an element to a list only when the list exists."""
    return 0 if client.db.edit(key, List) is None else rpush(client, key, *elements)


# ----------------------------------------------------------------------- pop


@command(
    "LPOP key [count]",
    WRITE | FAST,
    since="1.0.0",
    complexity=_POP,
    keys=["RW access delete"],
    argument_since={"count": "6.2.0"},
    history=[("6.2.0", "Added the `count` argument.")],
)
def lpop(client: Client, key: bytes, *count: bytes) -> Reply:
    """Returns the first elements in a list after removing it.
    Deletes the list if the last element was popped.
    """
    if count:
        return _pop_count(client, key, count, True)
    db = client.db
    value = db.edit(key, List)
    if value is None:
        return None
    element = value.pop_left()
    db.edited(key, b"lpop", LIST)
    return element


@in_columns(lpop, 2)
def _lpop_in_columns(client: Client, keys: list[bytes]) -> Sequence[Reply]:
    return _pop_in_columns(client, keys, True)


def _pop_in_columns(client: Client, keys: list[bytes], left: bool) -> Sequence[Reply]:
    alike, value = edit_alike(client.db, keys, List)
    if not alike:
        return ()
    if value is None:
        return [None] * len(keys)
    popped = value.pop_left_each(len(keys)) if left else value.pop_right_each(len(keys))
    client.db.edited(keys[0], b"lpop" if left else b"rpop", LIST, len(popped))
    return popped + [None] * (len(keys) - len(popped))


@command(
    "RPOP key [count]",
    WRITE | FAST,
    since="1.0.0",
    complexity=_POP,
    keys=["RW access delete"],
    argument_since={"count": "6.2.0"},
    history=[("6.2.0", "Added the `count` argument.")],
)
def rpop(client: Client, key: bytes, *count: bytes) -> Reply:
    """Returns and removes the last elements of a list. Deletes the list if the last element was popped."""
    if count:
        return _pop_count(client, key, count, False)
    db = client.db
    value = db.edit(key, List)
    if value is None:
        return None
    element = value.pop_right()
    db.edited(key, b"rpop", LIST)
    return element


@in_columns(rpop, 2)
def _rpop_in_columns(client: Client, keys: list[bytes]) -> Sequence[Reply]:
    return _pop_in_columns(client, keys, False)


def _pop_count(client: Client, key: bytes, arguments: Sequence[bytes], left: bool) -> Reply:
    if len(arguments) > 1:
        raise errors.wrong_arity(b"lpop" if left else b"rpop")
    count = at_least(0, arguments[0])
    value = client.db.edit(key, List)
    if value is None:
        return NULL_ARRAY
    return pop_some(client, key, value, count, left) if count else []


def pop_some(client: Client, key: bytes, value: List, count: int, left: bool) -> list[bytes]:
    """Take at most ``count`` elements from an end of the list at a key."""
    popped = value.pop_left_many(count) if left else value.pop_right_many(count)
    client.db.edited(key, b"lpop" if left else b"rpop", LIST, len(popped))
    return popped


@command(
    "LMPOP numkeys key [key ...] <LEFT | RIGHT> [COUNT count]",
    WRITE,
    since="7.0.0",
    complexity="O(N+M) where N is the number of provided keys and M is the number of elements returned.",
    keys=["RW access delete"],
)
def lmpop(client: Client, numkeys: bytes, *rest: bytes) -> Reply:
    """Returns multiple elements from a list after removing them.
    Deletes the list if the last element was popped.
    """
    keys, left, count = parse_pop(numkeys, rest)
    reply = pop_first(client, keys, left, count)
    return NULL_ARRAY if reply is None else reply


def parse_pop(numkeys: bytes, rest: Sequence[bytes]) -> tuple[Sequence[bytes], bool, int]:
    """Read what LMPOP and BLMPOP share: the keys, whether from the left, and the count.

    :raises CommandError: a wrong number or a syntax error.
    """
    number = at_least(1, numkeys, errors.NUMKEYS_NOT_POSITIVE)
    if number >= len(rest):
        raise CommandError(errors.SYNTAX)
    left = which_end(rest[number])
    options = rest[number + 1 :]
    if not options:
        return rest[:number], left, 1
    if options[0].upper() != b"COUNT" or len(options) == 1:
        raise CommandError(errors.SYNTAX)
    count = at_least(1, options[1], errors.COUNT_NOT_POSITIVE)
    if len(options) > 2:
        raise CommandError(errors.SYNTAX)
    return rest[:number], left, count


def pop_first(client: Client, keys: Sequence[bytes], left: bool, count: int) -> list[Reply] | None:
    """Pop from the first of the keys that has a list: the key and its elements; None where there is none.

    :raises CommandError: WRONGTYPE, for the first key that is there.
    """
    for key in keys:
        value = client.db.edit(key, List)
        if value is not None:
            popped = pop_some(client, key, value, count, left)
            client.server.effects.replace(b"LPOP" if left else b"RPOP", key, b"%d" % len(popped))
            return [key, popped]
    return None


# ---------------------------------------------------------------------- move


@command(
    "LMOVE source destination <wherefrom: LEFT | RIGHT> <whereto: LEFT | RIGHT>",
    WRITE | DENYOOM,
    since="6.2.0",
    complexity="O(1)",
    keys=["RW access delete", "RW insert"],
)
def lmove(client: Client, source: bytes, destination: bytes, wherefrom: bytes, whereto: bytes) -> Reply:
    """Returns an element after popping it from one list and pushing it to another.
    Deletes the list if the last element was moved.
    """
    return move(client, source, destination, which_end(wherefrom), which_end(whereto))


@command(
    "RPOPLPUSH source destination",
    WRITE | DENYOOM,
    since="1.2.0",
    complexity="O(1)",
    keys=["RW access delete", "RW insert"],
    deprecated="6.2.0",
    replaced_by="`LMOVE` with the `RIGHT` and `LEFT` arguments",
)
def rpoplpush(client: Client, source: bytes, destination: bytes) -> Reply:
    """Returns the last element of a list after removing and pushing it to another list.
    Deletes the list if the last element was popped.
    """
    return move(client, source, destination, False, True)


def move(client: Client, source: bytes, destination: bytes, from_left: bool, to_left: bool) -> bytes | None:
    """Move an element from an end of a list to an end of another, or of the same; None if there is none.

    :raises CommandError: WRONGTYPE, of the destination only if there is something to move.
    """
    db = client.db
    value = db.edit(source, List)
    if value is None:
        return None
    if source == destination:
        element = value.rotate(from_left, to_left)
    else:
        target = db.edit(destination, List)
        element = value.pop_left() if from_left else value.pop_right()
        if target is None:
            target = db.create(destination, List)
        if to_left:
            target.push_left((element,))
        else:
            target.push_right((element,))
    # One change, though two keys are touched.
    db.grown(destination, b"lpush" if to_left else b"rpush", LIST, 0)
    db.edited(source, b"lpop" if from_left else b"rpop", LIST)
    return element


# ---------------------------------------------------------------------- look


@command("LLEN key", READONLY | FAST, since="1.0.0", complexity="O(1)", keys=["RO"])
def llen(client: Client, key: bytes) -> Reply:
    """Returns the length of a list."""
    value = client.db.read_as(key, List)
    return 0 if value is None else len(value)


@command(
    "LRANGE key start stop",
    READONLY,
    since="1.0.0",
    complexity="O(S+N) where S is the distance of start offset from HEAD for small lists, from nearest end "
    "(HEAD or TAIL) for large lists; and N is the number of elements in the specified range.",
)
def lrange(client: Client, key: bytes, start: bytes, stop: bytes) -> Reply:
    """Returns a range of elements from a list."""
    first, last = integer(start), integer(stop)
    value = client.db.read_as(key, List)
    return [] if value is None else value.range(first, last)


@command(
    "LINDEX key index",
    READONLY,
    since="1.0.0",
    complexity="O(N) where N is the number of elements to traverse to get to the element at index. This "
    "makes asking for the first or the last element of the list O(1).",
)
def lindex(client: Client, key: bytes, index: bytes) -> Reply:
    """Returns an element from a list by its index."""
    value = client.db.read_as(key, List)
    return None if value is None else value.index(integer(index))


@command(
    "LPOS key element [RANK rank] [COUNT num-matches] [MAXLEN len]",
    READONLY,
    since="6.0.6",
    complexity="O(N) where N is the number of elements in the list, for the average case. When searching "
    "for elements near the head or the tail of the list, or when the MAXLEN option is provided, the command "
    "may run in constant time.",
)
def lpos(client: Client, key: bytes, element: bytes, *options: bytes) -> Reply:
    """Returns the index of matching elements in a list."""
    rank, count, maxlen = 1, -1, 0
    for name, number in zip(options[::2], options[1::2]):
        option = name.upper()
        if option == b"RANK":
            rank = integer(number)
            if rank == INT64_MIN:
                raise errors.not_between(-INT64_MAX, INT64_MAX)
            if not rank:
                raise CommandError(_RANK_ZERO)
        elif option == b"COUNT":
            count = at_least(0, number, b"ERR COUNT can't be negative")
        elif option == b"MAXLEN":
            maxlen = at_least(0, number, b"ERR MAXLEN can't be negative")
        else:
            raise CommandError(errors.SYNTAX)
    if len(options) % 2:
        raise CommandError(errors.SYNTAX)
    value = client.db.read_as(key, List)
    found = [] if value is None else value.find(element, rank, 1 if count < 0 else count, maxlen)
    if count >= 0:
        return found
    return found[0] if found else None


# -------------------------------------------------------------------- change


@command(
    "LSET key index element",
    WRITE | DENYOOM,
    since="1.0.0",
    complexity="O(N) where N is the length of the list. Setting either the first or the last element of the "
    "list is O(1).",
)
def lset(client: Client, key: bytes, index: bytes, element: bytes) -> Reply:
    """Sets the value of an element in a list by its index."""
    db = client.db
    value = db.edit(key, List)
    if value is None:
        raise CommandError(errors.NO_SUCH_KEY)
    place = integer(index)
    try:
        value.set(place, element)
    except IndexError:
        raise CommandError(errors.INDEX_OUT_OF_RANGE) from None
    db.grown(key, b"lset", LIST)
    return OK


@command(
    "LINSERT key <BEFORE | AFTER> pivot element",
    WRITE | DENYOOM,
    since="2.2.0",
    complexity="O(N) where N is the number of elements to traverse before seeing the value pivot. This means "
    "that inserting somewhere on the left end on the list (head) can be considered O(1) and inserting "
    "somewhere on the right end (tail) is O(N).",
    keys=["RW insert"],
)
def linsert(client: Client, key: bytes, where: bytes, pivot: bytes, element: bytes) -> Reply:
    """Inserts an element before or after another element in a list."""
    where = where.upper()
    if where not in (b"BEFORE", b"AFTER"):
        raise CommandError(errors.SYNTAX)
    db = client.db
    value = db.edit(key, List)
    if value is None:
        return 0
    if not value.insert(pivot, element, where == b"AFTER"):
        return -1
    db.grown(key, b"linsert", LIST)
    return len(value)


@command(
    "LREM key count element",
    WRITE,
    since="1.0.0",
    complexity="O(N+M) where N is the length of the list and M is the number of elements removed.",
    keys=["RW delete"],
)
def lrem(client: Client, key: bytes, count: bytes, element: bytes) -> Reply:
    """Removes elements from a list. Deletes the list if the last element was removed."""
    number = integer(count)
    if number == INT64_MIN:
        raise errors.not_between(-INT64_MAX, INT64_MAX)
    db = client.db
    value = db.edit(key, List)
    if value is None:
        return 0
    removed = value.remove(element, number)
    if removed:
        db.edited(key, b"lrem", LIST, removed)
    return removed


@command(
    "LTRIM key start stop",
    WRITE,
    since="1.0.0",
    complexity="O(N) where N is the number of elements to be removed by the operation.",
    keys=["RW delete"],
)
def ltrim(client: Client, key: bytes, start: bytes, stop: bytes) -> Reply:
    """Removes elements from both ends a list. Deletes the list if all elements were trimmed."""
    first, last = integer(start), integer(stop)
    db = client.db
    value = db.edit(key, List)
    if value is not None:
        # Told as a change even if nothing went.
        db.edited(key, b"ltrim", LIST, value.trim(first, last))
    return OK
