"""What the HELP subcommands answer."""

from __future__ import annotations

from twisted_resp.resp import Reply, Status

__all__ = ["help_reply"]


def help_reply(container: bytes, text: bytes) -> Reply:
    """Frame the help of a container command as Redis does: a heading, the text, and HELP itself.

    :param container: the command's name in capitals.
    :param text: the lines on its other subcommands, descriptions indented by four spaces. Empty lines at
        either end are left out.
    """
    heading = b"%b <subcommand> [<arg> [value] [opt] ...]. Subcommands are:" % container
    lines = [heading, *text.strip(b"\n").split(b"\n"), b"HELP", b"    Print this help."]
    return [Status(line) for line in lines]
