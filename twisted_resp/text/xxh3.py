"""XXH3, 64 bit: the digest that DIGEST answers and IFDEQ compares.

Theory of operation. Up to 240 bytes are mixed word by word, with a formula for each range of lengths. Longer
data feeds eight 64 bit accumulators: each word is combined with a word of the secret, and the product of the
two halves of the result is added. A block of 16 stripes (1024 bytes) meets each part of the secret once, so
here a block is combined with all of them in one exclusive or of long integers, and multiplied with ``map``;
only then are the accumulators scrambled.
See https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md.
"""

from __future__ import annotations

from operator import mul
from struct import Struct
from typing import Final

__all__ = ["xxh3_64"]

_MASK: Final = 2**64 - 1
_PRIME32_1: Final = 0x9E3779B1
_PRIME32_2: Final = 0x85EBCA77
_PRIME32_3: Final = 0xC2B2AE3D
_PRIME64_1: Final = 0x9E3779B185EBCA87
_PRIME64_2: Final = 0xC2B2AE3D27D4EB4F
_PRIME64_3: Final = 0x165667B19E3779F9
_PRIME64_4: Final = 0x85EBCA77C2B2AE63
_PRIME64_5: Final = 0x27D4EB2F165667C5
_PRIME_MX1: Final = 0x165667919E3779F9
_PRIME_MX2: Final = 0x9FB21C651E98DF25

_SECRET: Final = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671fcb79e64eccc0e578825ad07dccff7221"
    "b8084674f743248ee03590e6813a264c3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8"
    "a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364eac5ac8334d3ebc3c581a0fffa1363eb"
    "170ddd51b7f0da49d316552629d4689e2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e"
)

_STRIPE: Final = 64
_STRIPES: Final = (len(_SECRET) - _STRIPE) // 8  # of a block
_BLOCK: Final = _STRIPE * _STRIPES


def _word(data: bytes, offset: int) -> int:
    return int.from_bytes(data[offset : offset + 8], "little")


def _half(data: bytes, offset: int) -> int:
    return int.from_bytes(data[offset : offset + 4], "little")


# The part of the secret that each stripe of a block meets, one after another.
_BLOCK_KEY: Final = int.from_bytes(
    b"".join(_SECRET[8 * n : 8 * n + _STRIPE] for n in range(_STRIPES)), "little"
)
_LAST_KEY: Final = int.from_bytes(_SECRET[-_STRIPE - 7 : -7], "little")
_SCRAMBLE_KEYS: Final = Struct("<8Q").unpack(_SECRET[-_STRIPE:])
_MERGE_KEYS: Final = Struct("<8Q").unpack(_SECRET[11 : 11 + _STRIPE])
_START: Final = (
    _PRIME32_3, _PRIME64_1, _PRIME64_2, _PRIME64_3, _PRIME64_4, _PRIME32_2, _PRIME64_5, _PRIME32_1,
)  # fmt: skip


def xxh3_64(data: bytes) -> int:
    """Return the 64 bit XXH3 of some bytes, with seed 0 and the default secret."""
    length = len(data)
    if length > 240:
        return _long(data, length)
    if length > 128:
        return _medium(data, length)
    if length > 16:
        return _short(data, length)
    if length > 8:
        low = _word(data, 0) ^ _word(_SECRET, 24) ^ _word(_SECRET, 32)
        high = _word(data, length - 8) ^ _word(_SECRET, 40) ^ _word(_SECRET, 48)
        swapped = int.from_bytes(low.to_bytes(8, "little"), "big")
        return _avalanche(length + swapped + high + _folded(low, high))
    if length > 3:
        mixed = _half(data, length - 4) + (_half(data, 0) << 32)
        mixed ^= _word(_SECRET, 8) ^ _word(_SECRET, 16)
        mixed ^= _rotated(mixed, 49) ^ _rotated(mixed, 24)
        mixed = mixed * _PRIME_MX2 & _MASK
        mixed ^= (mixed >> 35) + length
        mixed = mixed * _PRIME_MX2 & _MASK
        return mixed ^ mixed >> 28
    if length:
        mixed = data[0] << 16 | data[length >> 1] << 24 | data[-1] | length << 8
        return _avalanche_64(mixed ^ _half(_SECRET, 0) ^ _half(_SECRET, 4))
    return _avalanche_64(_word(_SECRET, 56) ^ _word(_SECRET, 64))


