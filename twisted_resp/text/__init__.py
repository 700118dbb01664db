"""How Redis reads and prints integers, floats, sizes, durations, glob patterns and command lines.

Everything here is a pure function of bytes: it knows no keys, no clients and no replies.
"""

from __future__ import annotations
