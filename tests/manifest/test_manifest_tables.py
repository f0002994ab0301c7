"""Tables of pictures: what rows they become, and what is said of rows that are wrong."""

from collections.abc import Callable
from pathlib import Path

import pytest

from fovea.errors import ManifestError
from fovea.manifest import Manifest, Row, read_source

Write = Callable[..., Path]
GOOD = "path,label\na.jpg,cat\nb.jpg,dog\n"


def told(manifest: Manifest) -> list[tuple[str, str | None, str, str]]:
    return [(row.path, row.label, row.split, row.group) for row in manifest.rows]


def problems(manifest: Manifest) -> list[str]:
    return [row.problem for row in manifest.rows if row.problem]


def refusal(table: Path, **options: object) -> str:
    with pytest.raises(ManifestError) as caught:
        read_source(table, **options)  # type: ignore[arg-type]
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.csv", "path,label,split,group\na.jpg,cat,train,p1\nb.jpg,cat,val,\n"),
        ("t.csv", "path;label;split;group\r\na.jpg;cat;train;p1\r\nb.jpg;cat;val;\r\n"),
        ("t.csv", "\ufeffgroup,Label,PATH,split\np1,cat,a.jpg,train\n,cat,b.jpg,validation\n"),
        ("t.tsv", "path\tlabel\tsplit\tgroup\na.jpg\tcat\tTrain\tp1\nb.jpg\tcat\tvalid\t\n"),
        ("t.txt", 'path,label,split,group\n"a.jpg","cat","train","p1"\n\n"b.jpg", cat ,valid\n'),
        (
            "t.jsonl",
            '{"path": "a.jpg", "label": "cat", "split": "train", "group": "p1"}\n\n'
            '{"path": "b.jpg", "label": "cat", "split": "valid", "group": null}\n',
        ),
    ],
)
def test_every_kind_of_table_becomes_the_same_rows(write_table: Write, name: str, text: str) -> None:
    manifest = read_source(write_table(text, name=name))
    assert manifest.rows == (Row("a.jpg", "cat", "train", "p1"), Row("b.jpg", "cat", "valid"))


def test_quoted_paths_keep_their_commas_and_quotation_marks(write_table: Write, plant: Write) -> None:
    plant('odd, "name".jpg')
    table = write_table('path,label\n"odd, ""name"".jpg",cat\na.jpg,dog\n')
    assert told(read_source(table))[0] == ('odd, "name".jpg', "cat", "", "")


def test_paths_written_with_backslashes_are_found(write_table: Write, plant: Write) -> None:
    plant("cats/1.jpg")
    assert told(read_source(write_table("path,label\ncats\\1.jpg,cat\n")))[0][0] == "cats/1.jpg"


def test_a_numeric_label_in_json_is_a_name(write_table: Write) -> None:
    assert told(read_source(write_table('{"path": "a.jpg", "label": 3}', name="t.jsonl")))[0][1] == "3"


def test_absolute_paths_inside_the_tables_folder_are_shortened(write_table: Write, tmp_path: Path) -> None:
    manifest = read_source(write_table(f"path,label\n{tmp_path}/photos/a.jpg,cat\nb.jpg,dog\n"))
    assert [row.path for row in manifest.rows] == ["a.jpg", "b.jpg"]
    assert manifest.notes == ()


def test_pictures_outside_the_tables_folder_are_named_from_their_common_one(
    write_table: Write, tmp_path: Path
) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "far/e.jpg").write_bytes(b"far")
    manifest = read_source(write_table("path,label\n../far/e.jpg,cat\nb.jpg,dog\n"))
    assert (manifest.root, [row.path for row in manifest.rows]) == (tmp_path, ["far/e.jpg", "photos/b.jpg"])
    assert manifest.file(manifest.rows[0]).read_bytes() == b"far"
    assert manifest.notes == (
        "Paths are given from the folder that holds all pictures, not from that of labels.csv.",
    )


def test_a_row_said_twice_is_one_row(write_table: Write) -> None:
    manifest = read_source(write_table(GOOD + "a.jpg,cat\n./a.jpg,cat\n"))
    assert [row.path for row in manifest.rows] == ["a.jpg", "b.jpg"]
    assert manifest.notes == ("2 rows of labels.csv left out, saying what an earlier row says.",)


@pytest.mark.parametrize(("columns", "is_left_out"), [("path,label,why", True), ("path,label,note", False)])
def test_a_dash_is_an_answer_in_lists_that_were_given_out_and_a_class_in_others(
    write_table: Write, columns: str, is_left_out: bool
) -> None:
    table = write_table(f"{columns}\na.jpg,-,typical\nb.jpg,dog,typical\n")
    manifest = read_source(table, strict=True)
    assert [row.is_left_out for row in manifest.rows] == [is_left_out, False]
    if is_left_out:
        assert manifest.rows[0].problem == "left out: labels.csv says that it belongs to no class"
        assert manifest.notes == ("1 picture left out, marked '-' in labels.csv: of no class.",)
    else:
        assert manifest.class_names == ("-", "dog")


