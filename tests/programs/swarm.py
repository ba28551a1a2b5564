"""Make orphans as fast as possible, and say `N were here` after the first hundred and the last.

    swarm.py HOW_MANY

Then it waits to be ended.
"""

import os
import signal
import sys

how_many, brood = int(sys.argv[1]), 100
for number in range(brood, how_many + 1, brood):
    if not (parent := os.fork()):
        for _ in range(brood):
            if not os.fork():
                os._exit(0)
        os._exit(0)
    os.waitpid(parent, 0)
    if number in {brood, how_many}:
        os.write(1, b"%d were here\n" % number)
signal.pause()
