"""A Redis-compatible server in Python on Twisted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["RespFactory", "RespProtocol", "__version__"]

if TYPE_CHECKING:
    from twisted_resp.protocol import RespFactory, RespProtocol


def __getattr__(name: str) -> Any:
    # Imported when asked for: `import twisted_resp.text` and the like need not load Twisted and every command.
    if name in ("RespFactory", "RespProtocol"):
        from twisted_resp import protocol

        return getattr(protocol, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