def _rotated(value: int, bits: int) -> int:
    return (value << bits | value >> 64 - bits) & _MASK


def _folded(a: int, b: int) -> int:
    """The two halves of a 128 bit product, combined."""
    product = a * b
    return product & _MASK ^ product >> 64


def _avalanche(value: int) -> int:
    value &= _MASK
    value = (value ^ value >> 37) * _PRIME_MX1 & _MASK
    return value ^ value >> 32


def _avalanche_64(value: int) -> int:
    """The final mix of XXH64."""
    value = (value ^ value >> 33) * _PRIME64_2 & _MASK
    value = (value ^ value >> 29) * _PRIME64_3 & _MASK
    return value ^ value >> 32


def _mixed(data: bytes, offset: int, key: int) -> int:
    """16 bytes of data with 16 bytes of the secret."""
    return _folded(
        _word(data, offset) ^ _word(_SECRET, key), _word(data, offset + 8) ^ _word(_SECRET, key + 8)
    )


def _short(data: bytes, length: int) -> int:
    """17 to 128 bytes: from both ends towards the middle."""
    total = length * _PRIME64_1
    for n in range((length - 1) // 32 + 1):
        total += _mixed(data, 16 * n, 32 * n) + _mixed(data, length - 16 * (n + 1), 32 * n + 16)
    return _avalanche(total)


def _medium(data: bytes, length: int) -> int:
    """129 to 240 bytes."""
    total = length * _PRIME64_1 + sum(_mixed(data, 16 * n, 16 * n) for n in range(8))
    total = _avalanche(total)
    for n in range(8, length // 16):
        total += _mixed(data, 16 * n, 16 * (n - 8) + 3)
    return _avalanche(total + _mixed(data, length - 16, 136 - 17))


def _long(data: bytes, length: int) -> int:
    sums = list(_START)
    blocks = (length - 1) // _BLOCK
    for n in range(blocks):
        _accumulate(sums, data[n * _BLOCK : (n + 1) * _BLOCK], _BLOCK_KEY)
        for lane in range(8):
            value = sums[lane] & _MASK
            sums[lane] = (value ^ value >> 47 ^ _SCRAMBLE_KEYS[lane]) * _PRIME32_1 & _MASK
    rest = (length - 1 - blocks * _BLOCK) // _STRIPE * _STRIPE
    if rest:
        key = _BLOCK_KEY & (1 << 8 * rest) - 1
        _accumulate(sums, data[blocks * _BLOCK : blocks * _BLOCK + rest], key)
    _accumulate(sums, data[-_STRIPE:], _LAST_KEY)
    words = [value & _MASK ^ key for value, key in zip(sums, _MERGE_KEYS)]
    total = length * _PRIME64_1
    for n in range(0, 8, 2):
        total += _folded(words[n], words[n + 1])
    return _avalanche(total)


def _accumulate(sums: list[int], stripes: bytes, key: int) -> None:
    """Add whole stripes, combined with as much of the secret. The sums may exceed 64 bits."""
    size = len(stripes)
    words = Struct(f"<{size // 8}Q").unpack(stripes)
    combined = (int.from_bytes(stripes, "little") ^ key).to_bytes(size, "little")
    halves = Struct(f"<{size // 4}I").unpack(combined)
    products = list(map(mul, halves[::2], halves[1::2]))
    for lane in range(8):
        # Each word itself is added to the neighbour's sum.
        sums[lane] += sum(products[lane::8]) + sum(words[lane ^ 1 :: 8])
