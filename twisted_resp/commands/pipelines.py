"""Pipelines of one and the same command, run in one go.

What does not change from one such request to the next is looked at once. Where the command has a column form as well
(:func:`table.in_columns`), and nobody listens to changes, there is no loop over the requests either.
"""

from __future__ import annotations

from itertools import repeat
from operator import length_hint
from time import perf_counter
from typing import Final

from twisted_resp.commands import table
from twisted_resp.commands.dispatch import internal_error_of, normal, took_long
from twisted_resp.errors import CommandError
from twisted_resp.resp import Reply
from twisted_resp.server.client import Client
from twisted_resp.server.statistics import MOST_SAMPLES, CommandEntry

__all__ = ["run"]

# Where commands count as slow that take less than this (seconds), each is run and timed by itself.
_ALWAYS_QUICK: Final = 0.001


def run(client: Client, words: list[list[bytes]], replies: list[Reply]) -> int:
    """Run a pipeline of requests of one and the same command, as :func:`normal` would one by one.

    All that does not change within such a run is looked at once. It ends early where something out of the ordinary has
    happened: the rest is for ``client.execute``.

    :param words: the requests word by word: all names, all first arguments, and so on.
    :param replies: where the replies go.
    :return: how many requests have been run.
    """
    server = client.server
    names = words[0]
    entry = server.commands.get(names[0])
    if (
        entry is None
        or not entry.plain
        or not entry.takes(len(words))
        or client.execute is not normal
        or client.no_touch
        or server.attention
    ):
        return 0
    client.current = [column[0] for column in words]
    client.last_command = entry.full_name
    count = len(names)
    form = table.column_form((entry.handler, len(words)))
    if form is not None and server.keyspace.is_unobserved and server.slow_threshold >= _ALWAYS_QUICK:
        done = _run_at_once(client, entry, form, words, replies)
        if done == count or client.execute is not normal or client.closing or server.attention:
            return done
        words = [column[done:] for column in words]
        names = words[0]
    left = repeat(client, len(names))
    calls = map(entry.handler, left, *words[1:])
    add, sample = replies.append, entry.samples.append
    slow = server.slow_threshold
    start = perf_counter()
    while True:
        try:
            for reply in calls:
                add(reply)
                now = perf_counter()
                sample(now - start)
                if now - start >= slow or server.pending or client.execute is not normal or client.closing:
                    break
                start = now
            else:
                break
        except CommandError as error:
            entry.failed += 1
            add(error.with_traceback(None))  # see dispatch.normal
            server.count_error(error.code)
            now = perf_counter()
            sample(now - start)
        except Exception:
            add(internal_error_of(client, entry, _nth(words, len(names) - length_hint(left) - 1)))
            now = perf_counter()
            sample(now - start)
        if now - start >= slow:
            took_long(client, entry, _nth(words, len(names) - length_hint(left) - 1), now - start)
        if server.pending:
            server.settle()
        if client.execute is not normal or client.closing or server.attention:
            break
        start = perf_counter()
    if len(entry.samples) >= MOST_SAMPLES:
        entry.fold()
    return count - length_hint(left)


def _run_at_once(
    client: Client,
    entry: CommandEntry,
    form: table.ColumnForm,
    words: list[list[bytes]],
    replies: list[Reply],
) -> int:
    """Run the first of some requests, as many as their command's column form does; answer how many."""
    server = client.server
    start = perf_counter()
    try:
        answers = form(client, *words[1:])
    except Exception:
        # Nobody knows which of them have been done.
        answers = [internal_error_of(client, entry, list(args)) for args in zip(*words)]
    seconds = perf_counter() - start
    done = len(answers)
    if done:
        replies += answers
        entry.record_alike(seconds, done)
        if seconds >= server.slow_threshold:
            # So quick are these that it was most likely one of them which was held up.
            took_long(client, entry, _nth(words, 0), seconds)
    if server.pending:
        server.settle()
    return done


def _nth(words: list[list[bytes]], place: int) -> list[bytes]:
    return [column[place] for column in words]
