"""Scripts and functions in Lua.

https://redis.io/docs/latest/develop/interact/programmability/
"""

from __future__ import annotations

from twisted_resp.scripting import commands, function_commands
from twisted_resp.server.server import Server

__all__ = ["install"]


def install(server: Server) -> None:
    """Let a server run scripts."""
    scripts = commands.install(server)
    libraries = function_commands.install(server)

    def figures() -> dict[str, int]:
        return {
            "vm_eval": scripts.engine.memory,
            "vm_functions": libraries.engine.memory,
            "scripts_eval": scripts.memory,
            "functions": libraries.memory,
            "number_of_cached_scripts": len(scripts),
            "number_of_functions": len(libraries.functions),
            "number_of_libraries": len(libraries.libraries),
        }

    scripting = server.scripting
    scripting.figures = figures
    scripting.sources = libraries.sources
    scripting.load_sources = libraries.load_sources
    scripting.flush_libraries = libraries.flush
