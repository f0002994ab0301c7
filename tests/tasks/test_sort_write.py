"""Filing with a journal: a kill can be taken back or gone on from; nothing is overwritten or lost."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fovea.errors import InputError, OutputError
from fovea.tasks import sort_write
from fovea.tasks.sort_folder import JOURNAL, open_journal, safe_folder_names
from fovea.tasks.sort_write import Filed, Undone, Wanted, file_pictures, take_back

# OpenVINO's threads may be alive in this process; the forked children touch files only
pytestmark = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")

SETTINGS = {"how": "move"}
NAMES = ("a.jpg", "sub/a.jpg", "sub/b.jpg")


@pytest.fixture
def scraped(tmp_path: Path) -> Path:
    folder = tmp_path / "scraped"
    for number, name in enumerate(NAMES):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(bytes([number]) * (1000 + number))
    return folder


def wanted(scraped: Path) -> list[Wanted]:
    return [Wanted(scraped / name, "cat" if "a" in name else "unsure", "cat", 0.75) for name in NAMES]


def file_all(scraped: Path, into: Path, how: str = "move") -> Filed:
    with open_journal(into, settings={"how": how}) as journal:
        return file_pictures(journal, wanted(scraped), how=how)


def undo(into: Path) -> Undone:
    with open_journal(into, settings=None) as journal:
        return take_back(journal)


def tree(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()
    }


def killed_at(moment: int, work: Callable[[], object]) -> bool:
    """Run `work` in a child killed before its `moment`-th change to the file system; tell whether it was."""
    child = os.fork()
    if child == 0:
        left = [moment]

        def count(event: str, arguments: tuple[object, ...]) -> None:
            changes = ("os.link", "os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.symlink", "os.utime")
            if event in changes or (event == "open" and arguments[1] not in ("r", "rb")):
                left[0] -= 1
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        try:
            work()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


@pytest.mark.parametrize("how", ["copy", "link", "move"])
def test_every_picture_stands_in_its_folder_and_names_that_collide_get_a_number(
    scraped: Path, tmp_path: Path, how: str
) -> None:
    before = tree(scraped)

    filed = file_all(scraped, tmp_path / "into", how)

    stands = {k: v for k, v in tree(tmp_path / "into").items() if k != JOURNAL}
    assert stands == {
        "cat/a.jpg": before["a.jpg"],
        "cat/a (2).jpg": before["sub/a.jpg"],
        "unsure/b.jpg": before["sub/b.jpg"],
    }
    assert tree(scraped) == ({} if how == "move" else before)
    assert not filed.failed


@pytest.mark.parametrize("how", ["copy", "link", "move"])
def test_undo_restores_everything_and_leaves_no_trace(scraped: Path, tmp_path: Path, how: str) -> None:
    before = tree(tmp_path)
    file_all(scraped, tmp_path / "new" / "into", how)

    undone = undo(tmp_path / "new" / "into")

    assert tree(tmp_path) == before
    assert not (tmp_path / "new").exists()
    assert undone == Undone(3 if how == "move" else 0, 0 if how == "move" else 3, (), True)


@pytest.mark.parametrize("how", ["copy", "link", "move"])
def test_a_kill_at_any_moment_can_be_undone_and_loses_nothing(
    scraped: Path, tmp_path: Path, how: str
) -> None:
    before, into, moment = tree(scraped), tmp_path / "into", 1
    while killed_at(moment, lambda: file_all(scraped, into, how)):
        moment += 1
        if (into / JOURNAL).exists():
            undo(into)
        assert tree(scraped) == before, f"killed before change {moment - 1}"
        assert not into.exists() or not any(into.iterdir())
    assert moment > 5


@pytest.mark.parametrize("how", ["copy", "link", "move"])
def test_a_kill_at_any_moment_can_be_gone_on_from(scraped: Path, tmp_path: Path, how: str) -> None:
    before, into, moment = tree(scraped), tmp_path / "into", 1
    while killed_at(moment, lambda: file_all(scraped, into, how)):
        with open_journal(into, settings={"how": how}) as journal:
            rest = [picture for picture in wanted(scraped) if picture.source.exists()]
            filed = file_pictures(journal, rest, how=how)
        content = sorted(v for k, v in tree(into).items() if k != JOURNAL)
        assert content == sorted(before.values()), f"killed before change {moment}"
        assert len(filed.entries) == 3
        undo(into)
        moment += 1
    assert tree(scraped) == ({} if how == "move" else before)


def test_an_undo_killed_at_any_moment_is_finished_by_another(scraped: Path, tmp_path: Path) -> None:
    before, into, moment = tree(scraped), tmp_path / "into", 1
    file_all(scraped, into)
    while killed_at(moment, lambda: undo(into)):
        if (into / JOURNAL).exists():
            undo(into)
        assert tree(scraped) == before, f"killed before change {moment}"
        file_all(scraped, into)
        moment += 1
    assert tree(scraped) == before


def test_a_journal_line_cut_by_a_kill_was_never_acted_on(scraped: Path, tmp_path: Path) -> None:
    before, into = tree(scraped), tmp_path / "into"
    file_all(scraped, into)
    with (into / JOURNAL).open("ab") as file:
        file.write(b'{"number": 3, "kind": "mo')

    undo(into)

    assert tree(scraped) == before


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A folder on another file system than tmp_path."""
    shm = Path("/dev/shm")
    if not shm.is_dir() or shm.stat().st_dev == tmp_path.stat().st_dev or not os.access(shm, os.W_OK):
        pytest.skip("no second file system here")
    folder = shm / f"fovea-test-{os.getpid()}-{tmp_path.name}"
    folder.mkdir()
    return folder


