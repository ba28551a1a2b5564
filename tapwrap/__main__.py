"""The way into tapwrap. The first thing it does is to block all signals.

A signal without a handler that is sent to PID 1 is dropped by the kernel, unless it is
blocked; then it waits until somebody takes it (signal(7), pid_namespaces(7)).
"""

import _signal  # type: ignore[import-not-found]

MASK = frozenset(
    int(number) for number in _signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals())
)


def main() -> int:
    """Run the command line; the status to exit with."""
    import os
    import sys

    if sys.argv[1:2] == ["run"]:
        from tapwrap.cli import options

        plain = options.read(sys.argv[2:], os.environ)
        if plain is not None:
            from tapwrap.cli.run import supervise

            # Everything is written; taking Python down tidily would only delay the exit.
            os._exit(supervise(*plain, MASK))
    else:
        _signal.pthread_sigmask(_signal.SIG_SETMASK, MASK)
    from tapwrap.cli import app

    return app.main(MASK)


if __name__ == "__main__":
    raise SystemExit(main())
