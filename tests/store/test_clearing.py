"""After every reset and every pruning, all counters agree."""

from __future__ import annotations

import os
import sqlite3
import time

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_archive import FILTERS, RECORDS, START, fits

from tapwrap.store import archive, clearing, counts
from tapwrap.store.filters import Filters
from tapwrap.store.journal import Journal, RunNote
from tapwrap.store.reading import Reader

HOUR = 3_600_000_000
QUIET = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
