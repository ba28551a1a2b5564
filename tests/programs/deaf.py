"""Ignore every signal that can be ignored, and never end."""

import os
import signal

for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
    signal.signal(number, signal.SIG_IGN)
os.write(1, b"ready\n")
while True:
    signal.pause()
