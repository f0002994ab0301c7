"""The one Jinja environment: templates of this package, everything escaped, undefined names are errors."""

from base64 import b64encode
from functools import cache
from typing import TYPE_CHECKING

from fovea.pages import words
from fovea.pages.plots import share_svg

if TYPE_CHECKING:
    from jinja2 import Environment


def render(template: str, /, **values: object) -> str:
    """Return the template filled with the values; ends with one newline."""
    return _environment().get_template(template).render(**values).strip() + "\n"


def data_uri(jpeg: bytes) -> str:
    """Return a JPEG file's bytes as an address that holds the picture itself."""
    return "data:image/jpeg;base64," + b64encode(jpeg).decode("ascii")


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
    )
    environment.globals.update(
        plural=words.plural,
        term=words.term,
        figure=words.figure,
        conversion=words.conversion,
        share_svg=share_svg,
    )
    return environment
