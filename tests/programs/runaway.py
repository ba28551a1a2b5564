"""Run away from whoever wants to end us: ignore TERM, and fork and end without a pause.

    runaway.py [STATUS]    ends with STATUS and leaves the runner; else waits for it for ever

There is only one at a time, but hardly ever the one that was seen a moment ago.
"""

import os
import signal
import sys

signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork():
    os.write(1, b"ready\n")
    if sys.argv[1:]:
        os._exit(int(sys.argv[1]))
    while True:
        signal.pause()
while True:
    if os.fork():
        os._exit(0)
