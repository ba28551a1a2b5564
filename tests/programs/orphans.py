"""Leave orphans behind, as a program does that forks twice and forgets.

    orphans.py HOW_MANY [SECONDS] [STATUS]

Each ends after SECONDS (0); with -1 all of them end in the moment that this program does, with
STATUS (0).
"""

import os
import sys
import time

how_many, seconds, status = (*map(int, sys.argv[1:]), *(0, 0)[len(sys.argv) - 2 :])
together, alive = os.pipe()
for _ in range(how_many):
    if not (child := os.fork()):
        if not os.fork():
            os.close(alive)
            if seconds < 0:
                os.read(together, 1)  # The end of file comes when the last `alive` is closed.
            else:
                time.sleep(seconds)
        os._exit(0)
    os.waitpid(child, 0)
os.write(1, b"ready\n")
os._exit(status)
