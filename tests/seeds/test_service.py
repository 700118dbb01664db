"""``--seed`` and ``--export``: a service that starts with data, and leaves them in a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from twisted_resp.service import LoadError, RespService
from twisted_resp.tap import Options, make_service


def service(directory: Path, *argv: str) -> RespService:
    options = Options()
    options.parseOptions(["--port", "0", "--dir", str(directory), *argv])
    return make_service(options, exit_on_error=False)


def test_data_come_from_seeds_and_go_to_an_export(tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text('{"a": 1, "b": ["x"]}')
    (tmp_path / "two.txt").write_text("INCR a\n")
    target = tmp_path / "out.json"
    made = service(
        tmp_path, "--seed", f"{tmp_path}/one.json", "--seed", f"{tmp_path}/two.txt", "--export", str(target)
    )
    made.startService()
    made.stopService()
    assert json.loads(target.read_text()) == {"a": "2", "b": ["x"]}
    # What is started again goes on with the data that it has.
    made.startService()
    made.stopService()
    assert json.loads(target.read_text())["a"] == "2"


def test_a_seed_that_can_not_be_read(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match=r"none\.json: No such file or directory"):
        service(tmp_path, "--seed", f"{tmp_path}/none.json").startService()
