"""What the commands on stored features start from: any pictures, the features of those that can be read."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fovea.errors import InputError
from fovea.features import Encoder, open_backbone, open_store
from fovea.manifest import read_source
from fovea.pictures import decode, resize
from fovea.tasks.options import SourceOptions
from fovea.tasks.stored import last_columns, read_pictures, read_stored, require_some


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return open_backbone(precision="f32", threads=1)


@pytest.fixture
def photos(tmp_path: Path, draw_picture: Callable[..., Path]) -> Path:
    """Return a folder: two scenes, the first once more under another name, and a broken file."""
    folder = tmp_path / "photos"
    for number, name in enumerate(("cat/0.png", "dog/1.png")):
        draw_picture(folder / name, seed=number)
    shutil.copy(folder / "cat" / "0.png", folder / "dog" / "copy.png")
    (folder / "cat" / "cut.png").write_bytes((folder / "cat" / "0.png").read_bytes()[:300])
    return folder


def encoded(encoder: Encoder, file: Path) -> np.ndarray:
    size = encoder.preprocess
    pixels = resize(decode(file.read_bytes()).pixels, height_px=size.height_px, width_px=size.width_px)
    return encoder.encode(pixels[None])[0].astype(np.float16)


def test_each_readable_picture_has_its_row_and_the_broken_one_a_problem(photos: Path, encoder: Encoder):
    stored = read_stored(read_source(photos), encoder=encoder, store=None)
    assert stored.paths == ("cat/0.png", "dog/1.png", "dog/copy.png")
    assert stored.labels == ("cat", "dog", "dog")
    assert stored.content.tolist() == [0, 1, 0]
    assert [row.path for row in stored.manifest.rows if row.problem] == ["cat/cut.png"]
    np.testing.assert_allclose(
        stored.features[1], encoded(encoder, photos / "dog" / "1.png"), rtol=2e-3, atol=1e-3
    )
    assert stored.read(1) == (photos / "dog" / "1.png").read_bytes()


def test_columns_are_those_of_the_whole_features_and_stages_begin_anew(photos: Path, encoder: Encoder):
    whole = read_stored(read_source(photos), encoder=encoder, store=None)
    with open_store() as store:
        computed = read_stored(read_source(photos), encoder=encoder, store=store, columns=last_columns)
        again = read_stored(read_source(photos), encoder=encoder, store=store, columns=last_columns)
        later = read_stored(read_source(photos), encoder=encoder, store=store)
    np.testing.assert_array_equal(computed.features, whole.features[:, last_columns(encoder)])
    np.testing.assert_array_equal(again.features, computed.features)
    assert again.n_decoded == later.n_decoded == 0  # all columns were stored
    np.testing.assert_array_equal(later.features, whole.features)
    (stage,) = computed.stages
    assert (stage.start, stage.stop) == (0, computed.features.shape[1])


def test_labels_are_read_where_there_are_any(photos: Path):
    assert {row.label for row in read_pictures(photos, SourceOptions()).rows} == {"cat", "dog"}
    assert {row.label for row in read_pictures(photos / "dog", SourceOptions()).rows} == {None}
    assert {row.label for row in read_pictures(photos, SourceOptions(), labelled=False).rows} == {None}
    with pytest.raises(InputError, match="no class folders"):
        read_pictures(photos / "dog", SourceOptions(), labelled=True)


def test_too_few_pictures_are_refused_with_the_first_that_is_broken(photos: Path, encoder: Encoder):
    stored = read_stored(read_source(photos), encoder=encoder, store=None)
    require_some(stored, at_least=3, photos=photos, to_do="grouping")
    with pytest.raises(InputError) as caught:
        require_some(stored, at_least=4, photos=Path("photos"), to_do="grouping")
    assert str(caught.value).startswith(
        "'photos' holds 3 pictures that can be read; grouping takes 4 or more. The first that cannot be read is "
        "'cat/cut.png': "
    )
    assert str(caught.value).endswith(". Name a folder with more pictures.")
