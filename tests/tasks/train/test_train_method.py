"""What `train` promises where a network is trained: the better one is kept, judged as it predicts, saved whole."""

import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from fovea.errors import BackboneError, InputError
from fovea.features import open_backbone
from fovea.features.openvino import read_graph
from fovea.model import load_model
from fovea.tasks.train import method as train_method
from fovea.tasks.train.train import train

torch = pytest.importorskip("torch")

QUICK = {
    "method": "scratch",
    "net": "lenet5",
    "epochs": 3,
    "batch_size": 16,
    "lr": 0.01,
    "augment": "none",
    "threads": 1,
}
TUNED = {"method": "finetune", "epochs": 1, "unfreeze": "1", "augment": "none", "threads": 1}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory, draw_class) -> Path:
    """Return a folder of 3 x 40 drawn pictures, the same for the whole file."""
    folder = tmp_path_factory.mktemp("method") / "photos"
    for kind in ("stripes", "dots", "plain"):
        for number in range(40):
            draw_class(folder / kind, kind, number)
    return folder


@pytest.fixture(scope="module")
def scratch_run(drawn: Path):
    """Return a run of a network from scratch, trained once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FOVEA_CACHE", str(drawn.parent / "cache"))
        return train(drawn, out=drawn.parent / "run", **QUICK)


def test_a_network_from_scratch_is_a_run_like_any_other(scratch_run):
    told = json.loads((scratch_run.folder / "metrics.json").read_text())["training"]
    assert (told["method"], told["kept"]) == ("scratch", "lenet5 from scratch")
    assert len(told["attempts"][0]["history"]["records"]) == 3
    assert told["attempts"][0]["export"]["agreement"] >= 0.98
    assert scratch_run.metrics["n_valid"] == 24
    assert "What was trained" in scratch_run.report.read_text()


def test_what_was_trained_with_torch_predicts_without_it(scratch_run, drawn: Path):
    picture = str(drawn / "dots" / "dots_003.png")
    expected = load_model(scratch_run.folder).predict([picture])[0].probabilities
    code = (
        "import sys\n"
        "for name in ('torch', 'torchvision', 'timm'): sys.modules[name] = None\n"
        "import fovea, json\n"
        f"told = fovea.load({str(scratch_run.folder)!r}).predict([{picture!r}])[0]\n"
        "print(json.dumps(list(told.probabilities.values())))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert np.allclose(json.loads(done.stdout), list(expected.values()), atol=1e-6)


def test_nothing_is_left_beside_a_finished_run(scratch_run):
    assert [path.name for path in scratch_run.folder.parent.iterdir() if path.name.startswith(".run")] == []


def test_a_run_that_was_trained_is_a_backbone_of_the_next(scratch_run, drawn: Path, tmp_path: Path):
    again = train(drawn, out=tmp_path / "next", backbone=str(scratch_run.folder))
    assert again.metrics["backbone"] == "lenet5 from scratch"
    assert again.metrics["accuracy"] >= again.metrics["baseline_accuracy"]


def test_a_network_is_fine_tuned_at_the_size_that_was_asked_for(photos: Path, tmp_path: Path):
    run = train(photos, out=tmp_path / "run", **TUNED, size="96x160")
    (tuned,) = run.metrics["training"]["attempts"]
    assert tuned["export"]["agreement"] >= 0.98
    assert run.model.encoder.preprocess.width_px == 160


def test_a_network_from_scratch_learns_at_the_size_that_was_asked_for(drawn: Path, tmp_path: Path):
    run = train(drawn, out=tmp_path / "run", **{**QUICK, "epochs": 1}, size=40)
    assert run.model.encoder.preprocess.height_px == 40
    with pytest.raises(InputError) as caught:
        train(drawn, out=tmp_path / "other", **QUICK, size="40x32")
    assert (
        str(caught.value)
        == "--size 40x32: a network from scratch takes squares. Give one side, such as --size 32."
    )


def test_fine_tuning_is_compared_with_the_probe_and_the_better_kept(photos: Path, tmp_path: Path):
    run = train(photos, out=tmp_path / "run", **TUNED)
    told = run.metrics["training"]
    assert [one["name"] for one in told["standings"]] == ["the probe", "fovea-tiny fine-tuned"]
    assert told["kept"] in ("the probe", "fovea-tiny fine-tuned")
    assert told["text"] in run.report.read_text()


def test_a_trained_network_that_is_better_replaces_the_probe(photos: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(train_method, "choose", lambda given, **_: _second(given))
    run = train(photos, out=tmp_path / "run", **TUNED)
    assert run.metrics["training"]["kept"] == "fovea-tiny fine-tuned"
    assert run.metrics["backbone"] == "fovea-tiny fine-tuned"
    assert (run.folder / "backbone" / "weights.safetensors").is_file()
    assert run.model.predict([str(photos / "dots" / "dots_003.png")])[0].class_name in (
        "dots",
        "plain",
        "stripes",
    )


def test_under_a_budget_what_is_tuned_is_averaged_with_the_probe(photos: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(train_method, "choose", lambda given, **_: _second(given))
    run = train(photos, out=tmp_path / "run", **TUNED, budget="10m", size=128)
    told = run.metrics["training"]
    assert told["kept"] == "fovea-tiny fine-tuned 2 times, averaged with the probe"
    assert [one["name"] for one in told["attempts"]] == [
        "fovea-tiny fine-tuned",
        "fovea-tiny fine-tuned, training 2",
    ]
    assert all(one["export"]["agreement"] >= 0.98 for one in told["attempts"])
    probe, average = open_backbone(), run.model.encoder
    pixels = np.random.default_rng(0).integers(0, 256, (5, 128, 128, 3), np.uint8)
    columns = average.encode(pixels)
    assert columns.shape == (5, 3 * probe.n_features)
    np.testing.assert_allclose(columns[:, : probe.n_features], probe.encode(pixels), atol=1e-3)
    answer = run.model.predict([str(photos / "dots" / "dots_003.png")])[0]
    assert answer.class_name == "dots"
    probe.save(tmp_path / "probe")
    kinds = [
        [node.get_type_name() for node in read_graph(folder / "network.xml").get_ordered_ops()]
        for folder in (run.folder / "backbone", tmp_path / "probe")
    ]
    shared, alone = (one.count("Convolution") for one in kinds)
    assert shared < 1.5 * alone  # three networks, of which all but the last blocks is computed once
    assert told["kept_of"] == [one["name"] for one in told["attempts"]]
    seconds = run.metrics["seconds"]
    assert sum(one["seconds"] for one in told["attempts"]) <= seconds["train"] <= seconds["total"]
    with pytest.raises(InputError) as refused:
        train(photos, out=tmp_path / "next", backbone=str(run.folder), **TUNED)
    assert str(refused.value) == (
        f"The network of {str(run.folder)!r} is the average of several, which predicts, and serves a probe, but cannot be "
        "trained further. Train one alone and go on from that: fovea train PHOTOS --out RUN --method finetune, without --budget."
    )


def test_what_is_tuned_whole_is_called_otherwise_than_what_is_tuned_in_part(drawn: Path, tmp_path: Path):
    settings = {**TUNED, "unfreeze": "auto", "method": "auto", "net": "lenet5", "budget": "10m"}
    told = train(drawn, out=tmp_path / "run", **settings).metrics["training"]
    names = [one["name"] for one in told["standings"]]
    assert len(names) == len(set(names)) == 4
    assert names[2].startswith("fovea-tiny fine-tuned, all unfrozen")


def _second(given):
    from fovea.tasks.train.choose import Choice

    return Choice(1, (), f"{given[1].name} is kept.")


def test_a_budget_too_small_for_training_gives_the_probe(photos: Path, tmp_path: Path):
    run = train(photos, out=tmp_path / "run", budget=2.0)
    assert run.metrics["training"]["kept"] == "the probe"
    assert re.fullmatch(
        r"The budget of 2 s is too small to train a network in beside the probe, which took \d+\.\d s, since 18 s are kept "
        r"to convert it and for the report: the probe is given\. Raise --budget by \d+ s or more\.",
        run.metrics["training"]["text"],
    )


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"method": "finetuned"},
            "There is no method 'finetuned' (did you mean 'finetune'?). There are: probe, finetune, scratch, auto.",
        ),
        (
            {"epochs": 3, "batch_size": 8},
            "--batch-size, --epochs: these say how a network is trained, and the probe trains none. Add --method finetune, or "
            "--method scratch.",
        ),
        ({"budget": 0.0}, "The budget is 0.0 seconds; it must be above 0, for example --budget 10m."),
        ({"unfreeze": "0"}, "--unfreeze is '0'; it is the number of last blocks that learn, such as 2, the name of the first of "
                            "them, such as fc7, or all, or auto."),
        (
            {"method": "finetune", "unfreeze": "block.6"},
            "fovea-tiny has no block 'block.6' (did you mean 'blocks.6'?). --unfreeze takes the first block that shall learn, of "
            "stem, blocks.0, blocks.1, blocks.2, blocks.3, blocks.4, blocks.5, blocks.6, head; or how many of the last ones, "
            "all, or auto.",
        ),
        (
            {"unfreeze": "2", "device": "cuda"},
            "--unfreeze, --device: these say how a network is trained, and the probe trains none. Add --method finetune, or "
            "--method scratch.",
        ),
        (
            {"method": "probe", "budget": 600.0},
            "--budget: these say how a network is trained, and the probe trains none. Add --method finetune, or --method scratch.",
        ),
        (
            {"method": "finetune", "net": "lenet5"},
            "--net: these are of a network that learns from random weights, and --method finetune trains the backbone further. "
            "Add --method scratch instead, or leave them out.",
        ),
        (
            {"method": "scratch", "net": "lenet5", "head": "mlp:256"},
            "--head: these say how the backbone is trained further, and --method scratch trains a network from random weights. "
            "Add --method finetune instead, or leave them out.",
        ),
        (
            {"method": "scratch"},
            "--method scratch needs the network's name: --net lenet5, for example, or --net fast for pictures of 28 to 32 px.",
        ),
    ],
)  # fmt: skip
def test_settings_that_do_not_fit_are_refused_in_one_sentence(
    photos: Path, tmp_path: Path, settings, said: str
):
    with pytest.raises(InputError) as caught:
        train(photos, out=tmp_path / "run", **settings)
    assert str(caught.value) == said


def test_too_few_pictures_to_hold_any_out_cannot_train_from_scratch(tmp_path: Path, draw_class):
    for kind in ("stripes", "dots"):
        for number in range(6):
            draw_class(tmp_path / "few" / kind, kind, number)
    with pytest.raises(InputError) as caught:
        train(tmp_path / "few", out=tmp_path / "run", **QUICK)
    assert str(caught.value) == (
        "12 pictures are too few to train a network from scratch: none could be held out to judge it by. Leave out "
        "--method scratch, or bring more pictures."
    )


@pytest.mark.parametrize(("n", "held_out"), [(1_000, 200), (4_000, 400), (20_000, 1_000), (100_000, 2_000)])
def test_where_a_network_is_trained_no_more_is_held_out_than_judges_it(tmp_path: Path, n: int, held_out: int):
    from fovea.manifest import Manifest, Row
    from fovea.tasks.options import configure
    from fovea.tasks.train.train import Config, share_held_out

    rows = tuple(Row(str(k), "ab"[k % 2]) for k in range(n))
    scratch = configure(Config, {"photos": tmp_path, "out": tmp_path, "method": "scratch"})
    probe = configure(Config, {"photos": tmp_path, "out": tmp_path})
    assert share_held_out(scratch, Manifest(tmp_path, rows)) == held_out / n
    assert share_held_out(probe, Manifest(tmp_path, rows)) == 0.2


def test_small_pictures_are_also_learned_from_scratch_and_all_stand_side_by_side(drawn: Path, tmp_path: Path):
    run = train(drawn, out=tmp_path / "run", **{**TUNED, "method": "auto", "net": "lenet5"})
    names = [one["name"] for one in run.metrics["training"]["standings"]]
    assert names == [
        "the probe",
        "fovea-tiny fine-tuned",
        "fovea-tiny fine-tuned, all unfrozen",
        "lenet5 from scratch",
    ]
    assert all(name in run.report.read_text() for name in names)


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return what tries small pictures in so many seconds, and the list of (how or which network, seconds) it fills."""
    from fovea.learn.training.planned import TooLittleTimeError

    asked = []

    def tune(*_, seconds, room, whole=False):
        asked.append(("all" if whole else "planned", seconds))
        return SimpleNamespace(name=asked[-1][0], trained=SimpleNamespace(is_whole=whole))

    def no_time(*_, net, seconds, room):
        asked.append((net, seconds))
        raise TooLittleTimeError("It takes longer.")

    monkeypatch.setattr(train_method, "train_beside", no_time)
    monkeypatch.setattr(train_method, "tune", tune)
    monkeypatch.setattr(train_method, "usual_side", lambda *_: 32)
    goal = SimpleNamespace(
        rows_train=range(32),
        rows_valid=range(8),
        known=np.ones(8, bool),
        manifest=SimpleNamespace(rows=()),
    )
    gathered = SimpleNamespace(n_decoded=40, seconds=0.5)

    def run(seconds: float, net: str | None = None, said: str = ""):
        training = SimpleNamespace(method="auto", how=SimpleNamespace(net=net, device="cpu", budget=None))
        room = SimpleNamespace(
            config=SimpleNamespace(training=training),
            seconds_left=lambda *_, **__: seconds,
            workspace=tmp_path / "work",
        )
        attempts, why_not = train_method.try_further(goal, None, gathered=gathered, room=room)
        assert said in why_not
        return [one.name for one in attempts]

    return run, asked


