"""The terminal: whose turn it is, however quick the other side of the fork is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.environment import find

if TYPE_CHECKING:
    from support.namespaces import Namespaces

FORK = """
import os, signal
signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
from tapwrap.system.terminal import Terminal
terminal, ours = Terminal(), os.getpgrp()
(first, done), (wait, go) = os.pipe(), os.pipe()
if not (child := os.fork()):
    os.setpgid(0, 0)
    if {child_first}:
        terminal.hand_over(os.getpid())
    os.write(done, b"!")
    os.read(wait, 1)
    os._exit(0)
os.read(first, 1)
terminal.hand_over(child)
print(terminal.is_given_away, os.tcgetpgrp(0) == child)
os.write(go, b"!")
os.wait()
terminal.take_back()
print(os.tcgetpgrp(0) == ours)
"""


@pytest.mark.parametrize("child_first", [False, True])
def test_it_is_given_and_taken_back_whoever_is_quicker(
    namespace: Namespaces, child_first: bool
) -> None:
    program = FORK.format(child_first=child_first)
    shell = namespace.start(find("python3"), "-c", program, terminal=True)

    assert shell.wait().status == 0
    assert shell.screen.split() == [b"True", b"True", b"True"]
