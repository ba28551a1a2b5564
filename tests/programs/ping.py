"""Send every signal that can be caught to the parent, one at a time, and say what came back."""

import os
import signal

caught = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}
signal.pthread_sigmask(signal.SIG_BLOCK, caught)
for number in sorted(caught - {signal.SIGTERM}):  # TERM begins a stop.
    os.kill(os.getppid(), number)
    answer = signal.sigtimedwait(caught, 10)
    os.write(1, b"sent %d, received %d\n" % (number, answer.si_signo if answer else 0))
