"""How what went wrong becomes a record, and how a record is kept."""
