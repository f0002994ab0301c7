"""What `augment` shows, as plain values (`AugmentPage`), and the HTML file or the contact sheet (PNG) made of them."""

from dataclasses import dataclass
from io import BytesIO
from textwrap import wrap

from fovea.pages.report import Section
from fovea.pages.templating import render
from fovea.pages.texts import named
from fovea.pages.words import plural

SHEET_COLUMNS = 6
_TILE_PX, _GAP_PX, _LABEL_PX, _LABEL_SIGNS = 128, 8, 220, 32
_INK, _SOFT, _PAPER = (26, 33, 43), (86, 96, 112), (255, 255, 255)


@dataclass(frozen=True, slots=True)
class Strip:
    """A row of copies by one operation or policy: its name, what it does, and the copies as JPEG."""

    name: str
    meaning: str
    jpegs: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class AugmentPage:
    """All that the page of `augment` shows; `policy` is what training would use, `parts` its operations in words."""

    title: str
    policy: str
    parts: str
    originals: tuple[bytes, ...]
    samples: tuple[bytes, ...]
    operations: tuple[Strip, ...] = ()
    policies: tuple[Strip, ...] = ()
    source: str = ""
    notes: tuple[str, ...] = ()
    private: bool = False


def render_augment(page: AugmentPage) -> str:
    """Return the page of `augment`: one file that needs nothing else, the same bytes for the same values."""
    page = named(page)
    n = plural(len(page.originals), "picture")
    return render(
        "command.html",
        command="augment",
        page=page,
        opening=(
            f"{n} as training would see {'it' if len(page.originals) == 1 else 'them'}",
            f": {page.policy}.",
        ),
        sections=[section for section in _sections(page) if section.entries],
    )


def _sections(page: AugmentPage) -> list[Section]:
    return [
        Section("samples", "What training will see", page.samples),
        Section("policies", "Every policy", page.policies),
        Section("operations", "Every operation alone, at its usual strength", page.operations),
    ]


def draw_sheet(page: AugmentPage) -> bytes:
    """Return the same as a contact sheet: a PNG file with a row for each policy and operation."""
    from PIL import Image, ImageDraw, ImageFont

    first = [Strip("as it is", "", page.originals), Strip(page.policy, page.parts, page.samples)]
    rows: list[tuple[str, str, tuple[bytes, ...]]] = []
    for strip in (*first, *page.policies, *page.operations):
        for at in range(0, len(strip.jpegs), SHEET_COLUMNS):
            label = (strip.name, strip.meaning) if at == 0 else ("", "")
            rows.append((*label, strip.jpegs[at : at + SHEET_COLUMNS]))
    step = _TILE_PX + _GAP_PX
    sheet = Image.new("RGB", (_LABEL_PX + SHEET_COLUMNS * step, _GAP_PX + len(rows) * step), _PAPER)
    draw = ImageDraw.Draw(sheet)
    large, small = ImageFont.load_default(15), ImageFont.load_default(12)
    for number, (name, meaning, jpegs) in enumerate(rows):
        top = _GAP_PX + number * step
        draw.text((_GAP_PX, top), name, fill=_INK, font=large)
        draw.multiline_text(
            (_GAP_PX, top + 22), "\n".join(wrap(meaning, _LABEL_SIGNS)), fill=_SOFT, font=small
        )
        for column, jpeg in enumerate(jpegs):
            with Image.open(BytesIO(jpeg)) as tile:
                sheet.paste(tile.resize((_TILE_PX, _TILE_PX)), (_LABEL_PX + column * step, top))
    target = BytesIO()
    sheet.save(target, "PNG")
    return target.getvalue()
