"""Hold a process as a debugger does, so that even KILL does not make it go away.

    tracer.py PID    says `ready`, and lets go when it ends itself

A traced process that dies stays a zombie until its tracer has looked, and this one never does.
"""

import ctypes
import os
import signal
import sys

PTRACE_SEIZE = 0x4206
PTRACE_O_TRACEEXIT = 0x40

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
if libc.ptrace(PTRACE_SEIZE, int(sys.argv[1]), None, PTRACE_O_TRACEEXIT):
    sys.exit(f"cannot trace process {sys.argv[1]}: {os.strerror(ctypes.get_errno())}")
os.write(1, b"ready\n")
while True:
    signal.pause()
