"""Start a daemon (a session of its own, a parent that is gone) and go on, or end at once.

    daemon.py [STATUS]    ends with STATUS and leaves the daemon; else waits for a signal

The daemon says `daemon ready`, `daemon was told` when TERM comes, and `daemon said goodbye`
when it had its time.
"""

import os
import signal
import sys
import time


def say_goodbye(_number: int, _frame: object) -> None:
    os.write(1, b"daemon was told\n")
    time.sleep(0.2)
    os.write(1, b"daemon said goodbye\n")
    os._exit(0)


reader, writer = os.pipe()
if not os.fork():
    os.setsid()
    if not os.fork():
        signal.signal(signal.SIGTERM, say_goodbye)
        os.write(1, b"daemon ready\n")
        os.write(writer, b"!")
        while True:
            signal.pause()
    os._exit(0)
os.wait()
os.read(reader, 1)
if sys.argv[1:]:
    sys.exit(int(sys.argv[1]))
signal.pause()
