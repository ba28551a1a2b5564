"""What the store looks like inside: tables, identity, and the view for people.

The five words that everything is filtered and counted by (service, category, severity, code,
cause) live once, in `label`. A record, an hour and a total point to it, so one index on
(label, time) serves every filter, and the counters answer `stats` by any of the five.

Every occurrence is counted in `issue_hour`. `hour` and `total` are sums of it, `issue.n`
likewise: four views of one number, changed together in one transaction.
"""

from __future__ import annotations

#: "TPWR", which file(1) and `PRAGMA application_id` show.
APPLICATION_ID = 0x54505752

#: `PRAGMA user_version`. A higher one was written by a newer tapwrap.
VERSION = 1

#: How many characters of the end of an id are shown for the whole.
SHORT = 8

HOUR = 3_600_000_000
MINUTE = 60_000_000

#: Before anything else touches the file: later, SQLite ignores it without a word.
FIRST = "PRAGMA auto_vacuum=INCREMENTAL"

TABLES = (
    """CREATE TABLE label(
        id INTEGER PRIMARY KEY,
        service TEXT NOT NULL,
        category TEXT NOT NULL,
        severity INTEGER NOT NULL,
        code TEXT NOT NULL,
        cause TEXT NOT NULL,
        UNIQUE(service, category, severity, code, cause)
    ) STRICT""",
    """CREATE TABLE issue(
        id INTEGER PRIMARY KEY,
        fingerprint TEXT NOT NULL UNIQUE,
        title TEXT NOT NULL,
        type TEXT NOT NULL,
        severity INTEGER NOT NULL,
        first_seen INTEGER NOT NULL,
        last_seen INTEGER NOT NULL,
        n INTEGER NOT NULL
    ) STRICT""",
    "CREATE INDEX issue_last_seen ON issue(last_seen)",
    """CREATE TABLE run(
        id TEXT PRIMARY KEY,
        started INTEGER NOT NULL,
        ended INTEGER,
        argv TEXT,
        pid INTEGER,
        service TEXT,
        host TEXT,
        container_id TEXT,
        boot_id TEXT,
        exit_code INTEGER,
        signal INTEGER,
        cause TEXT,
        attempts INTEGER
    ) STRICT""",
    "CREATE INDEX run_started ON run(started)",
    "CREATE INDEX run_unfinished ON run(id) WHERE ended IS NULL",
    # A stack repeats with every occurrence, so it is kept once; `uses` says when it may go.
    """CREATE TABLE text_blob(
        hash BLOB PRIMARY KEY,
        uses INTEGER NOT NULL,
        body TEXT NOT NULL
    ) STRICT""",
    # AUTOINCREMENT, so that a follower's last seen number is never given out again.
    # The widest column is last: a list that does not ask for it reads no overflow page.
    """CREATE TABLE error(
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        time INTEGER NOT NULL,
        label_id INTEGER NOT NULL REFERENCES label(id),
        issue_id INTEGER NOT NULL REFERENCES issue(id),
        repeat INTEGER NOT NULL DEFAULT 1,
        type TEXT NOT NULL,
        message TEXT NOT NULL,
        handled INTEGER NOT NULL,
        monotonic REAL,
        run_id TEXT,
        exit_code INTEGER,
        signal INTEGER,
        request_id TEXT,
        trace_id TEXT,
        span_id TEXT,
        stack_hash BLOB REFERENCES text_blob(hash),
        attributes TEXT CHECK(attributes IS NULL OR json_valid(attributes)),
        stderr_tail TEXT
    ) STRICT""",
    # Lists show the ends of ids (those made together begin alike), and people type them back.
    f"CREATE INDEX error_end ON error(substr(id, -{SHORT}))",
    "CREATE INDEX error_time ON error(time)",
    "CREATE INDEX error_label ON error(label_id, time)",
    "CREATE INDEX error_issue ON error(issue_id, time, label_id)",
    "CREATE INDEX error_run ON error(run_id, time) WHERE run_id IS NOT NULL",
    "CREATE INDEX error_request ON error(request_id) WHERE request_id IS NOT NULL",
    "CREATE INDEX error_trace ON error(trace_id) WHERE trace_id IS NOT NULL",
    # The ids of the latest repeats that were counted and not stored, so that a repeat
    # handed in twice is still counted once.
    "CREATE TABLE counted(seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE) STRICT",
    """CREATE TABLE issue_hour(
        issue_id INTEGER NOT NULL,
        hour INTEGER NOT NULL,
        label_id INTEGER NOT NULL,
        n INTEGER NOT NULL,
        PRIMARY KEY(issue_id, hour, label_id)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE hour(
        hour INTEGER NOT NULL,
        label_id INTEGER NOT NULL,
        n INTEGER NOT NULL,
        PRIMARY KEY(hour, label_id)
    ) STRICT, WITHOUT ROWID""",
    "CREATE TABLE total(label_id INTEGER PRIMARY KEY, n INTEGER NOT NULL) STRICT",
    """CREATE TABLE loss(
        reason TEXT NOT NULL,
        hour INTEGER NOT NULL,
        n INTEGER NOT NULL,
        PRIMARY KEY(reason, hour)
    ) STRICT, WITHOUT ROWID""",
    """CREATE VIEW errors AS SELECT
        error.id,
        strftime('%Y-%m-%dT%H:%M:%S', error.time / 1000000, 'unixepoch')
            || printf('.%06dZ', error.time % 1000000) AS time,
        CASE
            WHEN label.severity >= 21 THEN 'critical'
            WHEN label.severity >= 17 THEN 'error'
            WHEN label.severity >= 13 THEN 'warning'
            WHEN label.severity >= 9 THEN 'info'
            ELSE 'debug'
        END AS severity,
        label.category,
        nullif(label.code, '') AS code,
        nullif(label.cause, '') AS cause,
        label.service,
        error.type,
        error.message,
        error.repeat,
        error.exit_code,
        error.signal,
        error.run_id,
        error.request_id,
        error.trace_id,
        error.span_id,
        error.handled,
        issue.fingerprint,
        text_blob.body AS stack,
        error.attributes,
        error.stderr_tail
    FROM error
    JOIN label ON label.id = error.label_id
    JOIN issue ON issue.id = error.issue_id
    LEFT JOIN text_blob ON text_blob.hash = error.stack_hash""",
)
