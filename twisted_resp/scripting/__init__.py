"""Scripts and functions in Lua.

https://redis.io/docs/latest/develop/interact/programmability/
"""

from __future__ import annotations

from twisted_resp.scripting import commands
from twisted_resp.server.server import Server

__all__ = ["install"]


def install(server: Server) -> None:
    """Let a server run scripts."""
    scripts = commands.install(server)

    def figures() -> dict[str, int]:
        return {
            "vm_eval": scripts.engine.memory,
            "scripts_eval": scripts.memory,
            "number_of_cached_scripts": len(scripts),
        }

    server.scripting.figures = figures
