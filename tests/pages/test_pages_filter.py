"""The page of `filter`: its opening, its sections, and the same bytes for the same values."""

from dataclasses import replace

from fovea.pages import FilterPage, Gallery, Thumb, render_filter

PAGE = FilterPage(
    title="filter",
    counts={"wanted": 2, "junk": 1, "unsure": 0},
    n_labelled=12,
    sentences=("wanted: an estimate.", "junk: a promise."),
    questions=Gallery((Thumb("q<1>.jpg", probability=0.5),), 1),
    ask="ask.csv",
    wanted=Gallery((Thumb("a.jpg", probability=0.9),), 2),
    quarantined=(("broken.jpg", "it is no picture"),),
)


def test_the_opening_says_how_many_are_what() -> None:
    page = render_filter(PAGE).replace("\u00a0", " ")
    assert "<b>2 of 3 pictures are wanted</b>, 1 junk, 0 unsure, by 12 labels." in page


def test_before_there_are_labels_it_says_what_was_drawn() -> None:
    page = FilterPage(
        title="first", n_pictures=400, questions=Gallery((Thumb("a.jpg"),), 100), ask="first.csv"
    )
    html = render_filter(page).replace("\u00a0", " ")
    assert "<b>100 of 400 pictures</b> drawn at random, to be labelled first." in html
    assert "<code>--labels first.csv</code>" in html
    assert "wanted" not in html.partition("a.jpg")[0].rpartition("<figcaption>")[2]


def test_a_private_page_names_no_place() -> None:
    html = render_filter(replace(PAGE, ask="/home/me/ask.csv", source="/home/me/photos", private=True))
    assert "/home/me" not in html
    assert "…/ask.csv" in html


def test_only_sections_with_something_in_them_are_there() -> None:
    html = render_filter(PAGE)
    assert 'id="questions"' in html
    assert 'id="wanted"' in html
    assert 'id="junk"' not in html
    assert 'id="quarantined"' in html


def test_names_are_escaped_and_bytes_stay_the_same() -> None:
    html = render_filter(PAGE)
    assert "q&lt;1&gt;.jpg" in html
    assert "q<1>" not in html
    assert render_filter(PAGE) == html
