"""The numbers of the RDB format, and the one error that reading it raises.

There is no specification; what is written here is what Redis 2.6 to 8.6 and Valkey 7.2 to 9.0 write. Redis counts its
versions up to 79; Valkey's own begin at 80, under a signature of its own, and give two numbers another meaning.
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "COMPATIBLE",
    "LAST_OF_REDIS",
    "NEWEST",
    "EmptyValueError",
    "RdbError",
]

#: The version that Redis 7.0 and everything later loads, and the newest one that is written (Redis 7.4 to 8.4).
COMPATIBLE: Final = 10
NEWEST: Final = 12
#: What is newer is read as far as it has nothing unknown in it. The last version of Redis' own; then come Valkey's.
LAST_OF_REDIS: Final = 79

# Types of values.
STRING: Final = 0
LIST: Final = 1
SET: Final = 2
ZSET: Final = 3
HASH: Final = 4
ZSET_2: Final = 5
MODULE_PRE_GA: Final = 6
MODULE_2: Final = 7
HASH_ZIPMAP: Final = 9
LIST_ZIPLIST: Final = 10
SET_INTSET: Final = 11
ZSET_ZIPLIST: Final = 12
HASH_ZIPLIST: Final = 13
LIST_QUICKLIST: Final = 14
STREAM: Final = 15
HASH_LISTPACK: Final = 16
ZSET_LISTPACK: Final = 17
LIST_QUICKLIST_2: Final = 18
STREAM_2: Final = 19
SET_LISTPACK: Final = 20
STREAM_3: Final = 21
HASH_METADATA_PRE_GA: Final = 22
HASH_LISTPACK_EX_PRE_GA: Final = 23
HASH_METADATA: Final = 24
HASH_LISTPACK_EX: Final = 25
STREAM_4: Final = 26
# Valkey's hash with fields that expire has the number of HASH_METADATA_PRE_GA; here it has one of its own.
VALKEY_HASH_2: Final = 256 + 22

# What else may stand before a key.
# Valkey: slots that are just being imported. Redis: what modules say of the key.
SLOT_IMPORT: Final = 243
KEY_METADATA: Final = 243
SLOT_INFO: Final = 244
FUNCTION_2: Final = 245
FUNCTION_PRE_GA: Final = 246
MODULE_AUX: Final = 247
IDLE: Final = 248
FREQUENCY: Final = 249
AUX: Final = 250
RESIZE_DB: Final = 251
EXPIRES_MS: Final = 252
EXPIRES: Final = 253
SELECT_DB: Final = 254
EOF: Final = 255

# Nodes of a quicklist.
PLAIN: Final = 1
PACKED: Final = 2

# Entries of a stream's node.
ENTRY_DELETED: Final = 1
ENTRY_SAME_FIELDS: Final = 2


class RdbError(ValueError):
    """Data that are no valid RDB; the message is one line that says what is wrong."""


class EmptyValueError(RdbError):
    """A collection without elements, which old versions could save. The data after it can be read."""
