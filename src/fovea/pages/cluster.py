"""What `cluster --html` shows, as plain values (`ClusterPage`), and the one HTML file made of them, where groups are named."""

from dataclasses import dataclass, replace

from fovea.pages.privacy import without_secrets
from fovea.pages.report import MAX_ROWS, Section, Thumb
from fovea.pages.templating import as_data, read_template, render
from fovea.pages.texts import named
from fovea.pages.words import plural


@dataclass(frozen=True, slots=True)
class ShownGroup:
    """One group: how many pictures, the most typical of them, the least typical, and the paths of all to write labels for."""

    n: int
    typical: tuple[Thumb, ...]
    edge: tuple[Thumb, ...]
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ClusterPage:
    """All that the page of `cluster` shows; `root` is put before the paths that are saved, `file` their table's name."""

    title: str
    n_pictures: int
    groups: tuple[ShownGroup, ...]
    file: str
    root: str = ""
    is_given: bool = False  # the number of groups was
    quarantined: tuple[tuple[str, str], ...] = ()
    source: str = ""
    notes: tuple[str, ...] = ()
    private: bool = False


def render_cluster(page: ClusterPage) -> str:
    """Return the page of `cluster`: one file that needs nothing else, the same bytes for the same values."""
    if page.private:
        page = without_secrets(replace(page, root=""))
    data = {"root": page.root, "file": page.file, "groups": [one.paths for one in page.groups]}
    page = named(page)
    sections = (
        Section("groups", "Groups", page.groups),
        Section("quarantined", "Files that could not be read", page.quarantined),
    )
    how = (
        "as many as asked for"
        if page.is_given
        else "their number found: name two alike to make them one class"
    )
    return render(
        "command.html",
        command="cluster",
        page=page,
        opening=(f"{plural(page.n_pictures, 'picture')} in {plural(len(page.groups), 'group')}", f", {how}."),
        sections=[one for one in sections if one.entries],
        data=as_data(data),
        script=read_template("cluster.js"),
        style=read_template("cluster.css"),
        max_rows=MAX_ROWS,
    )
