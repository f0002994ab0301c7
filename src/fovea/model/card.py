"""card.md: a page about the model that a person reads. Values in, Markdown out."""

from collections.abc import Mapping

from fovea.model.document import Document

LIMITS = """\
- The figures hold for pictures drawn like those it was trained on. For pictures from elsewhere nothing is
  promised: check a few labelled ones with `fovea evaluate`.
- It knows only the classes above. A picture of something else still gets one of them; "unlike anything seen"
  marks many of these, not all.
- Probabilities are calibrated on the training pictures, and drift with the camera, the season and the source.
- What the backbone has learnt from its own training pictures, its biases too, is in every answer."""


def write_card(document: Document, *, metrics: Mapping[str, object]) -> str:
    """Return the model card; `metrics` holds figures under the names of metrics.json."""
    data, backbone = document.data, document.backbone
    where = f" from `{data.source}`" if data.source else ""
    lines = [
        "# Model card",
        "",
        f"Classifies pictures into {len(document.class_names)} classes. "
        f"Made by fovea {document.versions.get('fovea', '')}.",
        "",
        "## Figures",
        "",
        *_figures(metrics),
        "",
        "## Data",
        "",
        f"{data.n_train:,} training, {data.n_valid:,} validation and {data.n_test:,} test pictures{where}; "
        f"{data.n_quarantined:,} could not be used. Fingerprint `{data.fingerprint}`.",
        "",
        "| class | pictures |",
        "|---|---:|",
        *(f"| {_cell(name)} | {data.classes.get(name, 0):,} |" for name in document.class_names),
        "",
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
        LIMITS,
    ]
    return "\n".join(lines) + "\n"


def _figures(metrics: Mapping[str, object]) -> list[str]:
    rows = [
        ("accuracy", "accuracy"),
        ("always the commonest class", "baseline_accuracy"),
        ("balanced accuracy", "balanced_accuracy"),
        ("macro F1", "macro_f1"),
        ("log loss", "log_loss"),
        ("calibration error", "ece"),
        ("... of a perfectly calibrated model", "ece_floor"),
    ]
    told = [
        (name, value, metrics.get(f"{key}_interval"))
        for name, key in rows
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
