"""The `twistd resp` command.

Twisted finds this file by where it lies: in a `twisted/plugins/` on sys.path that has no `__init__.py`,
neither in it nor above it. What it names is imported only when the command is used.
"""

from __future__ import annotations

from twisted.application.service import ServiceMaker

resp = ServiceMaker("twisted-resp", "twisted_resp.tap", "A Redis-compatible server.", "resp")
