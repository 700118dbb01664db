"""Faults at a test's command: errors, delays, lost connections, half replies, a full disk."""

from __future__ import annotations

from twisted_resp.testing.faults.conditions import Conditions
from twisted_resp.testing.faults.fault import Fault
from twisted_resp.testing.faults.registry import Faults

__all__ = ["Conditions", "Fault", "Faults"]
