from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from fovea.pages import (
    CheckPage,
    Report,
    render_check_fragment,
    render_predictions_fragment,
    render_report_fragment,
)

Reader = Callable[[str], Any]


@dataclass(frozen=True)
class Answer:
    path: str
    class_name: str | None = None
    probability: float | None = None
    unsure: bool = False
    unlike: bool = False
    problem: str = ""


def test_a_run_shows_its_sentence_steps_and_figures(report: Report, read_page: Reader) -> None:
    page = read_page(render_report_fragment(report))
    assert page.faults == []
    assert page.words().startswith("Right on 94 of 100 pictures it had not seen (94.0 %")
    assert "Look at the labels first." in page.words()
    assert "Macro F1 0.931" in page.words()


def test_a_check_shows_its_classes(check_page: CheckPage, read_page: Reader) -> None:
    page = read_page(render_check_fragment(check_page))
    assert page.faults == []
    assert page.words().endswith("Class Pictures cat 1,000 dog 400")


def test_predictions_show_answers_doubts_and_problems(read_page: Reader) -> None:
    rows = [
        Answer("a.jpg", "cat", 0.97),
        Answer("b.jpg", "dog", 0.4, True, True),
        Answer("c.jpg", problem="empty"),
    ]
    page = read_page(render_predictions_fragment(rows))
    assert page.faults == []
    assert page.words().endswith(
        "a.jpg cat 97.0 % b.jpg dog 40.0 % unsure, unlike anything seen c.jpg – empty"
    )


def test_predictions_show_the_thumbnails_given(jpeg: bytes, read_page: Reader) -> None:
    html = render_predictions_fragment([Answer("a.jpg", "cat", 1.0)], thumbnails={"a.jpg": jpeg})
    assert read_page(html).tags.count("img") == 1


def test_many_predictions_are_cut_and_said(read_page: Reader) -> None:
    page = read_page(render_predictions_fragment([Answer(f"{i}.jpg", "cat", 0.9) for i in range(1234)]))
    assert page.words().endswith("19.jpg cat 90.0 % Showing 20 of 1,234.")


def test_markup_in_a_path_is_shown_as_text(read_page: Reader) -> None:
    page = read_page(render_predictions_fragment([Answer("<script>x</script>", "cat", 0.9)]))
    assert "script" not in page.tags


def test_every_rule_of_style_keeps_to_the_fragment(report: Report) -> None:
    html = render_report_fragment(report)
    style = html[html.index("<style>") + 7 : html.index("</style>")]
    assert all(line.startswith(".fovea ") for line in style.strip().splitlines())


def test_a_private_run_keeps_its_paths_to_itself(report: Report) -> None:
    secret = replace(report, private=True, next_steps=("Look into '/home/anna/my photos/x.jpg' first.",))
    assert "anna" not in render_report_fragment(secret)