def test_another_column_can_be_the_group(write_table: Write) -> None:
    table = write_table("path,label,group,patient\na.jpg,cat,x,p1\nb.jpg,dog,x,p2\n")
    assert [row.group for row in read_source(table, group_by="patient").rows] == ["p1", "p2"]


def test_without_labels_a_column_of_paths_is_enough(write_table: Write) -> None:
    manifest = read_source(write_table("path\na.jpg\nb.jpg\n"), labelled=False)
    assert told(manifest)[1] == ("b.jpg", None, "", "")


def test_without_labels_those_that_are_there_are_kept(write_table: Write) -> None:
    manifest = read_source(write_table("path,label\na.jpg,cat\nb.jpg,\n"), labelled=False)
    assert [(row.label, row.problem) for row in manifest.rows] == [("cat", ""), (None, "")]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (
            "x.jpg,cat,",
            "there is no file 'x.jpg'; correct the path (it is read from the table's folder) or delete the "
            "row",
        ),
        (
            "/secret/val/x.jpg,cat,",
            "there is no file '/secret/val/x.jpg'; correct the path or delete the row",
        ),
        (" /x.jpg ,cat,", "there is no file '/x.jpg'; correct the path or delete the row"),
        (
            f"{'x' * 300},cat,",
            f"there is no file '{'x' * 300}'; correct the path (it is read from the table's folder) or "
            "delete the row",
        ),
        (",cat,", "the path is empty; name a picture or delete the row"),
        ("c.jpg, ,", "the label is empty; write the class's name or delete the row"),
        (
            "c.jpg,cat,trian",
            "unknown split 'trian' (did you mean 'train'?); write train, valid or test, or leave it empty",
        ),
        ("c.jpg,cat,7", "unknown split '7'; write train, valid or test, or leave it empty"),
        ("a.jpg,dog,", "'a.jpg' has the label 'dog' here and 'cat' in row 2; keep one of them"),
        ("a.jpg,cat,test", "'a.jpg' has the split 'test' here and '' in row 2; keep one of them"),
        (
            "c.jpg,cat,test,more",
            "it has 4 cells, the header 3; put a cell with the delimiter inside into quotation marks",
        ),
    ],
)
def test_a_wrong_row_is_set_aside_with_its_number_and_value(
    write_table: Write, row: str, problem: str
) -> None:
    manifest = read_source(write_table(f"path,label,split\na.jpg,cat,\n{row}\nb.jpg,dog,\n"))
    assert [found.problem for found in manifest.rows] == ["", f"row 3 of labels.csv: {problem}", ""]
    assert manifest.notes == (f"1 row of labels.csv set aside: row 3 of labels.csv: {problem}.",)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (
            "{oops}",
            "it is not JSON (Expecting property name enclosed in double quotes: line 1 column 2 (char 1)); "
            "write one object on each line",
        ),
        ('["a.jpg"]', 'it is not an object but \'["a.jpg"]\'; write {"path": ..., "label": ...}'),
        ('{"path": "c.jpg", "label": ["cat"]}', "'label' is not a text but [\"cat\"]; write a text"),
    ],
)
def test_a_wrong_line_of_json_is_set_aside(write_table: Write, line: str, problem: str) -> None:
    table = write_table('{"path": "a.jpg", "label": "cat"}\n\n' + line, name="t.jsonl")
    assert problems(read_source(table)) == [f"row 3 of t.jsonl: {problem}"]


def test_a_row_without_path_is_named_by_its_table_and_number(write_table: Write) -> None:
    assert told(read_source(write_table(GOOD + ",cat\n")))[2][0] == "labels.csv#4"


def test_strict_refuses_all_wrong_rows_at_once(write_table: Write) -> None:
    wrong = "".join(f"{name}.jpg,\n" for name in "abcdxy")
    assert refusal(write_table("path,label\n" + wrong), strict=True) == (
        "6 rows of 6 in 'photos/labels.csv' cannot be used: "
        + "; ".join(
            f"row {number} of labels.csv: the label is empty; write the class's name or delete the row"
            for number in range(2, 6)
        )
        + "; row 6 of labels.csv: there is no file 'x.jpg'; "
        "correct the path (it is read from the table's folder) or "
        "delete the row; and 1 more. Correct them, or leave out --strict."
    )


def test_strict_accepts_what_is_right(write_table: Write) -> None:
    assert len(read_source(write_table(GOOD), strict=True).rows) == 2


def test_a_table_without_a_needed_column_is_refused(write_table: Write) -> None:
    assert refusal(write_table("file,class\na.jpg,cat\n")) == (
        "'photos/labels.csv' has no column 'path': its first line names 'file', 'class'. The header must be "
        "path,label[,split,group]; other columns may follow."
    )