def test_a_network_from_scratch_that_has_no_time_leaves_the_others(far):
    run, asked = far
    assert run(60.0) == ["planned", "all"]
    assert asked[:2] == [("planned", 12.0), ("all", 12.0)]
    assert asked[2][0] == "fast" and 59 < asked[2][1] <= 60  # all that the others left


def test_what_the_budget_leaves_no_time_for_is_told(far, monkeypatch: pytest.MonkeyPatch):
    run, asked = far
    clock = iter(range(0, 1000, 25))
    monkeypatch.setattr(train_method.time, "perf_counter", lambda: float(next(clock)))
    assert run(60.0, said="No time was left of the budget for a network from scratch: raise it (--budget).")
    assert [name for name, _ in asked] == ["planned", "all"]


@pytest.mark.parametrize("error", [InputError("A batch needs 9 GB."), BackboneError("It answers otherwise.")])
def test_what_auto_cannot_train_leaves_the_others_and_is_told(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
):
    def fails(*_, **__):
        raise error

    monkeypatch.setattr(train_method, "tune", fails)
    run = train(photos, out=tmp_path / "run", **{**TUNED, "method": "auto", "net": "lenet5"})
    told = run.metrics["training"]
    assert [one["name"] for one in told["standings"]] == ["the probe", "lenet5 from scratch"]
    assert told["text"].endswith(f" Not trained: {error}")