def test_moves_across_file_systems_survive_a_kill_at_any_moment(scraped: Path, elsewhere: Path) -> None:
    before, into, moment = tree(scraped), elsewhere / "into", 1
    try:
        while killed_at(moment, lambda: file_all(scraped, into)):
            moment += 1
            if (into / JOURNAL).exists():
                undo(into)
            assert tree(scraped) == before, f"killed before change {moment - 1}"
        assert undo(into).n_moved_back == 3
        assert tree(scraped) == before
    finally:
        for path in sorted(elsewhere.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        elsewhere.rmdir()


def test_links_across_file_systems_are_symbolic(scraped: Path, elsewhere: Path) -> None:
    try:
        filed = file_all(scraped, elsewhere / "into", "link")
        assert [entry.kind for entry in filed.entries] == ["symlink"] * 3
        assert (elsewhere / "into" / "cat" / "a.jpg").readlink() == scraped / "a.jpg"
        assert undo(elsewhere / "into").n_removed == 3
    finally:
        elsewhere.rmdir()


def test_undo_never_overwrites_what_appeared_in_the_old_place(scraped: Path, tmp_path: Path) -> None:
    file_all(scraped, tmp_path / "into")
    (scraped / "a.jpg").write_bytes(b"newer")

    undone = undo(tmp_path / "into")

    old = str(scraped / "a.jpg")
    assert undone.left == (("cat/a.jpg", f"something else is now at {old!r}"),)
    assert (scraped / "a.jpg").read_bytes() == b"newer"
    assert (tmp_path / "into" / "cat" / "a.jpg").read_bytes() == bytes([0]) * 1000
    assert not undone.folder_removed


def test_undo_can_be_repeated_when_what_was_in_the_way_is_gone(scraped: Path, tmp_path: Path) -> None:
    before = tree(scraped)
    file_all(scraped, tmp_path / "into")
    (scraped / "a.jpg").write_bytes(b"newer")
    undo(tmp_path / "into")
    (scraped / "a.jpg").unlink()

    assert undo(tmp_path / "into") == Undone(1, 0, (), True)
    assert tree(scraped) == before


@pytest.mark.parametrize("how", ["copy", "move"])
def test_undo_leaves_what_was_changed_since(scraped: Path, tmp_path: Path, how: str) -> None:
    file_all(scraped, tmp_path / "into", how)
    (tmp_path / "into" / "cat" / "a.jpg").write_bytes(b"turned by its owner")

    undone = undo(tmp_path / "into")

    assert undone.left == (("cat/a.jpg", "it was changed since"),)
    assert (tmp_path / "into" / "cat" / "a.jpg").read_bytes() == b"turned by its owner"


@pytest.mark.parametrize("how", ["copy", "link"])
def test_undo_leaves_a_copy_whose_original_is_gone(scraped: Path, tmp_path: Path, how: str) -> None:
    file_all(scraped, tmp_path / "into", how)
    (scraped / "a.jpg").unlink()

    undone = undo(tmp_path / "into")

    assert undone.left == (("cat/a.jpg", "the picture it was made from is gone or was changed"),)


def test_undo_leaves_files_it_did_not_make(scraped: Path, tmp_path: Path) -> None:
    file_all(scraped, tmp_path / "into")
    (tmp_path / "into" / "cat" / "mine.txt").write_text("mine")

    undone = undo(tmp_path / "into")

    assert tree(tmp_path / "into") == {"cat/mine.txt": b"mine"}
    assert not undone.folder_removed


def test_sorting_again_files_only_what_is_new(scraped: Path, tmp_path: Path) -> None:
    file_all(scraped, tmp_path / "into", "copy")
    (scraped / "a.jpg").write_bytes(b"another picture under the old name")

    file_all(scraped, tmp_path / "into", "copy")

    assert sorted(tree(tmp_path / "into")) == [
        JOURNAL,
        "cat/a (2).jpg",
        "cat/a (3).jpg",
        "cat/a.jpg",
        "unsure/b.jpg",
    ]


def test_a_name_taken_at_the_last_moment_is_not_overwritten(
    scraped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = sort_write.place

    def late(entry: object, journal: object) -> None:
        (tmp_path / "into" / "cat").mkdir(exist_ok=True)
        (tmp_path / "into" / "cat" / "a.jpg").write_bytes(b"theirs")
        monkeypatch.setattr(sort_write, "place", place)
        place(entry, journal)  # type: ignore[arg-type]

    monkeypatch.setattr(sort_write, "place", late)
    filed = file_all(scraped, tmp_path / "into")

    assert (tmp_path / "into" / "cat" / "a.jpg").read_bytes() == b"theirs"
    assert [entry.destination for entry in filed.entries] == [
        "cat/a (3).jpg",
        "cat/a (2).jpg",
        "unsure/b.jpg",
    ]
    assert undo(tmp_path / "into").n_moved_back == 3


def test_a_full_disk_is_said_and_loses_nothing(scraped: Path, tmp_path: Path) -> None:
    import resource

    before, into = tree(scraped), tmp_path / "into"
    (scraped / "sub" / "b.jpg").write_bytes(b"x" * 100_000)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, old[1]))
    try:
        with pytest.raises(OutputError) as caught:
            file_all(scraped, into, "copy")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)

    assert str(caught.value) == (
        f"There is no room left for {str(into)!r} (File too large). Nothing was lost: what is done is done, "
        f"the rest is where it was. Make room and run the same command again to go on, or take all of it "
        f"back with 'fovea sort --undo {into}'."
    )
    assert {k: v for k, v in tree(scraped).items() if k != "sub/b.jpg"} == {
        k: v for k, v in before.items() if k != "sub/b.jpg"
    }
    assert sorted(tree(into)) == [JOURNAL, "cat/a (2).jpg", "cat/a.jpg"]


