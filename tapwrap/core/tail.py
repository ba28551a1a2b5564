"""The last words of a stream: bounded bytes, bounded lines, whatever comes."""

from __future__ import annotations

BYTES = 64 * 1024
LINES = 200


class Tail:
    """Keeps at least the last `BYTES` of what it is fed; a chunk costs one append."""

    def __init__(self) -> None:
        """Nothing was said yet."""
        self._chunks: list[bytes] = []
        self._size = 0
        self.total = 0

    def feed(self, chunk: bytes) -> None:
        """Remember a chunk and forget what is older than needed."""
        self._chunks.append(chunk)
        self._size += len(chunk)
        self.total += len(chunk)
        if self._size > 4 * BYTES:
            kept = b"".join(self._chunks)[-BYTES:]
            self._chunks, self._size = [kept], len(kept)

    def last(self) -> str:
        """The last 200 lines within the last 64 KiB; what is not UTF-8 is shown as U+FFFD."""
        text = b"".join(self._chunks)[-BYTES:].decode("utf-8", "replace")
        lines = text.splitlines(keepends=True)
        return "".join(lines[-LINES:])
