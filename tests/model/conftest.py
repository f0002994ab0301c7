from collections.abc import Callable
from pathlib import Path

import pytest
from colour_model import colour_encoder, colour_parts

from fovea.features import Encoder
from fovea.model import ModelParts, write_model


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return colour_encoder(tmp_path_factory.mktemp("colours") / "backbone")


@pytest.fixture
def parts(encoder: Encoder) -> ModelParts:
    return colour_parts(encoder)


@pytest.fixture(scope="session")
def saved(encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a saved model that no test may change."""
    folder = tmp_path_factory.mktemp("saved") / "first"
    write_model(folder, colour_parts(encoder), extra={"metrics.json": b"{}\n", "manifest.csv": b"path\r\n"})
    return folder


@pytest.fixture
def copied(saved: Path, tmp_path: Path) -> Path:
    """Return a saved model that the test may damage."""
    import shutil

    return Path(shutil.copytree(saved, tmp_path / "first"))


@pytest.fixture
def edit(copied: Path) -> Callable[..., Path]:
    """Return a function that changes model.json as a careful forger would, its digest made right again."""
    import json

    from fovea.features.sealed import digest_of

    def change(**values: object) -> Path:
        body = json.loads((copied / "model.json").read_text())
        del body["digest"]
        for place, value in values.items():
            target = body
            *groups, key = place.split("__")
            for group in groups:
                target = target[group]
            if value is ...:
                del target[key]
            else:
                target[key] = value
        (copied / "model.json").write_text(json.dumps({**body, "digest": digest_of(body)}))
        return copied

    return change
