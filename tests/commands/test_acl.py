"""Users and what they may do, over the wire and from within."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import needs_lua

HASH = hashlib.sha256(b"pw").hexdigest().encode()
NO_GET = b"-NOPERM User ann has no permissions to run the 'get' command\r\n"
NO_KEY = b"-NOPERM No permissions to access a key\r\n"
NO_CHANNEL = b"-NOPERM No permissions to access a channel\r\n"


@pytest.fixture
def ann(engine: Any, connect: Callable[[], Any]) -> Any:
    """A connection of a user who may do little: read and write keys that begin with an ``a``."""
    engine.call("ACL", "SETUSER", "ann", "on", ">pw", "~a*", "+@all", "-get", "-acl", "&a*")
    connection = connect()
    assert connection.send("AUTH ann pw") == b"+OK\r\n"
    return connection


class TestUsers:
    def test_default(self, engine: Any) -> None:
        assert engine.call("ACL", "LIST") == [b"user default on nopass sanitize-payload ~* &* +@all"]
        assert engine.call("ACL", "USERS") == [b"default"]
        assert engine.call("ACL", "WHOAMI") == b"default"

    def test_getuser(self, engine: Any) -> None:
        assert engine.call("ACL", "GETUSER", "ann") is None
        engine.call("ACL", "SETUSER", "ann", "on", ">pw", "%R~a", "&c", "+get", "(~b", "+set)")
        assert engine.call("ACL", "GETUSER", "ann") == {
            b"flags": [b"on", b"sanitize-payload"],
            b"passwords": [HASH],
            b"commands": b"-@all +get",
            b"keys": b"%R~a",
            b"channels": b"&c",
            b"selectors": [{b"commands": b"-@all +set", b"keys": b"~b", b"channels": b""}],
        }

    def test_list_is_sorted_and_can_be_set_again(self, engine: Any) -> None:
        for name in ("bob", "ann"):
            engine.call("ACL", "SETUSER", name, ">pw", "~a", "+@read", "-get", "(~b +@all)")
        shown = engine.call("ACL", "LIST")
        assert [line.split()[1] for line in shown] == [b"ann", b"bob", b"default"]
        words = shown[0].split()
        engine.call("ACL", "SETUSER", "ann", "reset", *words[2:])
        assert engine.call("ACL", "LIST") == shown

    def test_setuser_is_all_or_nothing(self, engine: Any) -> None:
        assert engine.error("ACL", "SETUSER", "ann", "on", "+nothing") == (
            b"ERR Error in ACL SETUSER modifier '+nothing': Unknown command or category name in ACL"
        )
        assert engine.call("ACL", "GETUSER", "ann") is None
        assert engine.error("ACL", "SETUSER", "a b") == (
            b"ERR Usernames can't contain spaces or null characters"
        )
        assert engine.error("ACL", "SETUSER", "ann", "(~a", "+get") == (
            b"ERR Unmatched parenthesis in acl selector starting at '(~a'."
        )

    def test_acl_pubsub_default(self, engine: Any) -> None:
        engine.call("CONFIG", "SET", "acl-pubsub-default", "allchannels")
        engine.call("ACL", "SETUSER", "ann")
        assert engine.call("ACL", "GETUSER", "ann")[b"channels"] == b"&*"

    def test_deluser(self, engine: Any, ann: Any) -> None:
        assert engine.error("ACL", "DELUSER", "ann", "default") == (
            b"ERR The 'default' user cannot be removed"
        )
        assert engine.call("ACL", "DELUSER", "ann", "nobody") == 1
        assert ann.closed

    def test_a_user_who_deletes_herself_hears_of_it(self, engine: Any, ann: Any) -> None:
        engine.call("ACL", "SETUSER", "ann", "+acl")
        assert ann.send("ACL DELUSER ann", "PING") == b":1\r\n"
        assert ann.closed

    def test_categories(self, engine: Any) -> None:
        assert len(engine.call("ACL", "CAT")) == 21
        assert {b"get", b"acl|whoami"} & set(engine.call("ACL", "CAT", "STRING")) == {b"get"}
        assert engine.error("ACL", "CAT", "nothing") == b"ERR Unknown category 'nothing'"

    def test_genpass(self, engine: Any) -> None:
        assert re.fullmatch(rb"[0-9a-f]{64}", engine.call("ACL", "GENPASS"))
        assert engine.call("ACL", "GENPASS") != engine.call("ACL", "GENPASS")
        assert len(engine.call("ACL", "GENPASS", 5)) == 2
        assert len(engine.call("ACL", "GENPASS", 4096)) == 1024
        for bits in (0, 4097):
            assert engine.error("ACL", "GENPASS", bits).endswith(b"a positive number up to 4096")
        assert engine.error("ACL", "GENPASS", "x") == b"ERR value is not an integer or out of range"

    def test_dryrun(self, engine: Any, ann: Any) -> None:
        assert engine.call("ACL", "DRYRUN", "ann", "SET", "a", "1") == b"OK"
        assert engine.call("ACL", "DRYRUN", "ann", "SET", "b", "1") == (
            b"User ann has no permissions to access the 'b' key"
        )
        assert engine.call("ACL", "DRYRUN", "ann", "GET", "a") == (
            b"User ann has no permissions to run the 'get' command"
        )
        assert engine.error("ACL", "DRYRUN", "bob", "GET", "a") == b"ERR User 'bob' not found"
        assert engine.error("ACL", "DRYRUN", "ann", "NO", "a") == b"ERR Command 'NO' not found"
        assert engine.error("ACL", "DRYRUN", "ann", "GET") == (
            b"ERR wrong number of arguments for 'get' command"
        )

    @pytest.mark.parametrize("call", [("CAT", "a", "b"), ("GENPASS", "1", "2"), ("LOG", "1", "2")])
    def test_too_many_arguments(self, engine: Any, call: tuple[str, ...]) -> None:
        assert engine.error("ACL", *call).startswith(b"ERR unknown subcommand or wrong number of arguments")

    def test_help(self, engine: Any) -> None:
        assert b"WHOAMI" in engine.call("ACL", "HELP")


class TestLogin:
    def test_auth(self, engine: Any, connect: Callable[[], Any]) -> None:
        engine.call("ACL", "SETUSER", "ann", "on", ">pw", "+acl|whoami")
        connection = connect()
        wrong = b"-WRONGPASS invalid username-password pair or user is disabled.\r\n"
        assert connection.send("AUTH ann no", "AUTH bob pw", "AUTH ann pw", "ACL WHOAMI") == (
            wrong + wrong + b"+OK\r\n$3\r\nann\r\n"
        )
        assert b" user=ann " in engine.call("CLIENT", "LIST")
        engine.call("ACL", "SETUSER", "ann", "off")
        # Who is in stays in.
        assert connection.send("ACL WHOAMI", "HELLO 3 AUTH ann pw") == b"$3\r\nann\r\n" + wrong

    def test_who_must_log_in(self, engine: Any, connect: Callable[[], Any]) -> None:
        engine.call("ACL", "SETUSER", "default", "off")
        engine.call("ACL", "SETUSER", "ann", "on", "nopass", "+ping")
        connection = connect()
        assert connection.send("PING") == b"-NOAUTH Authentication required.\r\n"
        assert connection.send("HELLO 2 AUTH ann any").startswith(b"*14\r\n")
        assert connection.send("PING") == b"+PONG\r\n"

    def test_requirepass_is_the_default_users_password(self, engine: Any, connect: Callable[[], Any]) -> None:
        engine.call("CONFIG", "SET", "requirepass", "pw")
        assert engine.call("ACL", "GETUSER", "default")[b"passwords"] == [HASH]
        connection = connect()
        assert connection.send("AUTH pw", "PING") == b"+OK\r\n+PONG\r\n"
        engine.call("CONFIG", "SET", "requirepass", "")
        assert engine.call("ACL", "GETUSER", "default")[b"flags"] == [b"on", b"nopass", b"sanitize-payload"]

    def test_client_kill_user(self, engine: Any, ann: Any, connect: Callable[[], Any]) -> None:
        other = connect()
        assert engine.error("CLIENT", "KILL", "USER", "bob") == b"ERR No such user 'bob'"
        assert engine.call("CLIENT", "KILL", "USER", "ann") == 1
        assert ann.closed
        assert not other.closed

    def test_reset_is_the_default_user_again(self, ann: Any) -> None:
        assert ann.send("RESET", "ACL WHOAMI") == b"+RESET\r\n$7\r\ndefault\r\n"


class TestChecks:
    def test_commands_and_keys(self, ann: Any) -> None:
        assert ann.send("SET a 1", "GET a", "SET b 1", "MSET a1 1 b 2", "get a") == (
            b"+OK\r\n" + NO_GET + NO_KEY + NO_KEY + NO_GET
        )
        assert ann.send("NOTHING").startswith(b"-ERR unknown command")
        assert ann.send("GET") == b"-ERR wrong number of arguments for 'get' command\r\n"

    def test_a_change_holds_at_once(self, engine: Any, ann: Any) -> None:
        engine.call("ACL", "SETUSER", "ann", "+get")
        assert ann.send("GET a") == b"$-1\r\n"
        engine.call("ACL", "SETUSER", "ann", "allkeys", "allchannels", "allcommands")
        assert ann.client.execute is engine.server.states.normal
        engine.call("ACL", "SETUSER", "ann", "-get")
        assert ann.send("GET b") == NO_GET

    def test_the_default_user_can_be_restricted(self, engine: Any, connect: Callable[[], Any]) -> None:
        connection = connect()
        assert connection.client.execute is engine.server.states.normal
        engine.call("ACL", "SETUSER", "default", "-get")
        assert connection.send("GET a") == NO_GET.replace(b"ann", b"default")
        # Calls within the process are nobody's.
        assert engine.call("GET", "a") is None

    def test_channels(self, engine: Any, ann: Any) -> None:
        assert ann.send("PUBLISH a1 x", "PUBLISH b x", "PSUBSCRIBE a1", "SUBSCRIBE a1 b") == (
            b":0\r\n" + NO_CHANNEL * 3
        )
        assert ann.send("PSUBSCRIBE a*") == b"*3\r\n$10\r\npsubscribe\r\n$2\r\na*\r\n:1\r\n"
        # A RESP2 subscriber is told first what its user may not do.
        assert ann.send("GET a") == NO_GET
        assert ann.send("SET a 1").startswith(b"-ERR Can't execute 'set'")

    def test_a_subscriber_that_lost_its_channel_is_disconnected(
        self, engine: Any, ann: Any, connect: Callable[[], Any]
    ) -> None:
        other = connect()
        other.send("AUTH ann pw", "SUBSCRIBE ax")
        ann.send("SUBSCRIBE ay")
        engine.call("ACL", "SETUSER", "ann", "&b")
        assert not ann.closed
        engine.call("ACL", "SETUSER", "ann", "resetchannels", "&ax")
        assert ann.closed
        assert not other.closed

    def test_queueing(self, ann: Any) -> None:
        assert ann.send("MULTI", "SET a 1", "GET a", "EXEC") == (
            b"+OK\r\n+QUEUED\r\n"
            + NO_GET
            + b"-EXECABORT Transaction discarded because of previous errors.\r\n"
        )

    def test_exec_checks_again(self, engine: Any, ann: Any) -> None:
        ann.send("MULTI", "SET a 1", "SET a2 1", "PUBLISH a x")
        engine.call("ACL", "SETUSER", "ann", "resetkeys", "~a", "resetchannels", "-set", "+set")
        changed = (
            b"-NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This "
            b"command is no longer allowed for the following reason: no permission to "
        )
        assert ann.send("EXEC") == (
            b"*3\r\n+OK\r\n"
            + changed
            + b"touch the specified keys\r\n"
            + changed
            + b"access one of the channels used as arguments\r\n"
        )
        assert [entry[b"context"] for entry in engine.call("ACL", "LOG")] == [b"multi", b"multi"]

    def test_exec_of_one_who_becomes_somebody_else_meanwhile(
        self, engine: Any, ann: Any, connect: Callable[[], Any]
    ) -> None:
        connection = connect()
        reply = connection.send("MULTI", "AUTH ann pw", "GET a", "EXEC")
        assert reply.startswith(b"+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n-NOPERM ")

    def test_a_command_that_waited_is_checked_again(self, engine: Any, ann: Any) -> None:
        ann.send("BLPOP a 0")
        engine.call("ACL", "SETUSER", "ann", "resetkeys")
        engine.call("RPUSH", "a", "1")
        assert ann.received() == NO_KEY
        assert engine.call("LLEN", "a") == 1
        entry = engine.server.commands[b"blpop"]
        assert (entry.calls, entry.rejected, entry.failed) == (0, 1, 0)

    @needs_lua
    def test_scripts(self, ann: Any) -> None:
        def run(script: str) -> bytes:
            words = ["EVAL", script, "0"]
            data = b"".join(b"$%d\r\n%b\r\n" % (len(word), word.encode()) for word in words)
            ann.feed(b"*3\r\n" + data)
            reply: bytes = ann.received()
            return reply

        assert run("return redis.call('set', 'a', '1')") == b"+OK\r\n"
        assert run("return redis.pcall('get', 'a')['err']") == (
            b"$79\r\nERR ACL failure in script: User ann has no permissions to run the 'get' command\r\n"
        )
        assert run("return redis.pcall('set', 'b', '1')['err']") == (
            b"$57\r\nERR ACL failure in script: No permissions to access a key\r\n"
        )
        assert run("return redis.acl_check_cmd('set', 'a', '1')") == b":1\r\n"
        assert run("return redis.acl_check_cmd('set', 'b', '1')") == b"$-1\r\n"

    def test_sort_by_other_keys_needs_all_keys(self, engine: Any, ann: Any) -> None:
        denied = b"-ERR %b option of SORT denied due to insufficient ACL permissions.\r\n"
        assert ann.send("SORT a BY w*", "SORT_RO a GET w*", "SORT a BY nosort") == (
            denied % b"BY" + denied % b"GET" + b"*0\r\n"
        )
        engine.call("ACL", "SETUSER", "ann", "%R~*")
        assert ann.send("SORT a BY w*") == b"*0\r\n"

    def test_renamed_commands(self, engine: Any, ann: Any) -> None:
        """Rules know them by their own names, and those that are gone too."""
        engine.server.rename_command(b"sort", b"order")
        engine.server.rename_command(b"flushall", b"")
        engine.call("ACL", "SETUSER", "ann", "-flushall", "+sort")
        assert ann.send("ORDER a BY nosort") == b"*0\r\n"
        assert ann.send("ORDER a BY w*").startswith(b"-ERR BY option of SORT denied")
        engine.call("ACL", "SETUSER", "ann", "-sort")
        assert ann.send("ORDER a").startswith(
            b"-NOPERM User ann has no permissions to run the 'sort' command"
        )


class TestLog:
    def test_what_was_refused(self, engine: Any, ann: Any) -> None:
        ann.send("GET a", "SET b 1", "PUBLISH c x", "AUTH bob pw")
        engine.clock.advance(2.5)
        ann.send("GET a")
        found = engine.call("ACL", "LOG")
        assert [(entry[b"reason"], entry[b"object"], entry[b"username"]) for entry in found] == [
            (b"command", b"get", b"ann"),
            (b"auth", b"AUTH", b"bob"),
            (b"channel", b"c", b"ann"),
            (b"key", b"b", b"ann"),
        ]
        assert [(entry[b"count"], entry[b"age-seconds"]) for entry in found[:2]] == [(2, 0.0), (1, 2.5)]
        assert b" cmd=get user=ann " in found[0][b"client-info"]
        assert b" cmd=auth user=ann " in found[1][b"client-info"]
        assert found[0][b"timestamp-created"] == engine.now - 2500
        assert found[0][b"timestamp-last-updated"] == engine.now
        assert [entry[b"entry-id"] for entry in found] == [0, 3, 2, 1]
        assert len(engine.call("ACL", "LOG", 2)) == 2
        info = engine.call("INFO", "stats")
        for reason, count in ((b"auth", 1), (b"cmd", 2), (b"key", 1), (b"channel", 1)):
            assert b"acl_access_denied_%b:%d\r\n" % (reason, count) in info
        engine.call("CONFIG", "SET", "acllog-max-len", 1)
        ann.send("SET c 1")
        assert len(engine.call("ACL", "LOG")) == 1
        engine.call("ACL", "LOG", "RESET")
        assert engine.call("ACL", "LOG") == []

    def test_no_password_is_shown(self, engine: Any, ann: Any) -> None:
        engine.call("CONFIG", "SET", "slowlog-log-slower-than", 0)
        engine.call("ACL", "SETUSER", "bob", ">top-secret")
        ann.send("AUTH bob top-secret")
        assert b"top-secret" not in repr(engine.call("SLOWLOG", "GET", -1)).encode()
        assert b"top-secret" not in repr(engine.call("ACL", "LOG")).encode()


class TestFile:
    @pytest.fixture
    def path(self, engine: Any, tmp_path: Path) -> Path:
        engine.server.directory = str(tmp_path).encode()
        engine.server.configuration[b"aclfile"] = b"users.acl"
        return tmp_path / "users.acl"

    def test_without_one(self, engine: Any) -> None:
        for what in ("LOAD", "SAVE"):
            assert engine.error("ACL", what).startswith(b"ERR This Redis instance is not configured to use")

    def test_there_and_back(self, engine: Any, path: Path) -> None:
        engine.call("ACL", "SETUSER", "ann", "on", ">pw", "~a", "+get", "(~b +set)")
        before = engine.call("ACL", "LIST")
        engine.call("ACL", "SAVE")
        assert [entry.name for entry in path.parent.iterdir()] == ["users.acl"]
        engine.call("ACL", "DELUSER", "ann")
        engine.call("ACL", "SETUSER", "default", "-get")
        engine.call("ACL", "LOAD")
        assert engine.call("ACL", "LIST") == before

    def test_a_file_with_an_error_changes_nothing(self, engine: Any, path: Path) -> None:
        engine.call("ACL", "SETUSER", "ann")
        before = engine.call("ACL", "LIST")
        path.write_text("user bob on\nuser ann nonsense\n")
        assert engine.error("ACL", "LOAD") == (
            b"ERR users.acl:2: Syntax error. WARNING: ACL errors detected, no change to the previously active ACL "
            b"rules was performed"
        )
        path.unlink()
        assert engine.error("ACL", "LOAD").startswith(b"ERR Error loading ACLs, opening file 'users.acl': ")
        assert engine.call("ACL", "LIST") == before

    def test_a_file_that_cannot_be_written(self, engine: Any, path: Path) -> None:
        engine.server.configuration[b"aclfile"] = b"nowhere/users.acl"
        assert engine.error("ACL", "SAVE").startswith(b"ERR There was an error trying to save the ACLs.")

    def test_clients_after_a_load(
        self, engine: Any, path: Path, ann: Any, connect: Callable[[], Any]
    ) -> None:
        gone, listening = connect(), connect()
        engine.call("ACL", "SETUSER", "bob", "on", "nopass")
        gone.send("AUTH bob x")
        listening.send("AUTH ann pw", "SUBSCRIBE a1")
        path.write_text("user ann on >pw ~a* +get &b*\n")
        engine.call("ACL", "LOAD")
        assert gone.closed
        assert listening.closed
        assert not ann.closed
        assert ann.send("GET a", "SET a 1").startswith(b"$-1\r\n-NOPERM ")
        # There was no line on the default user: it may do everything.
        assert connect().send("SET x 1") == b"+OK\r\n"


class TestConfiguration:
    def test_lines(self, engine: Any) -> None:
        access = engine.server.access
        access.declare([b"user", b"default", b"on", b"nopass", b"+get", b"~*"])
        access.declare([b"user", b"ann", b"(~a", b"+get)"])
        access.start()
        assert engine.call("ACL", "LIST") == [
            b"user ann off sanitize-payload resetchannels -@all (~a resetchannels -@all +get)",
            b"user default on nopass sanitize-payload ~* resetchannels -@all +get",
        ]

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            ("user", "Syntax error"),
            ("user ann nonsense", "Syntax error"),
            ("user ann (~a", "Unmatched parenthesis"),
            ("user bob", "Duplicate user found"),
        ],
    )
    def test_lines_with_errors(self, engine: Any, words: str, message: str) -> None:
        engine.server.access.declare([b"user", b"bob", b"on"])
        with pytest.raises(ValueError, match=re.escape(message)):
            engine.server.access.declare(words.encode().split())

    def test_names_of_commands_are_looked_at_in_the_end(self, engine: Any) -> None:
        engine.server.access.declare([b"user", b"ann", b"+nothing"])
        with pytest.raises(ValueError, match=r"Error loading ACL rule '\+nothing' for the user named 'ann'"):
            engine.server.access.start()

    def test_lines_and_a_file(self, engine: Any) -> None:
        engine.server.configuration[b"aclfile"] = b"users.acl"
        engine.server.access.declare([b"user", b"ann", b"on"])
        with pytest.raises(ValueError, match="but not both"):
            engine.server.access.start()

    def test_a_file_that_is_not_there(self, engine: Any) -> None:
        engine.server.configuration[b"aclfile"] = b"/nowhere/users.acl"
        with pytest.raises(ValueError, match="Aborting Redis startup because of ACL errors"):
            engine.server.access.start()