def test_a_picture_that_vanished_meanwhile_is_listed(scraped: Path, tmp_path: Path) -> None:
    pictures = wanted(scraped)
    (scraped / "a.jpg").unlink()

    with open_journal(tmp_path / "into", settings=SETTINGS) as journal:
        filed = file_pictures(journal, pictures, how="move")

    assert filed.failed == ((scraped / "a.jpg", "No such file or directory"),)
    assert len(filed.entries) == 2


def test_moving_a_link_is_left_alone_and_said(scraped: Path, tmp_path: Path) -> None:
    (scraped / "a.jpg").rename(tmp_path / "target.jpg")
    (scraped / "a.jpg").symlink_to(tmp_path / "target.jpg")

    filed = file_all(scraped, tmp_path / "into")

    assert filed.failed == ((scraped / "a.jpg", "a link, not a picture: only --copy and --link sort it"),)
    assert (scraped / "a.jpg").is_symlink()


def test_a_folder_with_other_files_is_refused(scraped: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError) as caught:
        file_all(scraped, scraped)
    assert str(caught.value) == (
        f"{str(scraped)!r} is not empty and holds no sort of ours. Nothing was changed. "
        f"Give --into a folder that is new or empty."
    )


def test_other_settings_than_the_earlier_sort_are_refused(scraped: Path, tmp_path: Path) -> None:
    into = tmp_path / "into"
    file_all(scraped, into, "copy")
    with pytest.raises(OutputError) as caught:
        file_all(scraped, into, "move")
    assert str(caught.value) == (
        f"{str(into)!r} holds an earlier sort with other settings (how 'copy', now 'move'). Nothing was "
        f"changed. Take it back first with 'fovea sort --undo {into}', or give --into another folder."
    )


def test_undo_without_a_sort_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        undo(tmp_path)
    assert str(caught.value) == (
        f"{str(tmp_path)!r} holds no sort of ours to undo ({JOURNAL} is missing there). "
        f"Give the folder that 'fovea sort --into' was given."
    )


def test_a_journal_of_another_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / JOURNAL).write_text('{"fovea_sort": 2}\n')
    with pytest.raises(OutputError) as caught:
        undo(tmp_path)
    assert str(caught.value) == (
        f"The journal {str(tmp_path / JOURNAL)!r} was written by another version of fovea "
        f"(format 2, this one knows 1). Use that version to undo it."
    )


