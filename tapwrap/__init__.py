"""tapwrap: the container entrypoint that knows why your process died."""

__version__ = "0.1.0"
