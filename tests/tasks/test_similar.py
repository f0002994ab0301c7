"""`similar`: what is found is what is most alike; what cannot be looked for is told before the work."""

import hashlib
import json
import re
import shutil
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import fovea
from fovea.errors import InputError, OutputError, StoreError
from fovea.features import open_store
from fovea.features.index_folder import renew_index
from fovea.progress import silent
from fovea.tasks import similar as similar_module
from fovea.tasks import similar_queries
from fovea.tasks.index import Config as IndexConfig
from fovea.tasks.similar import Config, Result, similar
from fovea.tasks.similar_queries import read_queries
from fovea.tasks.spaces import open_space


@pytest.fixture
def photos(tmp_path: Path, draw_class: Callable[..., Path]) -> Path:
    """Return a folder of 3 x 4 drawn pictures in class folders."""
    folder = tmp_path / "photos"
    for kind in ("stripes", "dots", "plain"):
        for number in range(4):
            draw_class(folder / kind, kind, number)
    return folder


@pytest.fixture
def query(tmp_path: Path, draw_class: Callable[..., Path]) -> Path:
    return draw_class(tmp_path / "queries", "dots", 20)


def labels(result: Result, at: int = 0) -> list[str | None]:
    return [one.label for one in result.answers[at].matches]


def found(result: Result, at: int = 0) -> list[str]:
    return [one.path for one in result.answers[at].matches]


def test_the_most_alike_come_first_and_the_index_is_made_by_itself(photos: Path, query: Path) -> None:
    result = fovea.similar(query, catalogue=photos, k=4)
    assert labels(result) == ["dots"] * 4
    alike = [one.similarity for one in result.answers[0].matches]
    assert alike == sorted(alike, reverse=True)
    assert f"The index of {str(photos)!r} was brought up to date first: 12 new." in result.notes
    assert similar(query, catalogue=photos, k=4).notes == ()


def test_json_is_a_list_of_queries_with_their_matches(photos: Path, query: Path) -> None:
    result = similar([query, photos / "plain" / "plain_000.png"], catalogue=photos, k=2)
    told = json.loads(json.dumps(result.to_json()))
    assert [one["query"] for one in told] == [str(query), str(photos / "plain" / "plain_000.png")]
    assert [list(one) for one in told[0]["matches"]] == [["path", "similarity", "label"]] * 2


def test_a_query_that_lies_in_the_catalogue_is_no_answer_but_its_copy_is(photos: Path) -> None:
    own = photos / "dots" / "dots_001.png"
    (photos / "plain" / "copy.png").write_bytes(own.read_bytes())
    result = similar(own, catalogue=photos, k=13)
    assert found(result)[0] == "plain/copy.png"
    assert result.answers[0].matches[0].similarity == pytest.approx(1, abs=1e-5)
    assert "dots/dots_001.png" not in found(result)
    assert len(found(result)) == 12


@pytest.mark.parametrize("metric", ["dot", "euclidean"])
def test_other_metrics_are_those_of_the_features_as_they_are(photos: Path, query: Path, metric: str) -> None:
    from fovea.features import Item, extract, open_backbone
    from fovea.tasks.stored import last_columns

    encoder = open_backbone()
    files = [query, *sorted(photos.rglob("*.png"))]
    contents = [file.read_bytes() for file in files]
    items = [Item(hashlib.sha256(one).hexdigest(), lambda one=one: one) for one in contents]
    rows = extract(encoder, items, store=None, columns=last_columns(encoder)).features.astype(float)
    alike = rows[1:] @ rows[0] if metric == "dot" else -np.linalg.norm(rows[1:] - rows[0], axis=1)
    order = np.argsort(-alike)[:5]
    result = similar(query, catalogue=photos, k=5, metric=metric)
    assert found(result) == [str(files[k + 1].relative_to(photos)) for k in order]
    np.testing.assert_allclose([one.similarity for one in result.answers[0].matches], alike[order], rtol=1e-4)


def test_only_pictures_with_the_value_are_searched(photos: Path, query: Path) -> None:
    result = similar(query, catalogue=photos, k=10, where={"label": "plain"})
    assert labels(result) == ["plain"] * 4


