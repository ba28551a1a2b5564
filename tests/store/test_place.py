"""Where the store is, and how it is written there, follow from what is known of the volume."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapwrap.store import place

if TYPE_CHECKING:
    from pathlib import Path

MOUNTS = r"""
22 1 254:0 / / rw,relatime - overlay overlay rw
23 22 0:5 / /dev rw - tmpfs devtmpfs rw
30 22 0:40 / /data rw - nfs4 server:/export rw
31 30 0:41 / /data/local rw shared:5 master:1 - ext4 /dev/vda1 rw
32 22 0:42 / /with\040space\134and rw - virtiofs share rw
33 22 0:43 / /twice rw - ext4 /dev/vdb rw
34 33 0:44 / /twice rw - 9p share rw
a line that is not a mount
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib/tapwrap/errors.db", "overlay"),
        ("/data/errors.db", "nfs4"),
        ("/data", "nfs4"),
        ("/database/errors.db", "overlay"),
        ("/data/local/errors.db", "ext4"),
        ("/with space\\and/errors.db", "virtiofs"),
        ("/twice/errors.db", "9p"),
    ],
)
def test_the_longest_and_latest_mount_holds_a_path(path: str, kind: str) -> None:
    assert place.filesystem(path, MOUNTS) == kind


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "overlay", "tmpfs", "zfs", "f2fs"])
def test_local_file_systems_get_a_write_ahead_log(kind: str) -> None:
    assert place.journaling_for(kind) == place.Journaling("wal", "FULL", kind)


@pytest.mark.parametrize(
    "kind",
    [
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "9p",
        "virtiofs",
        "fuse",
        "fuse.sshfs",
        "fakeowner",
        "vboxsf",
        "drvfs",
        "ceph",
        "glusterfs",
        "unknown",
        "a file system of next year",
    ],
)
def test_all_others_get_a_rollback_journal(kind: str) -> None:
    assert place.journaling_for(kind) == place.Journaling("truncate", "EXTRA", kind)


def test_without_a_mount_table_nothing_is_known() -> None:
    assert place.filesystem("/data/errors.db", "") == "unknown"


@given(
    st.text(
        alphabet=st.characters(
            blacklist_characters="\r\n\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029",
            blacklist_categories=["Cs"],
        )
    )
)
def test_a_mount_point_is_read_as_the_kernel_wrote_it(name: str) -> None:
    written = "".join(f"\\{ord(each):03o}" if each in " \t\n\\" else each for each in name)

    assert place.unescape(written) == name


def test_a_named_place_is_taken_as_named() -> None:
    assert place.choose("e.db", {"TAPWRAP_DB": "/x"}, "/r") == place.Place(os.path.abspath("e.db"))
    assert place.choose(None, {"TAPWRAP_DB": "/x/e.db"}, "/r") == place.Place("/x/e.db")


def test_this_machine_has_a_file_system(tmp_path: Path) -> None:
    assert place.journaling(str(tmp_path / "errors.db")).filesystem != "unknown"
