"""The examples of the documentation: the blocks of Python that are marked ``run`` do."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from twisted_resp.testing import ServerThread

PAGES = Path(__file__).parent.parent / "docs"
BLOCK = re.compile(r"^```python run\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def examples() -> Iterator[Any]:
    for page in sorted(PAGES.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        for found in BLOCK.finditer(text):
            before = text.count("\n", 0, found.start()) + 1
            # Blank lines before it, so that a failure tells the line of the page.
            source = "\n" * before + found[1]
            yield pytest.param(page, source, id=f"{page.name}:{before}")


@pytest.fixture(scope="module")
def server() -> Iterator[ServerThread]:
    with ServerThread() as server:
        yield server


@pytest.mark.parametrize(("page", "source"), list(examples()))
def test_example(
    page: Path, source: str, server: ServerThread, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "tls=True" in source:
        pytest.importorskip("OpenSSL", reason="TLS in Twisted needs pyOpenSSL")
    monkeypatch.chdir(tmp_path)
    names = {
        "ANY": ANY, "ServerThread": ServerThread, "pytest": pytest, "re": re, "redis": redis, "server": server,
        "threading": threading,
    }  # fmt: skip
    with server.snapshot() as start, server.redis_client(retry=Retry(NoBackoff(), 0)) as client:
        exec(compile(source, page, "exec"), {**names, "client": client})
        assert len(server.faults) == 0
        server.reset(start)
