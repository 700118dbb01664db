"""The collector of garbage, which is to leave alone what is loaded."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.persistence.servers import Server
from twisted_resp.persistence.loading import load_now


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    for number in range(300):
        server.call("HSET", f"key {number}", "a", 1)
    server.call("SAVE")
    server.call("FLUSHALL")
    yield server
    if hasattr(gc, "unfreeze"):  # PyPy has another collector
        gc.unfreeze()


@pytest.mark.skipif(not hasattr(gc, "freeze"), reason="not CPython's collector")
@pytest.mark.parametrize("own", [True, False])
def test_what_is_loaded_is_not_looked_at(server: Server, own: bool) -> None:
    if hasattr(gc, "unfreeze"):  # PyPy has another collector
        gc.unfreeze()
    server.saving.may_fork = own
    for _ in server.saving.load_steps():
        assert not gc.isenabled()
    assert gc.isenabled()
    # Within somebody else's process there may be garbage of theirs.
    assert (gc.get_freeze_count() > 0) == own


def test_it_goes_on_after_a_failure(server: Server) -> None:
    server.file.write_bytes(server.file.read_bytes()[:-20])
    with pytest.raises(ValueError, match="at byte"):
        load_now(server.saving.load_steps())
    assert gc.isenabled()
