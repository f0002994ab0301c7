from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from fovea import pages
from fovea.pages import Report, Thumb, render_report

SECTIONS = {
    "figures": {"figures": ()},
    "test": {"test_n": 0},
    "training": {"training": None},
    "classes": {"classes": ()},
    "confusion": {"confusion": ()},
    "reliability": {"reliability": ()},
    "promises": {"promises": ()},
    "mistakes": {"mistakes": pages.Gallery()},
    "labels": {"label_issues": pages.Gallery()},
    "duplicates": {"duplicates": (), "leak_figures": ()},
    "quarantined": {"quarantined": ()},
    "pictures": {"conversions": ()},
    "novelty": {"novelty": None},
    "changes": {"changes": (), "since": ""},
    "making": {"stages": (), "settings": (), "provenance": ()},
}
Reader = Callable[[str], Any]


def test_every_tag_is_closed_in_order(report: Report, read_page: Reader) -> None:
    assert read_page(render_report(report)).faults == []


def test_the_same_report_gives_the_same_bytes(report: Report) -> None:
    assert render_report(report) == render_report(replace(report))


def test_nothing_is_fetched_from_anywhere(report: Report, read_page: Reader) -> None:
    html = render_report(report)
    page = read_page(html)
    sources = [
        value for _, name, value in page.attributes if name in ("src", "href", "srcset", "action", "data")
    ]
    assert all(value.startswith(("data:", "#")) for value in sources)
    assert not any(text in html for text in ("http:", "https:", "//", "@import", "url("))


def test_there_is_no_script_and_a_policy_forbids_one(report: Report, read_page: Reader) -> None:
    page = read_page(render_report(report))
    assert "script" not in page.tags
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    assert (
        "meta",
        "content",
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:",
    ) in page.attributes


def test_it_opens_with_one_plain_sentence(report: Report, read_page: Reader) -> None:
    assert (
        "Right on 94 of 100 pictures it had not seen (94.0 %, 95 % interval 87.5–97.2 %);"
        " always answering the commonest class, cat, would be right on 60."
    ) in read_page(render_report(report)).words("")


def test_next_steps_stand_before_the_figures(report: Report) -> None:
    html = render_report(report)
    assert 0 < html.index("Look at the labels first.") < html.index('id="figures"')


@pytest.mark.parametrize("section", SECTIONS)
def test_an_empty_section_vanishes_and_no_other(section: str, report: Report, read_page: Reader) -> None:
    page = read_page(render_report(replace(report, **SECTIONS[section])))
    ids = {value for tag, name, value in page.attributes if tag == "section" and name == "id"}
    assert ids == set(SECTIONS) - {section}


def test_every_link_of_the_list_of_sections_has_its_place(report: Report, read_page: Reader) -> None:
    page = read_page(render_report(report))
    links = {value[1:] for tag, name, value in page.attributes if (tag, name) == ("a", "href")}
    assert links == set(SECTIONS)


def test_a_report_of_required_values_alone_is_whole(read_page: Reader) -> None:
    bare = Report("x", "cross-validated", ("a", "b"), 4, 3, 0.75, (0.3, 0.95), 2, "a")
    page = read_page(render_report(bare))
    assert page.faults == []
    assert "Right on 3 of 4 pictures, each answered by a classifier that had not seen it" in page.words()


def test_a_report_without_judged_pictures_says_so(report: Report, read_page: Reader) -> None:
    page = read_page(render_report(replace(report, n_judged=0, n_right=0)))
    assert page.faults == []
    assert "There was no labelled picture to judge it on." in page.words("")


@pytest.mark.parametrize(
    ("protocol", "said"),
    [
        ("given", "Judged on the 100 pictures that the data set itself sets aside."),
        ("held-out", "Judged on 100 pictures set aside at random"),
        ("cross-validated", "every picture was judged by a classifier fitted without it."),
    ],
)
def test_how_it_was_judged_is_said(protocol: str, said: str, report: Report, read_page: Reader) -> None:
    assert said in read_page(render_report(replace(report, protocol=protocol))).words("figures")


def test_the_test_split_is_told_with_and_without_its_leaks(report: Report, read_page: Reader) -> None:
    assert read_page(render_report(report)).words("test") == (
        "The test split On the test split, read once after everything was chosen, it is right on 45 of 50 pictures "
        "(90.0 %, 95 % interval 78.6–95.7 %); 2 of them stand in the other splits too, or nearly so; without them 89.6 %. "
        "right 90.0 % 95 % interval 78.6–95.7 % without copies 89.6 %"
    )


@pytest.mark.parametrize(
    ("n_leaked", "end"), [(0, "95.7 %)."), (1, "; 1 of them stands in the other splits too, or nearly so.")]
)
def test_a_test_split_without_leaks_or_without_others_says_no_second_figure(
    n_leaked: int, end: str, report: Report, read_page: Reader
) -> None:
    page = read_page(render_report(replace(report, test_n_leaked=n_leaked, test_without_leaks=None)))
    assert end in page.words("test")
    assert "without" not in page.words("test")


