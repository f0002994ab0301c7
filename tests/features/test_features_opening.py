"""Opening the store where something is in the way: said, and worked around."""

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fovea.features import cache_folder, open_store, opening
from fovea.features.opening import FILE_NAME, file_system
from fovea.features.store import StoredRow

ROW = StoredRow("a", 0, np.ones(3, np.float16))


def journal(file: Path) -> str:
    with sqlite3.connect(file) as connection:
        (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    connection.close()
    return str(mode)


def test_by_default_it_lies_in_the_cache_folder() -> None:
    with open_store() as store:
        assert store.path == cache_folder() / FILE_NAME
        assert store.path.is_file()
        assert store.notes == []


def test_it_uses_a_write_ahead_log(tmp_path: Path) -> None:
    with open_store(tmp_path / "s"):
        assert journal(tmp_path / "s") == "wal"


def test_a_network_file_system_gets_the_older_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "file_system", lambda folder: "nfs4")
    with open_store(tmp_path / "s") as store:
        store.write_features("f", [ROW], name="net", facts={})
        assert len(list(store.features("f", ["a"]))) == 1
        assert journal(tmp_path / "s") == "delete"
        assert store.notes == [
            f"The store of features {str(tmp_path / 's')!r} works without a write-ahead log, as it lies on "
            "a network file system (nfs4): slower, and one process waits for another. Set FOVEA_CACHE to a "
            "folder on a local disk to change that."
        ]


def test_a_log_is_given_up_when_the_store_moved_to_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_store(tmp_path / "s") as store:
        store.write_features("f", [ROW], name="net", facts={})
    monkeypatch.setattr(opening, "file_system", lambda folder: "cifs")
    with open_store(tmp_path / "s") as store:
        assert [sha256 for sha256, _ in store.features("f", ["a"])] == ["a"]
        assert journal(tmp_path / "s") == "delete"


def test_a_file_system_that_refuses_a_log_gets_the_older_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = opening._journal
    monkeypatch.setattr(
        opening, "_journal", lambda c, mode: "locking protocol" if mode == "WAL" else real(c, mode)
    )
    with open_store(tmp_path / "s") as store:
        assert store.is_storing
        assert "as its file system cannot do that (locking protocol)" in store.notes[0]


def test_a_file_that_is_no_store_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / "s").write_bytes(b"not a database at all" * 1000)
    with open_store(tmp_path / "s") as store:
        store.write_features("f", [ROW], name="net", facts={})
        assert store.is_storing
        (aside,) = tmp_path.glob("s.damaged-*")
        assert aside.read_bytes().startswith(b"not a database")
        assert store.notes == [
            f"The store of features {str(tmp_path / 's')!r} was damaged (file is not a database). It was set "
            f"aside as {aside.name!r} and a new one begun; the features are computed again. "
            "Delete the old one when you like."
        ]


def test_a_folder_that_cannot_be_made_means_no_storing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with open_store(tmp_path / "file" / "s") as store:
        store.write_features("f", [ROW], name="net", facts={})
        assert list(store.features("f", ["a"])) == []
        assert store.is_storing is False
        assert store.notes == [
            f"Nothing is stored: {str(tmp_path / 'file' / 's')!r} cannot be written (File exists). The next "
            "command computes the features again. Set FOVEA_CACHE to a folder that can be written."
        ]


READ_ONLY = """
mount --bind {folder} {folder} && mount -o remount,ro,bind {folder} && {python} -W error -c '
import sys; from pathlib import Path; from fovea.features import open_store
with open_store(Path("{folder}/s")) as store:
    print(store.is_storing, [sha for sha, _ in store.features("f", ["a"])], *store.notes)
'
"""


@pytest.mark.skipif(not shutil.which("unshare"), reason="needs unshare")
def test_a_store_on_a_read_only_file_system_is_read(tmp_path: Path) -> None:
    with open_store(tmp_path / "s") as store:
        store.write_features("f", [ROW], name="net", facts={})
    script = READ_ONLY.format(folder=tmp_path, python=sys.executable)
    done = subprocess.run(["unshare", "-rm", "sh", "-c", script], capture_output=True, text=True, check=False)
    if "unshare" in done.stderr or "mount" in done.stderr:
        pytest.skip("needs user name spaces")
    assert done.stdout.startswith(f"False ['a'] Nothing is stored: '{tmp_path}/s' cannot be written ("), (
        done.stderr
    )


def test_many_processes_can_make_one_store_at_once(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; import numpy as np\n"
        "from fovea.features import open_store; from fovea.features.store import StoredRow\n"
        "with open_store(Path(sys.argv[1])) as store:\n"
        "    for k in range(20):\n"
        "        rows = [StoredRow(f'{k}-{i}', 0, np.full(50, k, np.float16)) for i in range(20)]\n"
        "        store.write_features('f', rows, name='net', facts={})\n"
        "    assert store.is_storing and not store.notes, store.notes\n"
    )
    command = [sys.executable, "-W", "error", "-c", code, str(tmp_path / "s")]
    children = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    assert [(child.communicate()[1], child.returncode) for child in children] == [("", 0)] * 4
    with open_store(tmp_path / "s") as store:
        assert store.encoders()[0][2] == 400


def test_the_kind_of_file_system_is_told() -> None:
    assert file_system(Path("/proc")) == "proc"


def test_a_folder_with_a_space_in_a_mount_is_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "my disk"
    mounted = str(folder).replace(" ", r"\040")
    table = f"1 0 0:1 / / rw - ext4 root rw\n2 1 0:2 / {mounted} rw - nfs4 far rw\n"
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: table)
    assert file_system(folder / "deep") == "nfs4"
    assert file_system(tmp_path) == "ext4"


def test_a_full_disk_while_opening_means_no_storing(tmp_path: Path, run_child: Callable[..., object]) -> None:
    run_child(
        "import resource, signal, sys; from pathlib import Path; from fovea.features import open_store\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
        "with open_store(Path(sys.argv[1])) as store:\n"
        "    assert not store.is_storing and 'cannot be written' in store.notes[0], store.notes\n",
        str(tmp_path / "s"),
    )
