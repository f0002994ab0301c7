from collections.abc import Callable
from dataclasses import replace
from typing import Any

from fovea.pages import (
    CheckPage,
    Report,
    render_check_fragment,
    render_facts_fragment,
    render_report_fragment,
)

Reader = Callable[[str], Any]


def test_a_run_shows_its_sentence_steps_and_figures(report: Report, read_page: Reader) -> None:
    page = read_page(render_report_fragment(report))
    assert page.faults == []
    assert page.words().startswith("Right on 94 of 100 pictures it had not seen (94.0 %")
    assert "On the test split, read once after everything was chosen, it is right on 45" in page.words()
    assert "Look at the labels first." in page.words()
    assert "Macro F1 0.931" in page.words()


def test_a_check_shows_its_classes(check_page: CheckPage, read_page: Reader) -> None:
    page = read_page(render_check_fragment(check_page))
    assert page.faults == []
    assert page.words().endswith("Class Pictures cat 1,000 dog 400")


def test_any_other_result_shows_a_sentence_its_values_and_what_to_know(read_page: Reader) -> None:
    page = read_page(render_facts_fragment("All done.", facts=[("cat", "3")], sentences=["Note this."]))
    assert page.faults == []
    assert page.words().strip() == "All done. cat 3 Note this."


def test_a_result_without_values_shows_no_empty_table(read_page: Reader) -> None:
    assert "table" not in read_page(render_facts_fragment("All done.")).tags


def test_markup_in_a_value_is_shown_as_text(read_page: Reader) -> None:
    bad = "<script>x</script>"
    page = read_page(render_facts_fragment(bad, facts=[(bad, bad)], sentences=[bad]))
    assert "script" not in page.tags


def test_every_rule_of_style_keeps_to_the_fragment(report: Report) -> None:
    html = render_report_fragment(report)
    style = html[html.index("<style>") + 7 : html.index("</style>")]
    assert all(line.startswith(".fovea ") for line in style.strip().splitlines())


def test_a_private_run_keeps_its_paths_to_itself(report: Report) -> None:
    secret = replace(report, private=True, next_steps=("Look into '/home/anna/my photos/x.jpg' first.",))
    assert "anna" not in render_report_fragment(secret)
