"""The wire, sans-IO: :mod:`.requests` from bytes, :mod:`.replies` to bytes, RESP2 and RESP3."""

from __future__ import annotations

from twisted_resp.resp.replies import (
    BULK_HEADERS,
    NO_REPLY,
    NULL_ARRAY,
    OK,
    PONG,
    QUEUED,
    SHORT,
    SMALL_INTEGERS,
    Attributed,
    BigNumber,
    Map,
    Push,
    Reply,
    SetReply,
    Several,
    Status,
    Verbatim,
    encode,
    encode_into,
)
from twisted_resp.resp.requests import BURSTS, RequestDecoder, decode_burst

__all__ = [
    "BULK_HEADERS",
    "BURSTS",
    "NO_REPLY",
    "NULL_ARRAY",
    "OK",
    "PONG",
    "QUEUED",
    "SHORT",
    "SMALL_INTEGERS",
    "Attributed",
    "BigNumber",
    "Map",
    "Push",
    "Reply",
    "RequestDecoder",
    "SetReply",
    "Several",
    "Status",
    "Verbatim",
    "decode_burst",
    "encode",
    "encode_into",
]
