"""The rooms of the package and the direction of imports between them.

Every module is parsed, not imported, and every import in it counts: at the top, inside a function, and
under TYPE_CHECKING too, since a type is knowledge of the other room. docs/architecture.md says what each
room is for.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

PACKAGE = "twisted_resp"

# From the ground up. A room may import itself, its neighbours in the same row and every row above this line.
ROWS = (
    ("errors",),
    ("text",),
    ("resp",),  # prints the doubles of replies with text
    ("values",),
    ("rdb",),
    ("keyspace",),
    ("acl",),
    ("server",),
    ("tls",),  # TLS contexts, of what comes in and of replicas
    ("commands",),
    ("scripting", "persistence", "replication", "cluster"),
    ("assembly",),
    ("output", "in_process"),  # the two ways in which replies leave: over a transport, and as Deferreds
    ("seeds",),
    ("transports", "polling"),
    ("protocol",),
    # the log in Redis's format; daemons, pid files, signals; systemd, the process's title
    ("logs", "process", "supervision", "crash_reports"),
    ("listening",),
    ("service", "tap", "__main__"),
    ("__init__",),  # the front door: what `from twisted_resp import ...` offers
    ("testing",),
)
LEVEL = {room: level for level, row in enumerate(ROWS) for room in row}

# Pure Python by design: usable, and tested, with no event loop in sight.
WITHOUT_TWISTED = {"acl", "errors", "rdb", "resp", "text", "values"}

# Plain data of the package itself, which any room may read.
FRONT_DOOR_DATA = {"__version__"}


class Import(NamedTuple):
    """One import: the dotted name that it brings in, and where it stands."""

    name: str
    where: str
    top_level: bool


def imports_of(path: Path, root: Path) -> Iterator[Import]:
    """Every import in the module at `path`, relative ones made absolute; `from a import b` gives `a.b`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inside = {node for function in ast.walk(tree) if is_function(function) for node in ast.walk(function)}
    package = path.relative_to(root.parent).with_suffix("").parts[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            names = [".".join([*base, *filter(None, [node.module]), alias.name]) for alias in node.names]
        else:
            continue
        for name in names:
            yield Import(name, f"{path.relative_to(root.parent)}:{node.lineno}", node not in inside)


def is_function(node: ast.AST) -> bool:
    return isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))


def room_of(path: Path, root: Path) -> str:
    return path.relative_to(root).with_suffix("").parts[0]


def room_named(dotted: str, root: Path) -> str | None:
    """The room that an imported name belongs to; None for what is not ours, or is open to all."""
    parts = dotted.split(".")
    if parts[0] != root.name:
        return None
    if len(parts) == 1:
        return "__init__"
    if parts[1] in FRONT_DOOR_DATA:
        return None
    if (root / parts[1]).is_dir() or (root / f"{parts[1]}.py").is_file() or parts[1] in LEVEL:
        return parts[1]
    return "__init__"


def complaints(root: Path) -> list[str]:
    """What is wrong with the imports in the package at `root`, a sentence each."""
    found = []
    arrows: dict[tuple[str, str], str] = {}
    for path in sorted(root.rglob("*.py")):
        room = room_of(path, root)
        if room not in LEVEL:
            found.append(f"{path.relative_to(root.parent)}: no row in this file's ROWS has a room {room!r}")
            continue
        for name, where, top_level in imports_of(path, root):
            target = room_named(name, root)
            if target is None:
                if room in WITHOUT_TWISTED and name.split(".")[0] == "twisted":
                    found.append(f"{where}: {room} is to work without Twisted, but imports {name}")
                if name == "twisted.internet.reactor" and top_level:
                    found.append(
                        f"{where}: the import installs a reactor; do it in the function that needs one"
                    )
            elif target not in LEVEL:
                found.append(f"{where}: {room} imports {name}, which is in no room")
            elif LEVEL[target] > LEVEL[room]:
                found.append(f"{where}: {room} imports {name}, which is above it")
            elif target != room:
                arrows[room, target] = where
    for (room, target), where in arrows.items():
        if room < target and (target, room) in arrows:
            found.append(f"{where}: {room} and {target} import each other")
    return found


def test_no_import_points_up() -> None:
    root = Path(__file__).parent.parent / PACKAGE
    assert len(list(root.rglob("*.py"))) > 10
    assert complaints(root) == []


class TestTheCheckItself:
    """Each kind of wrong arrow, in a package made up for it, is found; nothing else is."""

    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        """A package of the same name with every room in it, and no imports."""
        root = tmp_path / PACKAGE
        for room in LEVEL:
            path = root / f"{room}.py" if room not in ("values", "server") else root / room / "__init__.py"
            path.parent.mkdir(exist_ok=True, parents=True)
            path.touch()
        assert complaints(root) == []
        return root

    @pytest.mark.parametrize(
        "line",
        [
            "import twisted_resp.server",
            "import twisted_resp.server.client",
            "from twisted_resp import server",
            "from twisted_resp.server import Client",
            "from twisted_resp.server.client import Client",
            "from . import server",
            "from .server import Client",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from twisted_resp.server import Client",
            "def late():\n    from twisted_resp.server import Client",
            "from twisted_resp import RespFactory",
            "import twisted_resp",
        ],
    )
    def test_an_arrow_up(self, root: Path, line: str) -> None:
        (root / "resp.py").write_text(line)
        (complaint,) = complaints(root)
        assert complaint.startswith("twisted_resp/resp.py:")
        assert complaint.endswith("above it")

    def test_an_arrow_up_from_inside_a_package(self, root: Path) -> None:
        (root / "values" / "lists.py").write_text("from ..server import Client\n")
        assert complaints(root) == [
            "twisted_resp/values/lists.py:1: values imports twisted_resp.server.Client, which is above it"
        ]

    @pytest.mark.parametrize(
        "line",
        [
            "from twisted_resp.errors import CommandError",
            "from twisted_resp import __version__, errors",
            "from . import keys",
            "from ..values import Limits",
            "import twisted",
        ],
    )
    def test_what_is_allowed(self, root: Path, line: str) -> None:
        (root / "server" / "client.py").write_text(line)
        assert complaints(root) == []

    def test_a_module_in_no_room(self, root: Path) -> None:
        (root / "utils.py").touch()
        (root / "testing.py").write_text("import twisted_resp.utils")
        assert complaints(root) == [
            "twisted_resp/testing.py:1: testing imports twisted_resp.utils, which is in no room",
            "twisted_resp/utils.py: no row in this file's ROWS has a room 'utils'",
        ]

    def test_neighbours_that_import_each_other(self, root: Path) -> None:
        (root / "replication.py").write_text("from twisted_resp import persistence")
        assert complaints(root) == []
        (root / "persistence.py").write_text("from twisted_resp import replication")
        assert complaints(root) == [
            "twisted_resp/persistence.py:1: persistence and replication import each other"
        ]

    def test_twisted_where_it_must_not_be(self, root: Path) -> None:
        (root / "resp.py").write_text("from twisted.internet.defer import Deferred")
        assert complaints(root) == [
            "twisted_resp/resp.py:1: resp is to work without Twisted, "
            "but imports twisted.internet.defer.Deferred"
        ]

    def test_a_reactor_at_import(self, root: Path) -> None:
        (root / "tap.py").write_text("def f():\n    from twisted.internet import reactor\n")
        assert complaints(root) == []
        (root / "tap.py").write_text("from twisted.internet import reactor\n")
        (complaint,) = complaints(root)
        assert "installs a reactor" in complaint