def test_a_table_without_labels_is_refused_where_they_are_needed(write_table: Write) -> None:
    assert refusal(write_table("path\na.jpg\n")) == (
        "'photos/labels.csv' has no column 'label': its first line names 'path'. The header must be "
        "path,label[,split,group]; other columns may follow."
    )


@pytest.mark.parametrize("text", ["", "\n\n"])
def test_an_empty_table_is_refused(write_table: Write, text: str) -> None:
    assert refusal(write_table(text)) == (
        "'photos/labels.csv' has no column 'path': its first line names nothing. The header must be "
        "path,label[,split,group]; other columns may follow."
    )


def test_a_table_of_a_header_alone_is_refused(write_table: Write) -> None:
    assert refusal(write_table("path,label\n")) == (
        "'photos/labels.csv' has no rows below its header. Write one row for each picture: "
        "path,label[,split,group]."
    )


def test_a_table_whose_pictures_are_all_elsewhere_is_refused(write_table: Write) -> None:
    assert refusal(write_table("path,label\nx/1.jpg,cat\nx/2.jpg,dog\n")) == (
        "None of the 2 pictures named in 'photos/labels.csv' is there; the first is 'x/1.jpg'. Paths are "
        "read from the table's folder: move the table beside the pictures, or write absolute paths."
    )


def test_an_unknown_group_column_is_named_with_the_nearest(write_table: Write) -> None:
    assert refusal(write_table("path,label,patient_id\na.jpg,cat,1\n"), group_by="patient") == (
        "--group-by names the column 'patient', which 'photos/labels.csv' does not have (did you mean "
        "'patient_id'?). Its columns: 'path', 'label', 'patient_id'."
    )


def test_a_table_in_another_encoding_is_refused_with_the_row(write_table: Write) -> None:
    assert refusal(write_table("path,label\na.jpg,käfer\n".encode("latin-1"))) == (
        "'photos/labels.csv' is not UTF-8 text: row 2 holds the byte 0xe4. Save it as 'CSV UTF-8'."
    )


def test_quotation_marks_that_do_not_end_are_refused(write_table: Write) -> None:
    assert refusal(write_table('path,label\na.jpg,cat\n"b.jpg,dog\n')) == (
        "Row 3 of 'photos/labels.csv' cannot be read: unexpected end of data. Look at its quotation marks: a "
        "cell with a comma or a quotation mark stands in quotation marks, inner ones doubled."
    )


def test_a_table_whose_absolute_paths_are_all_wrong_is_refused_with_the_first(write_table: Write) -> None:
    assert refusal(write_table("path,label\n/far/x/1.jpg,cat\n/far/x/2.jpg,dog\n")) == (
        "None of the 2 pictures named in 'photos/labels.csv' is there; the first is '/far/x/1.jpg'. Correct the paths, "
        "or write them from the table's folder."
    )


def test_absolute_paths_where_nothing_is_are_told_whole(write_table: Write) -> None:
    manifest = read_source(write_table(GOOD + "/far/1/ants/x.jpg,cat\n/far/2/ants/x.jpg,dog\n"))
    assert [row.path for row in manifest.rows if row.problem] == ["/far/1/ants/x.jpg", "/far/2/ants/x.jpg"]


def test_a_json_list_is_refused(write_table: Write) -> None:
    assert refusal(write_table('[{"path": "a.jpg", "label": "cat"}]', name="t.json")) == (
        "'photos/t.json' is one JSON list. Write one object on each line (JSON lines), or a CSV."
    )


def test_a_column_named_twice_is_refused(write_table: Write) -> None:
    assert refusal(write_table("path,label,Label\na.jpg,cat,dog\n")) == (
        "'photos/labels.csv' has 2 columns called 'label'. Rename one."
    )


def test_a_table_that_cannot_be_opened_is_refused(plant: Write) -> None:
    (plant("a.jpg") / "t.csv").symlink_to("/proc/self/mem")
    assert refusal(Path("photos/t.csv")) == "The table 'photos/t.csv' cannot be read: Input/output error."


def test_scraped_labels_are_read_with_their_splits(shared: Path) -> None:
    manifest = read_source(shared / "data/scraped/labelled.csv")
    # 200 of the pictures are labelled: ../shared/data/README.md.
    assert (len(manifest.rows), manifest.class_names, problems(manifest)) == (200, ("junk", "wanted"), [])


def test_blank_lines_before_the_header_do_not_matter_but_count(write_table: Write) -> None:
    manifest = read_source(write_table("\n\npath,label\na.jpg,cat\nx.jpg,cat\nb.jpg,dog\n"))
    assert [row.path for row in manifest.rows] == ["a.jpg", "x.jpg", "b.jpg"]
    assert problems(manifest)[0].startswith("row 5 of labels.csv: there is no file 'x.jpg'")
