"""The manifest: its lines, what is wrong with them, and how it changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from twisted_resp.persistence.manifest import Manifest, ManifestError

NAME = b"appendonly.aof"


def manifest_of(directory: Path, text: bytes) -> Manifest | None:
    (directory / "appendonly.aof.manifest").write_bytes(text)
    return Manifest.load(bytes(directory), NAME)


def test_none(tmp_path: Path) -> None:
    assert Manifest.load(bytes(tmp_path), NAME) is None


def test_there_and_back(tmp_path: Path) -> None:
    text = (
        b"file appendonly.aof.2.base.rdb seq 2 type b\n"
        b"file appendonly.aof.1.base.rdb seq 1 type h\n"
        b"file appendonly.aof.4.incr.aof seq 4 type i\n"
        b'file "with blank.aof" seq 7 type i\n'
    )
    manifest = manifest_of(tmp_path, b"# a comment\n" + text)
    assert manifest is not None
    assert [part.name for part in manifest.parts] == [
        b"appendonly.aof.2.base.rdb", b"appendonly.aof.4.incr.aof", b"with blank.aof",
    ]  # fmt: skip
    manifest.save()
    assert (tmp_path / "appendonly.aof.manifest").read_bytes() == text
    assert manifest.next_increment().name == b"appendonly.aof.8.incr.aof"
    assert manifest.next_base(False).name == b"appendonly.aof.3.base.aof"


def test_a_rewrite(tmp_path: Path) -> None:
    manifest = Manifest(bytes(tmp_path), NAME)
    manifest.add_increment(manifest.next_increment())
    manifest.add_increment(manifest.next_increment())
    for part in manifest.parts:
        Path(manifest.path_of(part).decode()).write_bytes(b"x")
    changed = manifest.copy()
    changed.replace_base(changed.next_base(True), since=2)
    changed.save()
    assert [part.number for part in changed.increments] == [2]
    assert [part.number for part in manifest.increments] == [1, 2]  # a copy
    changed.delete_history()
    assert not (tmp_path / "appendonly.aof.1.incr.aof").exists()
    assert (tmp_path / "appendonly.aof.manifest").read_bytes() == (
        b"file appendonly.aof.1.base.rdb seq 1 type b\nfile appendonly.aof.2.incr.aof seq 2 type i\n"
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "Found an empty AOF manifest file"),
        (b"\n", "Invalid AOF manifest file format"),
        (b"file a seq 1\n", "Invalid AOF manifest file format"),
        (b"file a seq 1 type b more\n", "Invalid AOF manifest file format"),
        (b"filx a seq 1 type b\n", "Invalid AOF manifest file format"),
        (b'file "a seq 1 type b\n', "Invalid AOF manifest file format"),
        (b"file a seq x type b\n", "Invalid AOF manifest file format"),
        (b"file a seq 0 type b\n", "Invalid AOF manifest file format"),
        (b"file a seq 1 type x\n", "Unknown AOF file type"),
        (b"file ../a seq 1 type b\n", "File can't be a path, just a filename"),
        (b"file a seq 1 type b\nfile b seq 2 type b\n", "Found duplicate base file information"),
        (b"file a seq 2 type i\nfile b seq 1 type i\n", "Found a non-monotonic sequence number"),
        (b"file a seq 1 type i\nfile b seq 1 type i\n", "Found a non-monotonic sequence number"),
        (b"file " + b"a" * 1024 + b" seq 1 type i\n", "The AOF manifest file contains too long line"),
    ],
)
def test_what_makes_no_sense(tmp_path: Path, text: bytes, reason: str) -> None:
    with pytest.raises(ManifestError, match=reason):
        manifest_of(tmp_path, text)
