"""Serve until told to end, and then take the time to say goodbye.

    servant.py NAME [STATUS] [SECONDS]

It says `NAME ready`, on TERM `NAME told` and, SECONDS (0.2) later, `NAME said goodbye`; then it
ends with STATUS (0).
"""

import os
import signal
import sys
import time

name, status, seconds = (*sys.argv[1:], *("", "0", "0.2")[len(sys.argv) - 1 :])
signal.signal(signal.SIGINT, signal.SIG_DFL)  # Python's own handler would wait for sigwait.
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
os.write(1, f"{name} ready\n".encode())
signal.sigwait({signal.SIGTERM})
os.write(1, f"{name} told\n".encode())
time.sleep(float(seconds))
os.write(1, f"{name} said goodbye\n".encode())
sys.exit(int(status))