def test_under_a_budget_the_probe_is_given_where_a_network_answers_otherwise_when_it_is_saved(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from fovea.model import export

    monkeypatch.setattr(export, "LEAST_AGREEMENT", {"bf16": 1.1, "f32": 1.1})
    run = train(photos, out=tmp_path / "run", **TUNED, budget="10m", size=128)
    told = run.metrics["training"]
    assert told["kept"] == "the probe"
    assert told["text"].startswith("The trained network 'fovea-tiny fine-tuned' answers 0.0 % of")
    assert told["text"].endswith(" The probe is given.")


def test_auto_gives_fine_tuning_what_it_reads_and_the_network_from_scratch_the_rest(
    drawn: Path, tmp_path: Path
):
    settings = {**TUNED, "method": "auto", "net": "mlp", "dropout": 0.3}
    tuned, *_, beside = train(drawn, out=tmp_path / "run", **settings).metrics["training"]["attempts"]
    assert tuned["settings"]["regularisation"]["dropout"] is None
    assert beside["settings"]["regularisation"]["dropout"] == 0.3


def test_of_larger_pictures_a_network_is_tried_beside_where_it_is_named(far, monkeypatch: pytest.MonkeyPatch):
    run, asked = far
    monkeypatch.setattr(train_method, "usual_side", lambda *_: 65)
    assert run(60.0, net="lenet5") == ["planned"]
    assert [one for one, _ in asked] == ["planned", "lenet5"]
    assert asked[0][1] == 24.0


def test_what_refuses_to_go_on_from_its_checkpoint_is_no_reason_for_the_probe(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("fovea.learn.training.state.CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr("fovea.learn.training.state._WRITING_SHARE", 1e9)
    monkeypatch.setattr(train_method, "usual_side", lambda *_: 65)  # fine-tuning is all that is tried
    settings = {**TUNED, "method": "auto", "batch_size": 16}

    def interrupt(stage: str, n_done: int, n_total: int) -> None:
        if stage.startswith("training") and n_done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(drawn, out=tmp_path / "run", progress=interrupt, **settings)
    with monkeypatch.context() as patch:
        patch.setattr("fovea.learn.training.loop.free_bytes", lambda device: 1000)
        with pytest.raises(
            InputError, match=r"^A batch of 16 pictures would need .*: not even one picture fits\."
        ):
            train(drawn, out=tmp_path / "run", **settings)
    assert (tmp_path / ".run.training" / "finetune" / "finetune.checkpoint").is_file()
    told = train(drawn, out=tmp_path / "run", **settings).metrics["training"]
    assert [one["name"] for one in told["standings"]] == ["the probe", "fovea-tiny fine-tuned"]


def test_an_interrupted_run_goes_on_though_nothing_seems_left_of_the_budget(far):
    run, asked = far
    run(60.0)
    first = asked.copy()
    asked.clear()
    assert run(-3.0) == ["planned", "all"]  # pictures in the store say nothing of how fast they are read
    assert asked == first[:2]


def test_an_interrupted_run_tries_the_same_networks_for_as_long_as_before(far):
    run, asked = far
    run(60.0)
    first = asked.copy()
    asked.clear()
    assert run(600.0) == ["planned", "all"]
    assert asked == first[:2]  # the network that had no time has none now


def test_what_is_planned_whole_is_not_trained_whole_again(far, monkeypatch: pytest.MonkeyPatch):
    run, asked = far
    whole = SimpleNamespace(name="whole", trained=SimpleNamespace(is_whole=True))
    monkeypatch.setattr(train_method, "tune", lambda *_, **__: whole)
    assert run(60.0) == ["whole"]
    assert [net for net, _ in asked] == ["fast"]


@pytest.mark.parametrize(("n_decoded", "rate"), [(1, 128.0), (30, 60.0)])
def test_the_speed_of_reading_is_told_by_pictures_that_were_read(
    n_decoded: int, rate: float, monkeypatch: pytest.MonkeyPatch
):
    told = []

    def left(n_pictures: int, *, rate: float) -> float:
        told.append((n_pictures, rate))
        raise InterruptedError

    config = SimpleNamespace(
        training=SimpleNamespace(method="auto", how=SimpleNamespace(device="cpu", budget=60.0, ensemble=2))
    )
    monkeypatch.setattr(train_method, "seconds_a_picture", lambda *_, **__: 1 / 128)
    test_row = SimpleNamespace(split="test", problem="")  # is read at the end, so its time is kept
    manifest = SimpleNamespace(rows=(test_row, test_row))
    goal = SimpleNamespace(rows_train=range(32), rows_valid=range(8), manifest=manifest)
    monkeypatch.setattr(train_method, "usual_side", lambda *_: 224)
    gathered = SimpleNamespace(n_decoded=n_decoded, seconds=0.5)
    with pytest.raises(InterruptedError):
        train_method.try_further(
            goal, None, gathered=gathered, room=SimpleNamespace(config=config, seconds_left=left)
        )
    assert told == [(42, rate)]


def test_what_is_read_again_by_a_network_from_scratch_is_planned_by_its_own_speed(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from fovea.tasks.train import attempt as train_attempt

    told = {}

    def stop(net, sides, **given):
        told.update(given)
        raise KeyboardInterrupt

    monkeypatch.setattr(train_attempt, "_learn_net", stop)
    with pytest.raises(KeyboardInterrupt):
        train(drawn, out=tmp_path / "run", budget=1000.0, **QUICK)
    assert told["n_again"] == 120
    assert 900 < told["seconds"] < 990


def test_from_scratch_a_budget_that_the_end_takes_is_refused_with_one_that_is_enough(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("fovea.tasks.train.attempt.END_SECONDS", 3.0)
    with pytest.raises(InputError) as caught:
        train(drawn, out=tmp_path / "run", budget=1.0, **QUICK)
    said = re.fullmatch(
        r"The budget is (\d+) s short of what reading the pictures, converting the network and the report take, and 6 steps of "
        r"training from scratch take \d+ s on top of that here\. Raise --budget by (\d+) s or more, or take a smaller network "
        r"\(--net\)\.",
        str(caught.value),
    )
    assert said is not None
    assert int(said[1]) >= 2
    told = train(drawn, out=tmp_path / "run", budget=1.0 + int(said[2]), **QUICK).metrics["training"]
    assert told["kept"] == "lenet5 from scratch"


def test_a_training_that_broke_down_is_the_advice_and_not_the_labels(drawn: Path, tmp_path: Path):
    run = train(drawn, out=tmp_path / "run", **{**QUICK, "lr": 1e30, "optimizer": "sgd", "clip": 1e30})
    (step,) = run.metrics["next_steps"]
    assert step.startswith("lenet5 from scratch: Training stopped in epoch 1, step ")
    assert " Try next: --lr " in step
