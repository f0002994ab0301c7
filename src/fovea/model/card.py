"""card.md: a page about the model that a person reads. Values in, Markdown out."""

from collections.abc import Mapping

from fovea.model.document import Document
from fovea.model.targets import Values
from fovea.wording import percent

FIRST_LIMIT = """\
- The figures hold for pictures drawn like those it was trained on. For pictures from elsewhere nothing is
  promised: check a few labelled ones with `fovea evaluate`."""
LAST_LIMIT = """\
- What the backbone has learnt from its own training pictures, its biases too, is in every answer."""
LIMITS = {
    "classes": """\
- It knows only the classes above. A picture of something else still gets one of them; "unlike anything seen"
  marks many of these, not all.
- Probabilities are calibrated on the training pictures, and drift with the camera, the season and the source.""",
    "regression": """\
- Beyond the numbers it was trained on it has seen nothing: answers there are drawn towards the middle.
- The range of a number holds the true one as often as stated on average over pictures, not for each kind of picture.""",
    "labels": """\
- It knows only the labels above, and answers each by itself: nothing keeps two that exclude each other apart.
- Probabilities are calibrated on the training pictures, and drift with the camera, the season and the source.""",
}
FIGURES = {
    "classes": (
        ("accuracy", "accuracy"),
        ("always the commonest class", "baseline_accuracy"),
        ("balanced accuracy", "balanced_accuracy"),
        ("macro F1", "macro_f1"),
        ("log loss", "log_loss"),
        ("calibration error", "ece"),
        ("... of a perfectly calibrated model", "ece_floor"),
    ),
    "regression": (
        ("mean error", "mae"),
        ("always the median", "baseline_mae"),
        ("root mean square error", "rmse"),
        ("always the mean", "baseline_rmse"),
        ("share of the variance explained (R2)", "r2"),
    ),
    "labels": (
        ("all labels of a picture right", "all_right"),
        ("always the commonest set", "baseline_all_right"),
        ("F1 over all answers", "micro_f1"),
        ("macro F1", "macro_f1"),
        ("mean average precision", "mean_average_precision"),
        ("calibration error", "ece"),
    ),
}


def write_card(document: Document, *, metrics: Mapping[str, object]) -> str:
    """Return the model card; `metrics` holds figures under the names of metrics.json."""
    data, backbone = document.data, document.backbone
    kind = "classes" if document.target is None else document.target.kind
    where = f" from `{data.source}`" if data.source else ""
    lines = [
        "# Model card",
        "",
        f"{_task(document)} Made by fovea {document.versions.get('fovea', '')}.",
        "",
        "## Figures",
        "",
        *_figures(metrics, kind=kind),
        "",
        "## Data",
        "",
        f"{data.n_train:,} training, {data.n_valid:,} validation and {data.n_test:,} test pictures{where}; "
        f"{data.n_quarantined:,} could not be used. Fingerprint `{data.fingerprint}`.",
        "",
        *_counts(document),
        "## Network",
        "",
        f"Backbone {backbone['name']}, {backbone['engine']}, {backbone['precision']}; "
        f"fingerprint `{backbone['fingerprint']}`. Licence of its weights: "
        f"{backbone['licence'] or 'not stated'}.",
        f"Linear head on {document.n_features:,} features, penalty {document.head[0]:g}, temperature "
        f"{document.temperature:.3f}, seed {document.seed}.",
        "",
        "## Limits",
        "",
        FIRST_LIMIT,
        LIMITS[kind],
        LAST_LIMIT,
    ]
    return "\n".join(lines) + "\n"


def _task(document: Document) -> str:
    n = len(document.class_names)
    if isinstance(document.target, Values):
        target = document.target
        return (
            f"Tells a number of each picture, {_cell(document.class_names[0])}; in training from {target.lowest:g} to "
            f"{target.highest:g}. The true number lies within {target.half_width:.4g} of the answer for "
            f"{percent(target.coverage, 0)} of pictures."
        )
    if document.target is not None:
        return f"Tells which of {n} labels a picture has, any number of them or none."
    return f"Classifies pictures into {n} classes."


def _counts(document: Document) -> list[str]:
    """Return a table of how many pictures each class or label has."""
    if isinstance(document.target, Values):
        return []
    counts = document.data.classes
    rows = [f"| {_cell(name)} | {counts.get(name, 0):,} |" for name in document.class_names]
    return [f"| {'class' if document.target is None else 'label'} | pictures |", "|---|---:|", *rows, ""]


def _figures(metrics: Mapping[str, object], *, kind: str) -> list[str]:
    told = [
        (name, value, metrics.get(f"{key}_interval"))
        for name, key in FIGURES[kind]
        if (value := metrics.get(key)) is not None
    ]
    if not told:
        return ["None were measured."]
    return ["| figure | value | 95 % interval |", "|---|---:|---|", *(_row(*row) for row in told)]


def _row(name: str, value: object, interval: object) -> str:
    span = ""
    if isinstance(interval, list | tuple) and len(interval) == 2:
        span = f"{float(interval[0]):.4f} to {float(interval[1]):.4f}"
    shown = f"{value:.4f}" if isinstance(value, float) else str(value)
    return f"| {name} | {shown} | {span} |"


def _cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")
