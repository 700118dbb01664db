"""XXH3 against what the reference implementation (xxhash 0.8.3) answers."""

from __future__ import annotations

import pytest

from twisted_resp.text.xxh3 import xxh3_64

DATA = bytes(n * 7 % 251 for n in range(3000))

# A length of DATA from each of the ranges that are computed in ways of their own, and around their limits.
DIGESTS = {
    0: 0x2D06800538D394C2,
    1: 0xC44BDFF4074EECDB,
    3: 0xC3489259E968AD9E,
    4: 0xD3D60C1519014E89,
    8: 0xB88DEE77F6BF6980,
    9: 0x03688DCAD730D826,
    16: 0x9DA23836ADF2BE1E,
    17: 0xF34C3C9CF5A112D1,
    32: 0x99CB9AD0F1A11FBE,
    33: 0xC077B45492D29CDE,
    128: 0x4C659B745F435148,
    129: 0xB85222B83902B6E5,
    240: 0xD6DFBF67B0675B54,
    241: 0xC614C8C3575348C1,
    1024: 0xF22EF3DC84FF47EA,
    1025: 0x43F869A83769A435,
    2048: 0x3D2649F662A2E191,
    3000: 0xB3EACB6E81DD90F0,
}


@pytest.mark.parametrize("length", DIGESTS)
def test_digests(length: int) -> None:
    assert xxh3_64(DATA[:length]) == DIGESTS[length]


def test_the_example_of_redis_io() -> None:
    assert xxh3_64(b"Hello world") == 0xB6ACB9D84A38FF74


def test_leading_zeros() -> None:
    text = b"v8lf0c11xh8ymlqztfd3eeq16kfn4sspw7fqmnuuq3k3t75em5wdizgcdw7uc26nnf961u2jkfzkjytls2kwlj7626sd"
    assert xxh3_64(text) == 0x00006C38ADF31777
