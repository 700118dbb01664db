from __future__ import annotations

import pytest

from twisted_resp.text.template import expand

VALUES = {b"a": b"1", b"long-name": b"{a}", b"": b"none"}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        (b"", b""),
        (b"plain } text", b"plain } text"),
        (b"{a}{a} {long-name}.", b"11 {a}."),
        (b"{{a} {{{a}", b"{a} {1"),
        (b"{}", b"none"),
    ],
)
def test_expand(template: bytes, text: bytes) -> None:
    assert expand(template, VALUES) == text


@pytest.mark.parametrize("template", [b"{b}", b"{a", b"x{", b"{a }"])
def test_what_can_not_be_expanded(template: bytes) -> None:
    with pytest.raises(ValueError):
        expand(template, VALUES)
