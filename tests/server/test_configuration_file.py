"""Reading a redis.conf, and writing one anew."""

from __future__ import annotations

import io
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from twisted.internet.task import Clock

from twisted_resp import RespFactory
from twisted_resp.server.configuration_file import ConfigurationError, load_configuration, options_as_lines
from twisted_resp.server.configuration_rewriting import rewrite, rewritten
from twisted_resp.server.server import Server


@pytest.fixture
def server() -> Server:
    return RespFactory(clock=Clock()).server


def load(server: Server, directory: Path, text: str, options: bytes = b"") -> None:
    path = directory / "redis.conf"
    path.write_text(text)
    load_configuration(server, str(path), options)


class TestReading:
    def test_lines(self, server: Server, tmp_path: Path) -> None:
        load(
            server,
            tmp_path,
            """
            # a comment
            PORT 7000
            requirepass "with \\x41 \\"quote\\""
            masteruser 'single'
            hash-max-ziplist-entries 7
            client-output-buffer-limit normal 1mb 2kb 3
            client-output-buffer-limit slave 0 0 0 pubsub 1 2 3
            bind 127.0.0.1 -::1
            list-max-ziplist-entries 4
            """,
            b"maxmemory 1gb\n",
        )
        configuration = server.configuration
        assert configuration[b"port"] == 7000
        assert configuration[b"requirepass"] == b'with A "quote"'
        assert configuration[b"masteruser"] == b"single"
        assert configuration[b"hash-max-listpack-entries"] == 7
        assert configuration[b"client-output-buffer-limit"] == {
            "normal": (1 << 20, 2048, 3),
            "replica": (0, 0, 0),
            "pubsub": (1, 2, 3),
        }
        assert configuration[b"bind"] == (b"127.0.0.1", b"-::1")
        assert configuration[b"maxmemory"] == 1 << 30
        assert configuration.path == str(tmp_path / "redis.conf").encode()

    @pytest.mark.parametrize(
        ("text", "points"),
        [
            ("", ((3600, 1), (300, 100), (60, 10000))),
            ("save 900 1", ((900, 1),)),
            ("save 900 1\nsave 60 5 30 7", ((900, 1), (60, 5), (30, 7))),
            ("save '900 1 60 5'", ((900, 1), (60, 5))),
            ("save ''", ()),
            ("save", ()),
            ('save 900 1\nsave ""\nsave 60 5\nsave', ((60, 5),)),
        ],
    )
    def test_save(
        self, server: Server, tmp_path: Path, text: str, points: tuple[tuple[int, int], ...]
    ) -> None:
        load(server, tmp_path, text)
        assert server.configuration[b"save"] == points
        server.close()

    def test_without_a_file_nothing_is_saved(self, server: Server) -> None:
        load_configuration(server, options=b"maxmemory 1\n")
        assert server.configuration[b"save"] == ()

    def test_include(self, server: Server, tmp_path: Path) -> None:
        (tmp_path / "a.conf").write_text("port 1\nhz 20")
        (tmp_path / "b.conf").write_text("port 2")
        load(server, tmp_path, f"port 3\ninclude {tmp_path}/?.conf\nhz 30")
        assert server.configuration[b"port"] == 2
        assert server.configuration[b"hz"] == 30

    def test_a_file_that_includes_itself(self, server: Server, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match="Too many includes"):
            load(server, tmp_path, f"include {tmp_path}/redis.conf")

    def test_standard_input(self, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(b"port 2\nhz 20")))
        (tmp_path / "c").write_text("port 1\ntimeout 7")
        load_configuration(server, str(tmp_path / "c"), b"hz 30\n", from_stdin=True)
        configuration = server.configuration
        assert [configuration[name] for name in (b"port", b"hz", b"timeout")] == [2, 30, 7]
        server.close()

    @pytest.mark.parametrize(
        ("line", "reason"),
        [
            ("nonsense 1", "Bad directive or wrong number of arguments"),
            ("port", "wrong number of arguments"),
            ("port 1 2", "wrong number of arguments"),
            ("port x", "argument couldn't be parsed into an integer"),
            ('dir "x', "Unbalanced quotes in configuration line"),
            ("dir /no/such", "No such file or directory"),
            ("include a b", "Bad directive or wrong number of arguments"),
            ("rename-command foo bar", "No such command in rename-command"),
            ("rename-command get set", "Target command name already exists"),
            ("user x (+get", "Unmatched parenthesis"),
            ("loadmodule /x.so", "this server has no modules"),
            ("module.setting 1", "this server has no modules"),
            ("sentinel monitor x", "sentinel directive while not in sentinel mode"),
            ("replicaof one", "wrong number of arguments"),
            ('replicaof "one 1 2"', "wrong number of arguments"),
            ("replicaof 127.0.0.1 x", "Invalid master port"),
            ("enable-debug-command maybe", "argument(s) must be one of the following: no, yes, local"),
        ],
    )
    def test_errors_name_the_line(self, server: Server, tmp_path: Path, line: str, reason: str) -> None:
        with pytest.raises(ConfigurationError) as raised:
            load(server, tmp_path, f"# first\n{line}\n")
        message = str(raised.value)
        assert message.startswith("\n*** FATAL CONFIG FILE ERROR (Redis 7.4.1) ***\n")
        assert f"Reading the configuration file, at line 2\n>>> '{line}'\n" in message
        assert reason in message

    def test_a_file_that_is_not_there(self, server: Server, tmp_path: Path) -> None:
        with pytest.raises(
            ConfigurationError, match=re.escape("Fatal error, can't open config file '/no/such'")
        ):
            load(server, tmp_path, "include /no/such")

    def test_what_has_no_effect_is_told(self, server: Server, tmp_path: Path) -> None:
        load(server, tmp_path, "io-threads 4\nactiverehashing yes\nhz 20")
        assert server.configuration.without_effect() == [b"io-threads"]

    def test_rename_command(self, server: Server, tmp_path: Path) -> None:
        load(server, tmp_path, 'rename-command get GOT\nrename-command flushall ""')
        assert b"get" not in server.commands
        assert b"FLUSHALL" not in server.commands
        assert server.commands[b"got"].full_name == b"get"

    @pytest.mark.parametrize(
        ("words", "lines"),
        [
            (["--port", "1", "--save", "900", "1"], 'port "1"\nsave "900" "1"\n'),
            (["--port 1", "--hz=2"], 'port 1\nhz "2"\n'),
            (["--save", "--port", "1"], 'save ""\nport "1"\n'),
            (["--hz", "1", "--save"], 'hz "1"\nsave ""\n'),
            (["--requirepass", "--x", "--hz", "1"], 'requirepass "--x"\nhz "1"\n'),
            (["loglevel", "verbose"], ' "loglevel" "verbose"\n'),
        ],
    )
    def test_options_are_lines(self, words: list[str], lines: str) -> None:
        assert options_as_lines(words) == lines.encode()