def test_an_unknown_column_and_value_name_the_closest(photos: Path, query: Path) -> None:
    with pytest.raises(InputError) as caught:
        similar(query, catalogue=photos, where={"lable": "plain"})
    assert str(caught.value) == (
        "--where names the column 'lable', which the index does not have; did you mean 'label'? There are: path, label, "
        "split, sha256."
    )
    with pytest.raises(InputError) as caught:
        similar(query, catalogue=photos, where={"label": "plains"})
    assert str(caught.value) == (
        "No picture of the catalogue has the label 'plains'. Did you mean 'plain'? There are: dots, plain, stripes."
    )


def test_a_catalogue_in_which_nothing_can_be_read_is_told(query: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(InputError) as caught:
        similar(query, catalogue=tmp_path / "empty")
    assert str(caught.value) == (
        "The catalogue holds no picture that can be read. Name a folder with pictures: --in FOLDER."
    )


def test_a_users_text_reaches_the_database_as_a_value_only(photos: Path, query: Path) -> None:
    with pytest.raises(InputError, match=r"^No picture of the catalogue has the label \"x' OR '1'='1\"\."):
        similar(query, catalogue=photos, where={"label": "x' OR '1'='1"})
    with pytest.raises(InputError, match=r"names the column '1=1; DROP TABLE picture'"):
        similar(query, catalogue=photos, where={"1=1; DROP TABLE picture": ""})
    assert len(found(similar(query, catalogue=photos))) == 10


def test_a_part_of_a_picture_finds_what_the_part_shows(
    photos: Path, tmp_path: Path, draw_class: Callable[..., Path]
) -> None:
    both = Image.new("RGB", (128, 64))
    both.paste(Image.open(draw_class(tmp_path, "stripes", 30)), (0, 0))
    both.paste(Image.open(draw_class(tmp_path, "dots", 30)), (64, 0))
    both.save(tmp_path / "both.png")
    for crop, kind in (((0, 0, 64, 64), "stripes"), ((64, 0, 64, 64), "dots")):
        assert labels(similar(tmp_path / "both.png", catalogue=photos, k=3, crop=crop)) == [kind] * 3


def test_a_part_is_of_the_query_and_of_likes_where_there_is_none(
    photos: Path, query: Path, tmp_path: Path, draw_class: Callable[..., Path]
) -> None:
    small = draw_class(tmp_path, "stripes", 31)  # 64 pixels: the part would reach out of it
    wide = Image.new("RGB", (128, 64))
    wide.paste(Image.open(query), (64, 0))
    wide.save(tmp_path / "wide.png")
    crop = (64, 0, 64, 64)
    result = similar(tmp_path / "wide.png", catalogue=photos, unlike=[small], k=3, crop=crop)
    assert labels(result) == ["dots"] * 3
    assert labels(similar((), catalogue=photos, like=[tmp_path / "wide.png"], k=3, crop=crop)) == ["dots"] * 3


@pytest.mark.parametrize("crop", [(-1, 0, 5, 5), (0, 0, 0, 5), (60, 0, 5, 5)])
def test_a_part_outside_the_picture_is_refused(
    photos: Path, query: Path, crop: tuple[int, int, int, int]
) -> None:
    with pytest.raises(InputError) as caught:
        similar(query, catalogue=photos, crop=crop)
    told = ",".join(map(str, crop))
    assert str(caught.value) == (
        f"--crop {told} (x,y,width,height) reaches out of {str(query)!r}, which is 64 x 64 pixels. Choose a part inside it."
    )


def test_more_of_a_kind_ranks_by_the_surroundings(photos: Path, query: Path) -> None:
    plain, kind = (similar(query, catalogue=photos, k=4, kind=one) for one in (False, True))
    assert labels(kind) == ["dots"] * 4
    everything = [one.similarity for one in similar(query, catalogue=photos, k=12).answers[0].matches]
    # each has 10 of the 11 others around it, so its mean lacks the one that is furthest from it
    means = [(sum(everything) - one) / 11 for one in everything]
    told = [one.similarity for one in kind.answers[0].matches]
    assert min(means) - 1e-5 <= told[-1] <= told[0] <= max(means) + 1e-5
    assert [one.similarity for one in plain.answers[0].matches] == everything[:4]
    with pytest.raises(
        InputError, match=r"^--kind ranks by the cosine, and --metric is 'dot'\. Leave one out\.$"
    ):
        similar(query, catalogue=photos, kind=True, metric="dot")


def test_likes_and_dislikes_are_looked_for_as_one(
    photos: Path, tmp_path: Path, draw_class: Callable[..., Path]
) -> None:
    like = [draw_class(tmp_path / "q", "dots", 20), draw_class(tmp_path / "q", "stripes", 21)]
    unlike = draw_class(tmp_path / "q", "stripes", 22)
    result = similar((), catalogue=photos, like=like, unlike=[unlike], k=4)
    assert [one.query for one in result.answers] == [f"{like[0]} + {like[1]} - {unlike}"]
    assert labels(result)[:2] == ["dots"] * 2


def test_pictures_in_memory_are_looked_for_too(photos: Path, query: Path) -> None:
    pixels = np.asarray(Image.open(query))
    results = [
        similar(one, catalogue=photos, k=3) for one in (pixels, query.read_bytes(), Image.open(query), query)
    ]
    assert len({tuple(found(one)) for one in results}) == 1
    assert results[0].answers[0].query == "input 1"


def test_what_is_no_picture_is_told_before_the_catalogue_is_read(
    photos: Path, query: Path, tmp_path: Path
) -> None:
    (tmp_path / "text.jpg").write_text("hello, this is text")
    with pytest.raises(InputError) as caught:
        similar([query, tmp_path / "text.jpg"], catalogue=tmp_path / "no such folder")
    assert str(caught.value).startswith(f"These cannot be looked for: {str(tmp_path / 'text.jpg')!r}: ")
    with pytest.raises(InputError) as caught:
        similar("gone.jpg", catalogue=photos)
    assert str(caught.value) == (
        "These cannot be looked for: 'gone.jpg': there is no such file. Name pictures that can be opened."
    )


def test_nothing_to_look_for_is_told(photos: Path) -> None:
    with pytest.raises(InputError) as caught:
        similar((), catalogue=photos)
    assert str(caught.value) == (
        "Nothing was given to look for. Name pictures: `fovea similar a.jpg --in photos`, or --like a.jpg."
    )
    with pytest.raises(InputError, match=r"^k is 0; it is how many pictures to find, such as 10\.$"):
        similar("a.jpg", catalogue=photos, k=0)


def test_the_page_shows_queries_and_matches_and_is_never_written_over(
    photos: Path, query: Path, tmp_path: Path
) -> None:
    page = tmp_path / "out" / "found.html"
    result = similar(query, catalogue=photos, k=3, html=page)
    text = page.read_text()
    assert result.html == str(page)
    assert len(re.findall("data:image/jpeg", text)) == 4
    assert f"{result.answers[0].matches[0].similarity:.3f}" in text
    with pytest.raises(OutputError, match=r"There is something at .* Choose another name for --html\."):
        similar(query, catalogue=photos, html=page)


def test_an_index_that_is_stale_is_brought_up_to_date_and_that_is_said(photos: Path, query: Path) -> None:
    similar(query, catalogue=photos)
    (photos / "dots" / "new.png").write_bytes(query.read_bytes())
    (photos / "plain" / "plain_000.png").unlink()
    result = similar(query, catalogue=photos, k=1)
    assert found(result) == ["dots/new.png"]
    assert result.notes == (f"The index of {str(photos)!r} was brought up to date first: 1 new, 1 gone.",)


@pytest.fixture
def run_folder(tmp_path: Path, draw_class: Callable[..., Path]) -> Path:
    """Return a run on 3 x 20 other pictures of the same classes."""
    for kind in ("stripes", "dots", "plain"):
        for number in range(100, 120):
            draw_class(tmp_path / "learned" / kind, kind, number)
    return fovea.train(tmp_path / "learned", out=tmp_path / "runs" / "first").folder


def test_tuned_compares_by_the_answers_of_a_run(photos: Path, query: Path, run_folder: Path) -> None:
    result = similar(query, catalogue=photos, k=5, tuned=run_folder)
    assert result.index.compares == "the answers of first"
    assert labels(result)[:4] == ["dots"] * 4
    alike = [one.similarity for one in result.answers[0].matches]
    assert alike[3] > 0.8 > alike[4]  # the same answer, another
    copy = photos / "plain" / "copy.png"
    copy.write_bytes(query.read_bytes())
    assert similar(query, catalogue=photos, k=1, tuned=run_folder).answers[0].matches[
        0
    ].similarity == pytest.approx(1, abs=1e-4)


def test_a_run_of_numbers_has_no_answers_to_compare(
    photos: Path, query: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fovea.model.load_model", lambda folder, **named: object())
    with pytest.raises(InputError) as caught:
        similar(query, catalogue=photos, tuned="numbers")
    assert str(caught.value) == (
        "The run in 'numbers' tells no classes, so its answers cannot be compared as such. Name a run of classes."
    )


def test_files_that_cannot_be_read_are_told_beside_the_answers(photos: Path, query: Path) -> None:
    (photos / "dots" / "broken.png").write_bytes(b"")
    assert similar(query, catalogue=photos).notes[-1] == (
        "1 file that cannot be read: not searched. The first is 'dots/broken.png': an empty file (0 bytes). `fovea index` "
        "lists them."
    )


def test_the_pictures_looked_for_are_not_held_in_memory(tmp_path: Path) -> None:
    (tmp_path / "queries").mkdir()
    for number in range(24):
        pixels = np.random.default_rng(number).integers(0, 256, (600, 600, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "queries" / f"{number}.bmp")  # a megabyte each
    config = Config((tmp_path / "queries",), IndexConfig(tmp_path))
    space = open_space(config.index.network)
    with open_store() as store:
        tracemalloc.start()
        queries = read_queries(config, space=space, store=store, progress=silent)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 16e6
    assert queries[5].pictures[0]() == (tmp_path / "queries" / "13.bmp").read_bytes()


def test_a_query_that_changes_while_it_is_read_is_told(
    photos: Path, query: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = similar_queries.extract

    def change(*given: Any, **named: Any) -> Any:
        query.write_bytes((photos / "dots" / "dots_000.png").read_bytes())
        return real(*given, **named)

    monkeypatch.setattr(similar_queries, "extract", change)
    with pytest.raises(InputError, match=r"dots_020.png': changed while it was being read\. Name pictures"):
        similar(query, catalogue=photos)


def test_a_private_page_has_no_pictures_and_no_absolute_paths(
    photos: Path, query: Path, tmp_path: Path
) -> None:
    page = tmp_path / "found.html"
    result = similar(query, catalogue=photos, k=3, html=page, private=True)
    text = page.read_text()
    assert "data:image" not in text
    assert str(tmp_path) not in text
    assert "left out (private)" in text
    assert f"{result.answers[0].matches[0].similarity:.3f}" in text


def test_a_picture_of_a_packed_catalogue_is_no_answer_to_itself(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 28, 28), np.uint8)
    header = bytes([0, 0, 8, 3]) + b"".join(n.to_bytes(4, "big") for n in pixels.shape)
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "train-images-idx3-ubyte").write_bytes(header + pixels.tobytes())
    result = similar(tmp_path / "set", catalogue=tmp_path / "set", k=5)
    for number in range(5):
        others = {f"train-images-idx3-ubyte#{k}" for k in range(5) if k != number}
        assert set(found(result, number)) == others


def test_an_index_that_another_process_empties_meanwhile_is_not_searched(
    photos: Path, query: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = similar_module.refresh

    def empty(*given: Any, **named: Any) -> Any:
        done = real(*given, **named)
        renew_index(done.index.made)
        return done

    monkeypatch.setattr(similar_module, "refresh", empty)
    with pytest.raises(StoreError) as caught:
        similar(query, catalogue=photos)
    assert str(caught.value) == (
        f"Another process took pictures out of the index of {str(photos)!r} meanwhile, or makes it anew. Give the same command "
        "again."
    )


def test_a_picture_that_another_process_adds_meanwhile_is_found_and_shown(
    photos: Path, query: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refresh = similar_module.refresh

    def refresh_and_be_overtaken(how: IndexConfig, **given: Any) -> Any:
        done = refresh(how, **given)
        shutil.copy(query, photos / "dots" / "new.png")
        refresh(how, **given).index.__exit__(None, None, None)
        return done

    monkeypatch.setattr(similar_module, "refresh", refresh_and_be_overtaken)
    told = similar(query, catalogue=photos, k=2, html=tmp_path / "page.html")
    assert found(told)[0] == "dots/new.png"
    assert (tmp_path / "page.html").read_text().count("data:image/jpeg") == 1 + 2
