"""Data to start from, and to keep: plain data, JSON, YAML, commands, snapshots and append-only files."""

from __future__ import annotations

from twisted_resp.seeds.data import load_data, plain_data
from twisted_resp.seeds.files import SeedError, export, seed

__all__ = ["SeedError", "export", "load_data", "plain_data", "seed"]