def test_figures_are_shown_as_given_with_their_meaning(report: Report, read_page: Reader) -> None:
    words = read_page(render_report(report)).words("figures")
    assert "Accuracy 94.0 % 87.5–97.2 % Share of the judged pictures" in words
    assert "Macro F1 0.931 Mean over the classes of F1" in words
    assert "Calibration error 2.1 % Mean gap" in words
    assert "Calibration floor 3.3 % What even perfect probabilities" in words


def test_classes_come_weakest_recall_first_with_counts_and_intervals(
    report: Report, read_page: Reader
) -> None:
    words = read_page(render_report(report)).words("classes")
    assert "dog 160 40 88.1 % 75.0–95.0 % 92.5 % 80.0–97.0 % cat 240 60 98.3 %" in words


def test_an_undefined_precision_is_said_not_drawn(report: Report, read_page: Reader) -> None:
    odd = pages.ClassFigures("newt", 0, 0, None, None)
    words = read_page(render_report(replace(report, classes=(*report.classes, odd)))).words("classes")
    assert words.endswith("newt 0 never answered none to find")


def test_many_classes_fold_away_after_the_weakest(report: Report, read_page: Reader) -> None:
    rows = tuple(pages.ClassFigures(f"c{i:02d}", 10, 10, 0.9, 0.5 + i / 100) for i in range(40))
    page = read_page(render_report(replace(report, classes=rows)))
    assert "The other 10 classes" in page.words("classes")
    assert page.words("classes").index("c29") < page.words("classes").index("The other 10")


def test_the_matrix_shows_every_count(report: Report, read_page: Reader) -> None:
    words = read_page(render_report(report)).words("confusion")
    assert words.endswith("cat dog all cat 57 3 60 dog 3 37 40")


def test_the_diagonal_is_coloured_otherwise_than_mistakes(report: Report) -> None:
    html = render_report(replace(report, confusion=((60, 0), (30, 10))))
    assert '<td class="r10">60</td><td>·</td>' in html
    assert '<td class="w9">30</td><td class="r5">10</td>' in html  # ceil(10 sqrt(3/4)), ceil(10 sqrt(1/4))


def test_many_classes_show_the_most_confused_pairs_instead(report: Report, read_page: Reader) -> None:
    names = tuple(f"c{i:02d}" for i in range(21))
    rows = [[9 if i == j else 0 for j in range(21)] for i in range(21)]
    rows[3][5], rows[4][0] = 1, 3
    html = render_report(replace(report, class_names=names, confusion=tuple(map(tuple, rows))))
    words = read_page(html).words("confusion")
    assert words.endswith("c04 c00 3 25.0 % c03 c05 1 10.0 %")
    assert '<table class="matrix">' not in html


def test_no_confusion_among_many_classes_is_said(report: Report, read_page: Reader) -> None:
    names = tuple(f"c{i:02d}" for i in range(21))
    rows = tuple(tuple(int(i == j) for j in range(21)) for i in range(21))
    page = read_page(render_report(replace(report, class_names=names, confusion=rows)))
    assert page.words("confusion").endswith("Nothing was confused.")


def test_the_reliability_plot_stands_beside_its_floor_and_its_table(
    report: Report, read_page: Reader
) -> None:
    words = read_page(render_report(report)).words("reliability")
    assert "2.1 % calibration error 3.3 % calibration floor" in words
    assert words.endswith("71.0 % 65.0 % 43.0–82.0 % 20 97.0 % 98.8 % 93.0–99.0 % 80")


def test_a_measured_limit_is_rounded_up_to_what_can_be_read(report: Report, read_page: Reader) -> None:
    promise = pages.Promise(0.98, 0.95, 0.657337, 300, 400)
    words = read_page(render_report(replace(report, promises=(promise,)))).words("promises")
    assert "accept from a probability of 65.8 % ." in words


def test_promises_name_limit_and_what_more_would_do(report: Report, read_page: Reader) -> None:
    words = read_page(render_report(report)).words("promises")
    assert "At least 98 % of the accepted answers right, with 95 % confidence: accept from a" in words
    assert "probability of 83 % . That was 300 of 400 calibration pictures." in words
    assert (
        "99.9 % right with 95 % confidence cannot be promised from 400 calibration pictures; about 2,600"
        in words
    )


def test_a_gallery_shows_picture_label_answer_and_probability(report: Report, read_page: Reader) -> None:
    page = read_page(render_report(report))
    assert "cat → dog 98.7 % valid/ cats/ 1.jpg" in page.words("mistakes")
    assert "Showing 2 of 6 mistakes." in page.words("mistakes")
    assert ("img", "alt", "picture labelled cat") in page.attributes
    assert "Showing" not in page.words("labels")


