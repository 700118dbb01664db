"""resp-server --check-aof: valid files, faults and their places, mending, truncating to a time."""

from __future__ import annotations

from pathlib import Path

import pytest

from twisted_resp.persistence.check_append_only import check_append_only
from twisted_resp.persistence.tools import run_tool
from twisted_resp.rdb.file_writer import FileWriter


def command(*words: str) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word.encode()) for word in words)


SET_FOO = command("set", "foo", "hello")
SET_BAR = command("set", "bar", "world")


def check(path: Path, fix: bool = False, until: int | None = None, answer: str = "y") -> tuple[int, str]:
    lines: list[str] = []

    def ask(question: str) -> str:
        lines.append(question)
        return answer

    status = check_append_only(str(path), fix, until, lines.append, ask)
    return status, "\n".join(lines)


@pytest.fixture
def single(tmp_path: Path) -> Path:
    path = tmp_path / "appendonly.aof"
    path.write_bytes(SET_FOO + SET_BAR)
    return path


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """The manifest of a base and an increment."""
    (tmp_path / "a.1.base.aof").write_bytes(SET_FOO)
    (tmp_path / "a.1.incr.aof").write_bytes(SET_BAR)
    path = tmp_path / "a.manifest"
    path.write_text("file a.1.base.aof seq 1 type b\nfile a.1.incr.aof seq 1 type i\n")
    return path


def test_a_valid_file(single: Path) -> None:
    status, told = check(single)
    size = len(SET_FOO + SET_BAR)
    assert status == 0
    assert told == (
        "Start checking Old-Style AOF\n"
        "[info] 2 commands read: 2 set\n"
        f"AOF analyzed: filename={single}, size={size}, ok_up_to={size}, ok_up_to_line=15, diff=0\n"
        f"AOF {single} is valid"
    )


@pytest.mark.parametrize(
    ("tail", "reason", "line"),
    [
        (b"!!!", "Expected prefix '*', got: '!'", 15),
        (b"*2", r"Expected \r\n, got: 0000", 15),
        (b"*x\r\n", "Invalid number: 'x'", 15),
        (b"*1\r\n:1\r\n", "Expected prefix '$', got: ':'", 16),
        (b"*1\r\n$5\r\nab", "Expected to read 5 bytes, got 2 bytes", 17),
        (b"*1\r\n$2\r\nabcd", r"Expected \r\n, got: 6364", 17),
        (command("multi") + SET_FOO, "Reached EOF before reading EXEC for MULTI", 25),
        (command("exec"), "Unexpected EXEC", 15),
        (command("multi") * 2, "Unexpected MULTI", 15),
    ],
)
def test_what_is_wrong(single: Path, tail: bytes, reason: str, line: int) -> None:
    good = single.stat().st_size
    single.write_bytes(single.read_bytes() + tail)
    status, told = check(single)
    assert status == 1
    assert reason in told
    assert f"ok_up_to={good}, ok_up_to_line={line}, diff={len(tail)}" in told
    assert told.endswith("is not valid. Use the --fix option to try fixing it.")


def test_every_cut_of_the_tail_is_mended(single: Path) -> None:
    data = single.read_bytes()
    for size in range(len(SET_FOO) + 1, len(data)):
        single.write_bytes(data[:size])
        status, told = check(single, fix=True)
        assert status == 0
        assert "Successfully truncated AOF" in told
        assert single.read_bytes() == SET_FOO


def test_nothing_is_cut_off_unasked(single: Path) -> None:
    data = single.read_bytes() + b"*1\r\n"
    single.write_bytes(data)
    status, told = check(single, fix=True, answer="n")
    assert status == 1
    assert told.endswith("Continue? [y/N]: \nAborting...")
    assert single.read_bytes() == data


def test_an_rdb_preamble(single: Path) -> None:
    parts: list[bytes] = []
    writer = FileWriter(parts.append)
    writer.database(0, 1, 0)
    writer.key(b"a", b"1")
    writer.finish()
    single.write_bytes(b"".join(parts) + SET_FOO)
    status, told = check(single)
    assert status == 0
    assert "RDB looks OK!" in told
    assert "RDB preamble is OK, proceeding with AOF tail..." in told
    parts[-1] = b"12345678"
    single.write_bytes(b"".join(parts) + SET_FOO)
    status, told = check(single)
    assert status == 1
    assert told.endswith("RDB preamble of AOF file is not sane, aborting.")


class TestManifest:
    def test_valid(self, manifest: Path) -> None:
        status, told = check(manifest)
        assert status == 0
        lines = [line for line in told.split("\n") if not line.startswith(("[info]", "AOF analyzed"))]
        assert lines == [
            "Start checking Multi Part AOF",
            "Start to check BASE AOF (RESP format).",
            "BASE AOF a.1.base.aof is valid",
            "Start to check INCR files.",
            "INCR AOF a.1.incr.aof is valid",
            "All AOF files and manifest are valid",
        ]

    def test_only_the_last_file_is_mended(self, manifest: Path) -> None:
        base = manifest.parent / "a.1.base.aof"
        base.write_bytes(SET_FOO + b"*1")
        status, told = check(manifest, fix=True)
        assert status == 1
        assert told.endswith("Failed to truncate AOF a.1.base.aof because it is not the last file")
        base.write_bytes(SET_FOO)
        last = manifest.parent / "a.1.incr.aof"
        last.write_bytes(SET_BAR + b"*1")
        assert check(manifest, fix=True)[0] == 0
        assert last.read_bytes() == SET_BAR

    def test_a_manifest_that_makes_no_sense(self, manifest: Path) -> None:
        manifest.write_text(manifest.read_text() + "!!!\n")
        status, told = check(manifest)
        assert status == 1
        assert "Invalid AOF manifest file format" in told

    def test_files_that_are_missing_or_empty(self, manifest: Path) -> None:
        (manifest.parent / "a.1.incr.aof").write_bytes(b"")
        status, told = check(manifest)
        assert status == 0
        assert "INCR AOF a.1.incr.aof is empty" in told
        (manifest.parent / "a.1.incr.aof").unlink()
        status, told = check(manifest)
        assert status == 1
        assert told.endswith("a.1.incr.aof: No such file or directory")


class TestTime:
    def test_what_is_later_is_cut_off(self, single: Path) -> None:
        single.write_bytes(b"#TS:100\r\n" + SET_FOO + b"#TS:200\r\n" + SET_BAR)
        assert check(single, until=300)[0] == 0
        status, told = check(single, until=150)
        assert status == 0
        assert told.endswith("to timestamp 150")
        assert single.read_bytes() == b"#TS:100\r\n" + SET_FOO
        status, told = check(single, until=50)
        assert status == 1
        assert told.endswith("has nothing before timestamp 50, aborting...")

    def test_only_in_the_last_file(self, manifest: Path) -> None:
        base = manifest.parent / "a.1.base.aof"
        base.write_bytes(SET_FOO + b"#TS:200\r\n")
        status, told = check(manifest, until=100)
        assert status == 1
        assert f"to timestamp 100 to offset {len(SET_FOO)} because it is not the last file" in told


def test_the_command_line(single: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_tool(["--check-aof", str(single)]) == 0
    assert run_tool(["--check-aof", "--truncate-to-timestamp", "5", str(single)]) == 0
    assert capsys.readouterr().out.count("is valid") == 2
    assert run_tool(["--check-aof", "--truncate-to-timestamp", "x", str(single)]) == 1
    assert run_tool(["--check-aof", "--fix"]) == 1
    assert run_tool(["--check-aof"]) == 1
    assert capsys.readouterr().err.count("Usage") == 2
