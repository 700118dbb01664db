"""Servers that speak TLS, with certificates made on the spot."""

from __future__ import annotations

import asyncio
import gc
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import LONG

pytest.importorskip("OpenSSL", reason="TLS in Twisted needs pyOpenSSL")
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from twisted_resp.testing import ServerThread
from twisted_resp.testing.certificates import Certificates, certificates
from twisted_resp.testing.recording import load
from twisted_resp.testing.replay import main, replay


def once() -> Retry:
    return Retry(NoBackoff(), 0)


@pytest.fixture(scope="module")
def server() -> Iterator[ServerThread]:
    with ServerThread(tls=True, tls_auth_clients="yes", password="secret") as server:
        yield server


def test_clients_of_redis_py(server: ServerThread) -> None:
    # Were small writes put together by the process's own reactor, which does not run here, this would wait for ever.
    with server.redis_client(socket_timeout=LONG) as client:
        client.set("key", "v" * 300_000)  # more than a record, and than a piece of output
        assert client.strlen("key") == 300_000
        assert client.get("key") == b"v" * 300_000

    async def ask() -> None:
        async with server.async_client() as client:
            assert await client.get("key") == b"v" * 300_000

    asyncio.run(ask())
    files = server.certificates
    assert files is not None
    with redis.Redis.from_url(f"{server.url}/1?{files.url_query}") as client:
        assert client.dbsize() == 0


def test_the_context(server: ServerThread) -> None:
    context = certificates().ssl_context()
    with (
        socket.create_connection((server.host, server.port), LONG) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as encrypted,
    ):
        encrypted.sendall(b"AUTH secret\r\n")
        assert encrypted.recv(100) == b"+OK\r\n"


def test_a_client_must_show_a_certificate(server: ServerThread) -> None:
    options: dict[str, Any] = {
        "host": server.host,
        "port": server.port,
        "password": "secret",
        "retry": once(),
    }
    shows_none = {**options, **certificates().redis_options(client_certificate=False)}
    with redis.Redis(**shows_none) as client, pytest.raises(redis.ConnectionError):
        client.ping()
    with redis.Redis(**options) as client, pytest.raises(redis.ConnectionError):  # not encrypted at all
        client.ping()


def test_another_authority_is_not_trusted() -> None:
    own = Certificates()
    assert own.ca_file != certificates().ca_file
    with ServerThread(tls=own) as server:
        with server.redis_client() as client:
            assert client.ping()
        with pytest.raises(redis.ConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
            server.redis_client(ssl_ca_certs=certificates().ca_file, retry=once()).ping()


# Python forgets to close a socket that is reset before it has been wrapped (SSLSocket._create).
@pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")
def test_faults_strike_through_it(server: ServerThread) -> None:
    with server.redis_client(retry=once()) as client:
        client.ping()
        faults = server.faults
        for fails in (
            lambda: faults.drop("PING"),
            lambda: faults.drop("PING", reset=True),
            lambda: faults.cut("PING", at=2),
            faults.refuse,
            faults.down,
        ):
            with fails() as fault:
                if fault.name in ("refuse", "down"):
                    client.connection_pool.disconnect()
                with pytest.raises(redis.ConnectionError):
                    client.ping()
            assert fault.hits == 1
        with server.faults.dribble("PING"):
            assert client.ping()
    gc.collect()  # what was forgotten here is not to be found in another test


def test_a_session_is_replayed(
    server: ServerThread, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / "session.jsonl")
    with server.redis_client() as client:
        client.set("replayed", "v")
    server.journal.save(path)
    files = certificates()
    shown = ["--cert", files.client_cert, "--key", files.client_key]
    assert main([path, "--to", server.url, "--cacert", files.ca_file, *shown, "--flush"]) == 0
    assert main([path, "--to", server.url, *shown]) == 2
    assert "CERTIFICATE_VERIFY_FAILED" in capsys.readouterr().err
    assert replay(load(path), server.url, tls=files.ssl_context(), flush=True) == []


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(RuntimeError, match=r"pip install 'twisted-resp\[tls\]'"):
        Certificates()


@pytest.mark.parametrize("settings", [{}, {"tls": True}])
def test_a_replica(server: ServerThread, settings: dict[str, Any]) -> None:
    server.call("SET", "replicated", "v")
    with ServerThread(replica_of=server, **settings) as replica, replica.redis_client() as client:
        assert client.get("replicated") == b"v"
        assert client.info("replication")["master_link_status"] == "up"
