"""Rules, what they allow and how they are shown, beside a redis-server.

What 7.0 words differently is made alike: which rules it shows for the commands, the flag ``sanitize-payload`` (shown
only where it was given), and ``This user`` in place of the user's name.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

COMMANDS = (
    "get", "set", "del", "mget", "config", "config|get", "config|set", "client|id", "select", "publish", "subscribe",
    "eval", "sort", "sort_ro", "lmove",
)  # fmt: skip
WORDS = """
    on off >one <one >two <two #bad !bad nopass resetpass allkeys resetkeys allchannels resetchannels allcommands
    nocommands clearselectors reset +select|0 +select| +config| +config|get|x +get|a|b +nothing +@nothing + - ~ & ~*
    &* %X~a %RR~a nonsense ) (( (~a sanitize-payload skip-sanitize-payload
"""
CATEGORIES = ["@all", "@read", "@WRITE", "@string", "@fast"]


def _joined(*parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(*parts).map("".join)


RULES = st.one_of(
    st.sampled_from(WORDS.split()),
    _joined(st.sampled_from("+-"), st.sampled_from(COMMANDS)),
    _joined(st.sampled_from("+-"), st.sampled_from(CATEGORIES)),
    _joined(st.sampled_from(["~", "%R~", "%w~", "%RW~"]), st.sampled_from(["a", "b*", "c?", "*"])),
    _joined(st.just("&"), st.sampled_from(["a", "b*", "c?"])),
    st.sampled_from(["(~a* +get)", "(%R~b* +@all)", "(%W~c +set &b)", "(+nothing)", "()", "(~x y)"]),
)
CALLS = [
    call.split()
    for call in (
        "GET a", "GET b1", "SET a 1", "SET b1 1", "SET c1 1 GET", "MSET a 1 b 2", "MGET a b1", "COPY a b", "EXISTS c1",
        "CONFIG GET x", "CONFIG SET a b", "CONFIG", "SELECT 0", "SELECT 1", "PUBLISH a x", "SUBSCRIBE a b1",
        "PSUBSCRIBE b* a", "PSUBSCRIBE a", "SPUBLISH c1 x", "SSUBSCRIBE b1", "UNSUBSCRIBE z", "EVAL s 2 a b1",
        "SORT a BY x STORE b", "SORT_RO a", "AUTH x", "PING", "XREAD STREAMS a b1 1 2", "ZUNIONSTORE d 2 a b",
        "BITFIELD a GET u8 0", "BITFIELD a SET u8 0 1", "LMOVE a b LEFT LEFT", "CLIENT ID", "NOTHING", "GET",
        "CONFIG NOTHING", "WATCH a", "GETDEL b", "OBJECT ENCODING a", "DEL a b c1",
    )
]  # fmt: skip


def alike(reply: Any) -> Any:
    if isinstance(reply, bytes):
        return reply.replace(b"This user", b"User ann")
    if not isinstance(reply, list):
        return reply
    reply = [alike(item) for item in reply]
    for name in (b"commands", b"flags"):
        if name in reply:
            place = reply.index(name) + 1
            shown = reply[place]
            reply[place] = None if name == b"commands" else sorted(set(shown) - {b"sanitize-payload"})
    return reply


@settings(max_examples=60)
@given(
    changes=st.lists(st.lists(RULES, max_size=3), min_size=1, max_size=6),
    calls=st.sets(st.sampled_from(range(len(CALLS))), max_size=12),
)
def test_rules(side_by_side: Any, changes: list[list[str]], calls: set[int]) -> None:
    side_by_side.start()
    side_by_side.tell_redis("ACL", "DELUSER", "ann")
    for rules in changes:
        ours, theirs = side_by_side.ask("ACL", "SETUSER", "ann", *rules)
        # Of two selectors that do not end 7.0 names the second.
        assert ours == theirs or ours.startswith(b"-ERR Unmatched"), rules
    for question in [["GETUSER", "ann"], *(["DRYRUN", "ann", *CALLS[number]] for number in sorted(calls))]:
        ours, theirs = side_by_side.ask("ACL", *question)
        assert alike(ours) == alike(theirs), question
