"""Writing without waiting, to pipes, sockets, files and terminals that were inherited."""

from __future__ import annotations

import fcntl
import os
import pty
import socket
from typing import TYPE_CHECKING

import pytest

from tapwrap.system import outlet as outlets
from tapwrap.system.outlet import Outlet
from tapwrap.system.relay import Relay
from tapwrap.system.waiting import Waiter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

BLOCK = bytes(range(256)) * 256


@pytest.fixture
def waiter() -> Iterator[Waiter]:
    made = Waiter(frozenset({10}))
    yield made
    made.close()


def is_blocking(fd: int) -> bool:
    return not fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_NONBLOCK


def read_all(fd: int, waiter: Waiter, outlet: Outlet) -> bytes:
    """Take everything that the outlet has, as a slow reader does."""
    os.set_blocking(fd, False)
    taken = b""
    while True:
        try:
            taken += os.read(fd, 4000)
        except BlockingIOError:
            if outlet.is_empty:
                return taken
            waiter.wait()


@pytest.mark.parametrize("reopened", [True, False], ids=["reopened", "without /proc"])
def test_a_stalled_pipe_takes_everything_later_and_stays_blocking(
    waiter: Waiter, reopened: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = os.pipe()
    if not reopened:
        monkeypatch.setattr(outlets, "OPENED_AGAIN", "/nowhere/{}")
    outlet = Outlet(writer, waiter)

    for _ in range(8):
        outlet.send(BLOCK)

    assert outlet.is_full
    assert is_blocking(writer)
    assert read_all(reader, waiter, outlet) == BLOCK * 8
    assert outlet.lost == 0
    outlet.close()
    os.close(reader)
    os.close(writer)


def test_a_stalled_socket_takes_everything_later(waiter: Waiter) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        outlet = Outlet(theirs.fileno(), waiter)

        for _ in range(16):
            outlet.send(BLOCK)

        assert not outlet.is_empty
        assert theirs.getblocking()
        assert read_all(ours.fileno(), waiter, outlet) == BLOCK * 16
        outlet.close()


def test_a_file_is_shared_with_others_who_write_to_it(waiter: Waiter, tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb", buffering=0) as file:
        outlet = Outlet(file.fileno(), waiter)
        for _ in range(3):
            outlet.send(b"ours\n")
            file.write(b"theirs\n")
        outlet.close()

    assert (tmp_path / "log").read_bytes() == b"ours\ntheirs\n" * 3


def test_a_terminal_is_written_to_and_left_as_it_was(waiter: Waiter) -> None:
    screen, terminal = pty.openpty()
    outlet = Outlet(terminal, waiter)

    outlet.send(b"hello\n")

    assert os.read(screen, 100) == b"hello\r\n"
    assert is_blocking(terminal)
    outlet.close()
    os.close(screen)
    os.close(terminal)


def test_a_reader_that_is_gone_costs_nothing_but_the_bytes(waiter: Waiter) -> None:
    reader, writer = os.pipe()
    outlet = Outlet(writer, waiter)
    os.close(reader)

    outlet.send(b"12345")

    assert outlet.lost == 5
    assert outlet.is_empty
    outlet.close()
    os.close(writer)


def test_our_own_lines_begin_on_a_line_of_their_own(waiter: Waiter) -> None:
    reader, writer = os.pipe()
    outlet = Outlet(writer, waiter)

    outlet.send(b"half a li")
    outlet.send_line(b"ours\n")
    outlet.send_line(b"again\n")

    assert os.read(reader, 100) == b"half a li\nours\nagain\n"
    outlet.close()
    os.close(reader)
    os.close(writer)


@pytest.fixture
def relayed(waiter: Waiter) -> Iterator[tuple[Relay, int, Callable[[], bytes]]]:
    """A relay to a pipe, the end to write to, and how to take what came out."""
    reader, writer = os.pipe()
    outlet = Outlet(writer, waiter)
    read_end, source = os.pipe()
    relay = Relay(read_end, outlet, waiter)
    yield relay, source, lambda: read_all(reader, waiter, outlet)
    relay.close()
    outlet.close()
    for fd in (reader, writer):
        os.close(fd)


def fill(source: int, waiter: Waiter) -> int:
    """Write until nothing more is taken, however often the relay has its turn."""
    os.set_blocking(source, False)
    written, refused = 0, 0
    while refused < 3:
        try:
            written += os.write(source, BLOCK[: 4096 - written % 4096])
            refused = 0
        except BlockingIOError:
            refused += 1
            waiter.set_timer("turn", 0.05)
            waiter.wait()
    return written


def test_a_stalled_reader_holds_the_command_back_and_not_us(
    relayed: tuple[Relay, int, Callable[[], bytes]], waiter: Waiter
) -> None:
    relay, source, take = relayed

    written = fill(source, waiter)

    # Two pipes and one queue are full, and then nothing more is taken.
    assert 128 * 1024 < written < 1024 * 1024
    os.close(source)
    taken = take()
    while len(taken) < written:
        waiter.wait()
        taken += take()
    assert taken == (BLOCK[:4096] * 256)[:written]
    assert relay.tail.total == written


def test_the_last_words_are_read_even_if_nobody_takes_them(
    relayed: tuple[Relay, int, Callable[[], bytes]], waiter: Waiter
) -> None:
    relay, source, _take = relayed
    written = fill(source, waiter)
    assert relay.tail.total < written
    os.close(source)

    relay.drain()

    assert relay.tail.total == written
