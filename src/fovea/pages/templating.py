"""The one Jinja environment: templates of this package, everything escaped, undefined names are errors."""

import json
import re
from base64 import b64encode
from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING

from fovea.pages import words
from fovea.pages.plots import share_svg

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

_OPTION = (
    # with its value, which ends where a sentence goes on, or stands for one
    r"--[a-z-]+(?: (?!-)[\w.:,+-]*\w(?= --|[,.;)]|$)| [A-Z]+\b)?"
)
_TYPED = re.compile(rf"`(?P<marked>[^`]+)`|{_OPTION}(?: {_OPTION})*|\b\w+=[\w.'+-]*[\w']")


def render(template: str, /, **values: object) -> str:
    """Return the template filled with the values; ends with one newline."""
    return _environment().get_template(template).render(**values).strip() + "\n"


def data_uri(jpeg: bytes) -> str:
    """Return a JPEG file's bytes as an address that holds the picture itself."""
    return "data:image/jpeg;base64," + b64encode(jpeg).decode("ascii")


def as_data(value: object) -> "Markup":
    """Return plain values as JSON inside a `<script type="application/json">`: no text in it can end the element."""
    from markupsafe import Markup

    text = json.dumps(value, separators=(",", ":"))
    return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))


def with_code(text: str) -> "Markup":
    """Return a sentence with what is typed in it in the type of code: options, keywords, what stands in backticks."""
    from markupsafe import Markup, escape

    parts, at = [escape("")], 0
    for found in _TYPED.finditer(text):
        parts += [
            escape(text[at : found.start()]),
            Markup("<code>{}</code>").format(found["marked"] or found[0]),
        ]
        at = found.end()
    return Markup("").join([*parts, escape(text[at:])])


def read_template(name: str) -> "Markup":
    """Return a script or style sheet of this package, to stand in its element as it is."""
    from importlib.resources import files

    from markupsafe import Markup

    return Markup(files("fovea.pages").joinpath("templates", name).read_text("utf-8").strip())


def script_hash(script: str) -> str:
    """Return what a content security policy calls this script: a browser runs this one and no other."""
    return "'sha256-" + b64encode(sha256(script.encode()).digest()).decode("ascii") + "'"


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("fovea.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        percent=words.percent,
        goal=words.goal,
        limit=words.limit,
        span=words.span,
        count=words.count,
        seconds=words.seconds,
        data_uri=data_uri,
        script_hash=script_hash,
        with_code=with_code,
    )
    environment.globals.update(
        plural=words.plural,
        term=words.term,
        figure=words.figure,
        conversion=words.conversion,
        share_svg=share_svg,
    )
    return environment