class TestRewriting:
    TEXT = """# first
port 7000

# the limit
maxmemory 1mb
hash-max-ziplist-entries 20
hash-max-listpack-entries 21
rename-command flushdb badger
save 1 2
save 3 4

# last
"""

    @pytest.fixture
    def server(self, server: Server, tmp_path: Path) -> Server:
        load(server, tmp_path, self.TEXT)
        server.configuration[b"dir"] = b"/x"
        return server

    def test_comments_and_order_stay(self, server: Server) -> None:
        server.configuration[b"maxmemory"] = 3 << 30
        server.configuration[b"save"] = ((5, 6),)
        assert (
            rewritten(server, self.TEXT.encode()).decode()
            == """# first
port 7000

# the limit
maxmemory 3gb
hash-max-listpack-entries 21
rename-command flushdb badger
save 5 6

# last
# Generated by CONFIG REWRITE
dir "/x"
user default on nopass sanitize-payload ~* &* +@all
"""
        )

    def test_twice_is_once(self, server: Server) -> None:
        server.configuration[b"requirepass"] = b'se"cret\n'
        once = rewritten(server, self.TEXT.encode())
        assert b'requirepass "se\\"cret\\n"\n' in once
        assert rewritten(server, once) == once

    def test_nothing_to_save_is_said(self, server: Server) -> None:
        server.configuration[b"save"] = ()
        assert b'\nsave ""\n' in rewritten(server, b"")

    def test_what_has_its_default_is_not_added(self, server: Server) -> None:
        server.configuration[b"save"] = ((3600, 1), (300, 100), (60, 10000))
        text = rewritten(server, b"")
        assert b"save" not in text
        assert b"appendonly" not in text
        assert b"appendonly no\n" in rewritten(server, b"", all_parameters=True)

    def test_everything_can_be_read_back(self, server: Server, tmp_path: Path) -> None:
        server.configuration[b"dir"] = bytes(tmp_path)
        before = server.configuration.matching([b"*"])
        rewrite(server, all_parameters=True)
        again = RespFactory(clock=Clock()).server
        load_configuration(again, str(tmp_path / "redis.conf"))
        again.access.start()
        assert again.configuration.matching([b"*"]) == before
        assert [path.name for path in tmp_path.iterdir()] == ["redis.conf"]

    def test_a_directory_that_is_gone(self, server: Server, tmp_path: Path) -> None:
        server.configuration.path = bytes(tmp_path / "gone" / "redis.conf")
        with pytest.raises(OSError, match="No such file"):
            rewrite(server)