def test_thumbnails_are_bounded_and_the_bound_is_told(report: Report, read_page: Reader) -> None:
    many = tuple(Thumb(f"{i}.jpg", "cat", "dog", 0.9, b"x") for i in range(60))
    page = read_page(render_report(replace(report, mistakes=pages.Gallery(many))))
    assert "Showing 24 of 60 mistakes." in page.words("mistakes")
    assert page.text("mistakes").count("cat → ") == 24


def test_one_mistake_is_not_counted_in_words(report: Report, read_page: Reader) -> None:
    page = read_page(render_report(replace(report, mistakes=pages.Gallery(report.mistakes.thumbs[:1]))))
    assert "Showing" not in page.words("mistakes")


def test_leaks_are_shown_with_and_without(report: Report, read_page: Reader) -> None:
    words = read_page(render_report(report)).words("duplicates")
    assert "1 judged picture stands in the training part too" in words
    assert "Accuracy 94.0 % 93.9 %" in words
    assert "nearly the same; two labels ; on both sides" in words


def test_copies_that_leak_nothing_are_said_to(report: Report, read_page: Reader) -> None:
    clean = replace(report, n_leaked=0, leak_figures=(), test_n_leaked=0)
    page = read_page(render_report(clean))
    assert "Copies were kept on one side of the split" in page.words("duplicates")
    leaking = read_page(render_report(replace(clean, test_n_leaked=2)))
    assert "Copies were kept on one side of the split" not in leaking.words("duplicates")
    assert "2 pictures of the test split stand in the other splits too, or nearly so." in leaking.words(
        "duplicates"
    )


def test_left_out_files_conversions_and_the_limit_are_told(report: Report, read_page: Reader) -> None:
    page = read_page(render_report(report))
    assert page.words("quarantined").endswith("cats/ broken.jpg ends too early")
    assert page.words("pictures").endswith(
        "Turned upright, as the camera noted 12 pictures Print colours (CMYK) to RGB 1 picture"
    )
    assert "Beyond 38.22 it is called" in page.words("novelty")
    assert "1 % of the 400 training pictures" in page.words("novelty")


def test_changes_tell_before_now_and_whether_it_helped(report: Report, read_page: Reader) -> None:
    words = read_page(render_report(report)).words("changes")
    assert (
        "1 picture is answered otherwise than by runs/zeroth . Of 100 pictures in both runs 1 is answered"
        in words
    )
    assert "cat 55.0 % → dog 98.7 % labelled cat: now wrong" in words


def test_a_run_compared_without_change_says_so(report: Report, read_page: Reader) -> None:
    page = read_page(render_report(replace(report, changes=(), changes_text="Of 9 none.")))
    assert page.words("changes").endswith("Against runs/zeroth no answer changed. Of 9 none.")


def test_provenance_names_stages_with_their_speed(report: Report, read_page: Reader) -> None:
    words = read_page(render_report(report)).words("making")
    assert "decode and features 12.3 s 342" in words
    assert "Backbone fovea-tiny Engine openvino, bf16" in words


@pytest.mark.parametrize("field", ["title", "baseline_class", "since"])
def test_markup_in_a_name_is_shown_as_text(field: str, report: Report, read_page: Reader) -> None:
    page = read_page(render_report(replace(report, **{field: "<script>alert('1')</script>"})))
    assert "script" not in page.tags
    assert "<script>alert('1')</script>" in page.words()


def test_markup_in_classes_paths_and_reasons_is_shown_as_text(report: Report, read_page: Reader) -> None:
    bad = '"><img src=x onerror=alert(1)>'
    thumb = Thumb(bad, bad, bad, 0.9, b"x", bad)
    page = read_page(
        render_report(
            replace(
                report,
                class_names=(bad, "dog"),
                next_steps=(bad,),
                notes=(bad,),
                classes=(pages.ClassFigures(bad, 1, 1, 1.0, 1.0),),
                mistakes=pages.Gallery((thumb,)),
                duplicates=(pages.Pair(thumb, thumb, bad),),
                quarantined=((bad, bad),),
                conversions=((bad, 1),),
                settings=((bad, bad),),
            )
        )
    )
    assert page.faults == []
    assert not [value for _, name, value in page.attributes if name == "onerror" or value == "x"]


def test_private_shows_no_picture_and_no_absolute_path(report: Report, read_page: Reader) -> None:
    html = render_report(replace(report, private=True))
    page = read_page(html)
    assert "img" not in page.tags
    assert "/home" not in html
    assert "anna" not in html
    assert "left out (private)" in page.words("mistakes")
    assert "Thumbnails and absolute paths are left out" in page.words("")
    assert "valid/ cats/ 1.jpg" in page.words("mistakes")
