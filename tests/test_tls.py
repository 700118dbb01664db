"""What OpenSSL is given of a configuration."""

from __future__ import annotations

from pathlib import Path

import pytest
from twisted.internet.task import Clock

pytest.importorskip("OpenSSL", reason="TLS in Twisted needs pyOpenSSL")
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from twisted_resp import RespFactory
from twisted_resp.server.configuration import Configuration
from twisted_resp.testing.certificates import certificates
from twisted_resp.tls import ServerContext, TlsError


def configured(**values: str) -> Configuration:
    """A configuration with the certificates of tests, and these values."""
    files = certificates()
    chosen = {"tls_cert_file": files.server_cert, "tls_key_file": files.server_key, "tls_auth_clients": "no"}
    configuration = RespFactory(Clock()).server.configuration
    for name, value in {**chosen, **values}.items():
        configuration.read(name.replace("_", "-").encode(), [value.encode()])
    return configuration


@pytest.fixture
def encrypted_key(tmp_path: Path) -> str:
    key = load_pem_private_key(Path(certificates().server_key).read_bytes(), None)
    path = tmp_path / "encrypted.key"
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")))
    return str(path)


def test_a_key_with_a_password(encrypted_key: str) -> None:
    ServerContext(configured(tls_key_file=encrypted_key, tls_key_file_pass="secret"))
    ServerContext(configured(tls_key_file_pass="which it does not need"))
    for wrong in ("wrong", ""):
        with pytest.raises(TlsError, match=r"Failed to load private key: .*encrypted\.key: "):
            ServerContext(configured(tls_key_file=encrypted_key, tls_key_file_pass=wrong))


def test_what_is_no_key(tmp_path: Path) -> None:
    (tmp_path / "no.key").write_text("no key")
    for name in ("no.key", "nothing.key"):
        with pytest.raises(TlsError, match=f"Failed to load private key: .*{name}: "):
            ServerContext(configured(tls_key_file=str(tmp_path / name)))
    with pytest.raises(TlsError, match="key values mismatch"):
        ServerContext(configured(tls_key_file=certificates().client_key))
