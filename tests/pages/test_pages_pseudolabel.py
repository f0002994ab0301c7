"""The page of `pseudolabel`: its opening, the rounds, what was added; the same bytes for the same values."""

from fovea.pages import PseudoPage, Thumb, TriedRound, render_pseudolabel

PAGE = PseudoPage(
    title="added",
    text="1 of 4 pictures were added.",
    rounds=(
        TriedRound(0, 0, 0.8, 0.5, is_kept=True),
        TriedRound(1, 1, 0.9, 0.4, is_kept=True),
        TriedRound(2, 3, 0.7, 0.6, is_kept=False),
    ),
    added=(Thumb("<a>.jpg", label="cat", probability=0.75),),
    n_added=1,
    n_unlabelled=4,
)


def test_the_opening_says_how_many_were_added() -> None:
    page = render_pseudolabel(PAGE).replace("\u00a0", " ")
    assert "<b>1 pseudo-label added</b>, of 4 unlabelled pictures." in page


def test_every_round_is_told_kept_or_not() -> None:
    page = render_pseudolabel(PAGE)
    assert [page.count(text) for text in ("labels alone", ">yes</td>", ">no</td>")] == [1, 2, 1]


def test_a_page_without_additions_has_rounds_only() -> None:
    page = render_pseudolabel(PseudoPage(title="none", text="None.", rounds=PAGE.rounds, n_unlabelled=4))
    assert 'id="rounds"' in page
    assert 'id="added"' not in page


def test_names_are_escaped_and_bytes_stay_the_same() -> None:
    page = render_pseudolabel(PAGE)
    assert "&lt;a&gt;.jpg" in page
    assert "<a>.jpg" not in page
    assert render_pseudolabel(PAGE) == page
