from __future__ import annotations

from twisted_resp.acl.log import AUTH, COMMAND, KEY, AccessLog


def note(log: AccessLog, now: int, what: bytes = b"get", most: int = 3, user: bytes = b"ann") -> None:
    log.note(most, now, COMMAND, b"toplevel", what, user, b"id=%d" % now)


def test_like_entries_are_one() -> None:
    log = AccessLog()
    note(log, 1000)
    note(log, 2000, b"set")
    note(log, 61_000)
    newest, other = log.newest(10)
    assert (newest.what, newest.count, newest.created, newest.updated) == (b"get", 2, 1000, 61_000)
    assert newest.client == b"id=61000"
    assert (other.what, other.number) == (b"set", 1)


def test_what_is_not_alike() -> None:
    log = AccessLog()
    note(log, 1000)
    note(log, 1000, user=b"bob")
    note(log, 61_001)  # too late
    assert [entry.count for entry in log.newest(10)] == [1, 1, 1]
    assert [entry.number for entry in log.newest(2)] == [2, 1]


def test_only_the_newest_entries_are_looked_at() -> None:
    log = AccessLog()
    for number in range(11):
        note(log, 1000, b"%d" % number, most=100)
    note(log, 1000, b"0", most=100)
    note(log, 1000, b"5", most=100)
    assert [entry.count for entry in log.newest(2)] == [2, 1]


def test_length() -> None:
    log = AccessLog()
    for number in range(5):
        note(log, 1000, b"%d" % number)
    assert [entry.what for entry in log.newest(10)] == [b"4", b"3", b"2"]
    assert log.newest(-1) == []
    note(log, 1000, most=0)
    assert log.newest(10) == []


def test_denials_are_counted_over_a_reset() -> None:
    log = AccessLog()
    note(log, 1000)
    note(log, 1000, most=0)
    log.note(3, 1000, KEY, b"lua", b"k", b"ann", b"")
    log.reset()
    assert log.newest(10) == []
    assert (log.denied[COMMAND], log.denied[KEY], log.denied[AUTH]) == (2, 1, 0)