def test_an_edited_journal_is_refused(scraped: Path, tmp_path: Path) -> None:
    file_all(scraped, tmp_path / "into")
    path = tmp_path / "into" / JOURNAL
    path.write_text(path.read_text().replace('"number": 1', "number 1"))
    with pytest.raises(OutputError) as caught:
        undo(tmp_path / "into")
    assert str(caught.value) == (
        f"Line 3 of the journal {str(path)!r} cannot be read: it was edited or damaged. "
        f"Nothing was changed. The other lines say where each picture came from."
    )


@pytest.mark.parametrize("damage", [("sha256", "sha"), ("{", "[{")])
def test_a_journal_line_of_the_wrong_kind_is_refused(
    scraped: Path, tmp_path: Path, damage: tuple[str, str]
) -> None:
    file_all(scraped, tmp_path / "into")
    path = tmp_path / "into" / JOURNAL
    *kept, last = path.read_text().splitlines()
    closing = "]" if damage[1] == "[{" else ""
    path.write_text("\n".join([*kept, last.replace(*damage, 1) + closing]) + "\n")
    with pytest.raises(
        OutputError, match=r"^Line 4 of the journal .* cannot be read: it was edited or damaged\."
    ):
        undo(tmp_path / "into")


def test_undo_works_from_another_folder(
    scraped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tree(scraped)
    monkeypatch.chdir(tmp_path)
    file_all(scraped, Path("new/into"))
    monkeypatch.chdir("/")

    assert undo(tmp_path / "new" / "into").folder_removed
    assert tree(scraped) == before
    assert not (tmp_path / "new").exists()


def test_file_systems_without_hard_links_are_filed_by_checked_copies(
    scraped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object, **named: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    before = tree(scraped)
    monkeypatch.setattr(os, "link", refuse)
    file_all(scraped, tmp_path / "into")

    assert tree(scraped) == {}
    assert undo(tmp_path / "into").n_moved_back == 3
    assert tree(scraped) == before


def test_a_picture_that_cannot_be_taken_out_of_its_folder_stays_there_alone(
    scraped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlink = Path.unlink

    def refuse(path: Path, missing_ok: bool = False) -> None:
        if path == scraped / "a.jpg":
            raise PermissionError(13, "Permission denied", str(path))
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)
    filed = file_all(scraped, tmp_path / "into")

    assert filed.failed == ((scraped / "a.jpg", "Permission denied"),)
    assert sorted(tree(tmp_path / "into")) == [JOURNAL, "cat/a (2).jpg", "unsure/b.jpg"]
    assert sorted(tree(scraped)) == ["a.jpg"]


def test_a_file_where_a_class_folder_should_be_is_said(scraped: Path, tmp_path: Path) -> None:
    into = tmp_path / "into"
    file_all(scraped, into)
    (into / "dog").write_text("a file")
    (scraped / "new.jpg").write_bytes(b"new")
    picture = Wanted(scraped / "new.jpg", "dog", "dog", 0.9)
    with pytest.raises(OutputError) as caught, open_journal(into, settings=SETTINGS) as journal:
        file_pictures(journal, [picture], how="move")
    assert str(caught.value) == (
        f"Cannot write {str(into / 'dog')!r}: not a folder. Nothing was lost. "
        f"Give --into a folder that you may write to."
    )


def test_a_second_process_on_the_same_folder_is_refused(scraped: Path, tmp_path: Path) -> None:
    into = tmp_path / "into"
    with open_journal(into, settings=SETTINGS), pytest.raises(OutputError) as caught:
        file_all(scraped, into)
    assert str(caught.value) == (
        f"Another fovea process is sorting into {str(into)!r}. Run this again when it is done."
    )


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    into = tmp_path / "file" / "into"
    with pytest.raises(OutputError) as caught:
        file_all(tmp_path, into)
    assert str(caught.value) == (
        f"Cannot write {str(into)!r}: Not a directory. Nothing was lost. "
        f"Give --into a folder that you may write to."
    )


def test_class_names_become_safe_folder_names_that_all_differ() -> None:
    names = [
        "",
        "..",
        ".git",
        "a/b",
        "a_b",
        "A_B",
        "con",
        "aux.x",
        "unsure",
        "sorted.csv",
        "dog. ",
        "tab\there",
        "ä",
    ]
    assert list(safe_folder_names(names).values()) == [
        "_", "_ (2)", "_.git", "a_b", "a_b (2)", "A_B (3)", "_con", "_aux.x",
        "unsure (2)", "sorted (2).csv", "dog", "tab_here", "ä",
    ]  # fmt: skip


def test_a_very_long_class_name_is_cut_to_what_file_systems_take() -> None:
    name = "ü" * 200
    assert len(safe_folder_names([name])[name].encode()) <= 255
