"""The memory: one SQLite file, written by the journal, read by the archive."""
