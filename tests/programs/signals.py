"""Say which signals arrive and from whom, each on a line: `signal 15 from 0`.

signals.py [NUMBER]    ends after the signal of this number; else never
"""

import os
import signal
import sys

last = int(sys.argv[1]) if sys.argv[1:] else None
caught = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}
signal.pthread_sigmask(signal.SIG_BLOCK, caught)
os.write(1, b"ready\n")
number = None
while last is None or number != last:
    info = signal.sigwaitinfo(caught)
    number = info.si_signo
    os.write(1, b"signal %d from %d\n" % (number, info.si_pid))
