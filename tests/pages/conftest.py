"""A report and a check page with something in every section, and a reader of HTML that minds what is open."""

from collections.abc import Callable
from html.parser import HTMLParser

import pytest

from fovea import pages
from fovea.pages.training import Attempt, Point, Standing, Training

VOID = {"meta", "link", "img", "input", "br", "wbr", "hr"}
JPEG = b"\xff\xd8\xff\xe0 not really a picture \xff\xd9"


class Page(HTMLParser):
    """A page that was read: its tags in order, its ids, its attributes by tag, and its text by section."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[tuple[str, str]] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.faults: list[str] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(html)
        self.close()
        self.faults += [f"<{tag}> never closed" for tag, _ in self.open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append((tag, dict(attrs).get("id") or ""))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop()[0] != tag:
            self.faults.append(f"</{tag}> closes another")

    def handle_data(self, data: str) -> None:
        if any(tag == "style" for tag, _ in self.open):
            return
        section = next((name for tag, name in self.open if tag == "section" and name), "")
        self.texts.setdefault(section, []).append(data)

    def text(self, section: str | None = None) -> str:
        """Return the text of one section ("" = outside of all), or of the whole page, single-spaced."""
        names = self.texts if section is None else [section]
        return " ".join(" ".join(self.texts.get(name, [])) for name in names).replace("\xa0", " ")

    def words(self, section: str | None = None) -> str:
        return " ".join(self.text(section).split())


@pytest.fixture(scope="session")
def read_page() -> Callable[[str], Page]:
    return Page


@pytest.fixture(scope="session")
def report() -> pages.Report:
    one = pages.Thumb("valid/cats/1.jpg", "cat", "dog", 0.987, JPEG, "valid")
    two = pages.Thumb("train/dogs/2.jpg", "dog", "cat", 0.75, JPEG, "train")
    return pages.Report(
        title="first",
        protocol="held-out",
        class_names=("cat", "dog"),
        n_judged=100,
        n_right=94,
        accuracy=0.94,
        accuracy_interval=(0.875, 0.972),
        n_baseline_right=60,
        baseline_class="cat",
        source="/home/anna/photos",
        next_steps=("Look at the labels first.",),
        notes=("Ignored the hidden folder .git.",),
        figures=(
            pages.Figure("accuracy", 0.94, (0.875, 0.972)),
            pages.Figure("macro_f1", 0.93125),
            pages.Figure("ece", 0.0214),
            pages.Figure("ece_floor", 0.0331),
        ),
        training=Training(
            "Fovea-tiny fine-tuned is kept.",
            (
                Standing("the probe", 0.9, 0.3, 2.0),
                Standing("tuned", 0.92, 0.25, 60.0, 2.0, 3, 2, is_kept=True),
            ),
            (
                Attempt(
                    "tuned",
                    ("The last 3 blocks learn.",),
                    (Point(0, 0.5, 0.6, 0.8, 0.7), Point(1, 0.4, 0.5, 0.9, 0.8)),
                    1,
                    (("Overfitting.", "--augment strong"),),
                    "It answers as torch does.",
                ),
            ),
        ),
        test_n=50,
        test_n_right=45,
        test_accuracy=0.9,
        test_interval=(0.786, 0.957),
        test_n_leaked=2,
        test_without_leaks=0.8958,
        classes=(
            pages.ClassFigures("cat", 60, 58, 0.983, 0.95, (0.91, 0.99), (0.86, 0.98), n_train=240),
            pages.ClassFigures("dog", 40, 42, 0.881, 0.925, (0.75, 0.95), (0.80, 0.97), n_train=160),
        ),
        confusion=((57, 3), (3, 37)),
        reliability=(pages.Bin(20, 0.71, 0.65, (0.43, 0.82)), pages.Bin(80, 0.97, 0.9875, (0.93, 0.99))),
        promises=(pages.Promise(0.98, 0.95, 0.83, 300, 400), pages.Promise(0.999, 0.95, None, 0, 400, 2600)),
        mistakes=pages.Gallery((one, two), 6),
        label_issues=pages.Gallery((two,)),
        duplicates=(pages.Pair(one, two, "near"),),
        n_leaked=1,
        leak_figures=(pages.Comparison("accuracy", 0.94, 0.9394),),
        quarantined=(("cats/broken.jpg", "ends too early"),),
        conversions=(("turned", 12), ("cmyk", 1)),
        novelty=pages.Novelty(38.21731, 0.01, 400, 3, 100),
        since="runs/zeroth",
        changes_text="Of 100 pictures in both runs 1 is answered differently (p = 1).",
        changes=(pages.Change(one, "cat", 0.55),),
        stages=(pages.StageTime("decode and features", 12.31, 342.4),),
        settings=(("Photos", "/home/anna/photos"), ("Seed", "0")),
        provenance=(("Backbone", "fovea-tiny"), ("Engine", "openvino, bf16")),
    )


@pytest.fixture(scope="session")
def check_page() -> pages.CheckPage:
    one, two = pages.Thumb("cats/1.jpg", "cat", jpeg=JPEG), pages.Thumb("dogs/2.jpg", "dog", jpeg=JPEG)
    return pages.CheckPage(
        title="photos",
        n_pictures=1400,
        n_quarantined=1,
        classes=(pages.ClassCount("cat", 1000, samples=(one,)), pages.ClassCount("dog", 400, samples=(two,))),
        source="/home/anna/photos",
        notes=("Ignored the hidden folder .git.",),
        quarantined=(("cats/broken.jpg", "ends too early"),),
        duplicates=((one, two),),
        conversions=(("turned", 12),),
        formats=(("JPEG", 1390), ("PNG", 10)),
    )
