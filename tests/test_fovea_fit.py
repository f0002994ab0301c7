"""`fovea.fit`: any module on loaders, with torch's optimisers or ours, as a loop written by hand would train it."""

import copy
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import fovea
from fovea.errors import InputError, OutputError
from fovea.nets import import_torchvision

torch = pytest.importorskip("torch")

from fovea.learn.fitting import LoaderBatches

COLOURS = {"red": 0, "blue": 2}


def draw(folder: Path, *, channel: int, n: int, rng: Any, size_px: tuple[int, int] = (16, 16)) -> None:
    """Draw n noisy pictures of this height and width, with a patch of one colour."""
    folder.mkdir(parents=True)
    for number in range(n):
        pixels = rng.integers(0, 90, (*size_px, 3)).astype(np.uint8)
        pixels[4:12, 4:12, channel] = 220
        Image.fromarray(pixels).save(folder / f"{number:02d}.png")


def chain(height_px: int, width_px: int) -> Any:
    """Return torchvision's usual transform to a size."""
    import_torchvision()
    transforms = import_module("torchvision.transforms")
    steps = [transforms.Resize((height_px, width_px)), transforms.ToTensor()]
    return transforms.Compose([*steps, transforms.Normalize([0.5] * 3, [0.25] * 3)])


@pytest.fixture
def loaders(tmp_path: Path) -> Any:
    """Return loaders of 2 x 60 drawn pictures of 16 px: red or blue ones."""
    rng = np.random.default_rng(0)
    for name, channel in COLOURS.items():
        draw(tmp_path / "photos" / name, channel=channel, n=60, rng=rng)
    return fovea.torch.loaders(tmp_path / "photos", size_px=16, batch_size=16, augment="flip")


def small_network(n_classes: int = 2) -> Any:
    nn = torch.nn
    torch.manual_seed(0)
    layers = (nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, n_classes))
    return nn.Sequential(*layers)


def test_by_names_alone_it_learns(loaders: Any) -> None:
    fitted = fovea.fit(small_network(), loaders, optimizer="sgd", lr=0.1, scheduler="one-cycle", epochs=4)
    assert (fitted.valid_logits.shape, fitted.valid_logits.argmax(1).tolist()) == (
        (24, 2),
        list(loaders.valid.dataset.targets),
    )
    assert [record.epoch for record in fitted.history.records] == [0, 1, 2, 3]


def test_an_optimizer_and_a_scheduler_of_ones_own_do_what_a_loop_by_hand_does(loaders: Any) -> None:
    ours, theirs = small_network(), small_network()
    optimizer = torch.optim.SGD(ours.parameters(), lr=0.2, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)
    fitted = fovea.fit(ours, loaders, optimizer=optimizer, scheduler=scheduler, epochs=3, compute="f32")
    batches = LoaderBatches(loaders["train"], seed=0)
    by_hand(theirs, [list(batches.epoch(k)) for k in range(3)], keep=fitted.history.best_epoch)
    for name, weight in ours.state_dict().items():
        assert torch.allclose(weight, theirs.state_dict()[name], atol=1e-5), name
    assert [round(record.lr, 6) for record in fitted.history.records] == [0.2, 0.1, 0.05]


def by_hand(network: Any, epochs: list[Any], *, keep: int) -> None:
    """Train with SGD whose rate halves every epoch, and put the weights of epoch `keep` in place."""
    optimizer = torch.optim.SGD(network.parameters(), lr=0.2, momentum=0.9)
    kept = []
    for number, batches in enumerate(epochs):
        optimizer.param_groups[0]["lr"] = 0.2 * 0.5**number
        for batch in batches:
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(network(batch.x), batch.y).backward()
            optimizer.step()
        kept.append(copy.deepcopy(network.state_dict()))
    network.load_state_dict(kept[keep])


def test_the_same_seed_gives_the_same_weights(loaders: Any) -> None:
    one, other = (fovea.fit(small_network(), loaders, epochs=2, seed=7).module for _ in range(2))
    for name, weight in one.state_dict().items():
        assert torch.equal(weight, other.state_dict()[name])


def test_a_scheduler_that_waits_for_the_loss_is_told_it(loaders: Any) -> None:
    network = small_network()
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, factor=0.1, threshold=0.5)
    fovea.fit(network, loaders, optimizer=optimizer, scheduler=scheduler, epochs=3)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(1e-5)


def one_cycle(loaders: Any, *, epochs: int) -> tuple[Any, Any, Any]:
    """Return a network, SGD for it, and a one-cycle as torch's documentation makes it."""
    network = small_network()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    made = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=0.1, epochs=epochs, steps_per_epoch=len(loaders["train"])
    )
    return network, optimizer, made


def test_a_one_cycle_of_torchs_steps_after_every_batch(loaders: Any) -> None:
    network, optimizer, scheduler = one_cycle(loaders, epochs=3)
    fovea.fit(network, loaders, optimizer=optimizer, scheduler=scheduler, epochs=3)
    assert scheduler.last_epoch == 3 * len(loaders["train"]) == 18
    network, optimizer, _ = one_cycle(loaders, epochs=3)
    turning = torch.optim.lr_scheduler.CyclicLR(optimizer, 0.01, 0.1, step_size_up=4)
    fovea.fit(network, loaders, optimizer=optimizer, scheduler=turning, epochs=2)
    assert turning.last_epoch == 12


def test_a_one_cycle_that_ends_too_soon_is_refused(loaders: Any) -> None:
    network, optimizer, scheduler = one_cycle(loaders, epochs=1)
    with pytest.raises(InputError) as caught:
        fovea.fit(network, loaders, optimizer=optimizer, scheduler=scheduler, epochs=3)
    assert str(caught.value) == (
        "The scheduler OneCycleLR was made for 6 steps, and 3 epochs of 6 batches are 18. Make it with epochs=3, "
        "steps_per_epoch=len(loaders['train'])."
    )


@pytest.fixture
def plain_loader() -> Any:
    """Return a DataLoader of 40 pictures of two classes, alternately."""
    x, y = torch.randn(40, 3, 8, 8), torch.arange(40) % 2
    x[y == 1] += 2
    return torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=8)


@pytest.mark.parametrize("kind", ["val", "valid", "pair"])
def test_plain_dataloaders_of_torchs_will_do(plain_loader: Any, kind: str) -> None:
    pair = (plain_loader, plain_loader)
    given = pair if kind == "pair" else {"train": plain_loader, kind: plain_loader}
    fitted = fovea.fit(small_network(), given, lr=0.05, epochs=5)
    assert (fitted.valid_logits.argmax(1) == np.arange(40) % 2).mean() >= 0.95


def test_loaders_of_which_one_is_missing_are_refused(plain_loader: Any) -> None:
    for given, what, there in (
        ({"train": plain_loader, "test": plain_loader}, "val", "'train', 'test'"),
        (plain_loader, "train", "DataLoader"),
        ((plain_loader,), "train", "tuple"),
    ):
        with pytest.raises(InputError) as caught:
            fovea.fit(small_network(), given)  # type: ignore[arg-type]
        assert str(caught.value) == (
            f"fit needs loaders of training and of validation pictures, and {what!r} is not there (given: {there}). Give those "
            "of fovea.torch.loaders, a mapping with 'train' and 'val', or a pair: (train, valid)."
        )


def test_pictures_without_a_loader_are_refused(plain_loader: Any) -> None:
    with pytest.raises(InputError) as caught:
        fovea.fit(small_network(), (plain_loader.dataset, plain_loader))
    assert str(caught.value) == (
        "The loader of 'train' is a TensorDataset, and torch's DataLoader is needed: torch.utils.data.DataLoader(pictures, "
        "batch_size=32, shuffle=True)."
    )


def test_a_module_for_other_classes_is_refused_before_it_learns(loaders: Any) -> None:
    with pytest.raises(InputError) as caught:
        fovea.fit(small_network(1000), loaders)
    assert str(caught.value) == (
        "The module answers (1, 1000) to one picture, and there are 2 classes: it must answer (1, 2). Replace its last layer "
        "by a nn.Linear with 2 outputs."
    )


class Auxiliary(torch.nn.Module):  # type: ignore[misc]
    """Answers as Inception does: with something else while it learns."""

    def __init__(self, learning: Any) -> None:
        super().__init__()
        self.network, self.learning = torch.nn.Sequential(torch.nn.BatchNorm2d(3), small_network()), learning

    def forward(self, x: Any) -> Any:
        answers = self.network(torch.nn.functional.dropout(x, training=self.training))
        return self.learning(answers) if self.training else answers


def fail(answers: Any) -> Any:
    raise RuntimeError("Kernel size can't be greater than actual input size")


@pytest.mark.parametrize(
    ("learning", "said"),
    [
        (
            lambda answers: (answers, answers),
            "The module answers with tuple in training mode, and fit needs one tensor: (n, k), k the number of classes. Build it "
            "without auxiliary outputs (torchvision's inception_v3 and googlenet: aux_logits=False), or put it into a module that "
            "returns the first output alone.",
        ),
        (
            fail,
            "The module answers in evaluation mode and fails in training mode (Kernel size can't be greater than actual input "
            "size). Build it without auxiliary outputs (torchvision's inception_v3 and googlenet: aux_logits=False), or give it "
            "larger pictures.",
        ),
    ],
    ids=["two", "none"],
)
def test_a_module_of_auxiliary_outputs_is_refused_and_left_as_it_was(
    plain_loader: Any, learning: Any, said: str
) -> None:
    module = Auxiliary(learning)
    before, drawn = copy.deepcopy(module.state_dict()), torch.get_rng_state()
    with pytest.raises(InputError) as caught:
        fovea.fit(module, (plain_loader, plain_loader))
    assert str(caught.value) == said
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert torch.equal(torch.get_rng_state(), drawn)
    assert all(layer.training for layer in module.modules())


def test_a_scheduler_without_its_optimizer_is_refused(loaders: Any) -> None:
    network = small_network()
    scheduler = torch.optim.lr_scheduler.StepLR(torch.optim.SGD(network.parameters(), lr=0.1), step_size=1)
    with pytest.raises(InputError) as caught:
        fovea.fit(network, loaders, optimizer="sgd", scheduler=scheduler)
    assert str(caught.value) == (
        "A scheduler of your own moves the rates of an optimizer of your own, and optimizer is 'sgd'. Give the optimizer that "
        "it was made for, or a scheduler's name, such as scheduler='step'."
    )


def test_an_unknown_optimizer_gets_the_closest(loaders: Any) -> None:
    with pytest.raises(InputError) as caught:
        fovea.fit(small_network(), loaders, optimizer="adamm")
    assert str(caught.value) == (
        "There is no optimizer 'adamm' (did you mean 'adam'?). There are: sgd, momentum, nesterov, adagrad, adadelta, rmsprop, "
        "adam, adamw, muon."
    )


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"optimizer": torch.optim.Adam},
            "The optimizer is the class Adam, which knows no weights yet. Make one for the module's, such as "
            "torch.optim.Adam(module.parameters(), lr=0.001), or give a name, such as optimizer='adamw'.",
        ),
        (
            {"scheduler": 0.1},
            "The scheduler is 0.1. Give one of torch's that was made for this module, or a name, such as scheduler='cosine'.",
        ),
        (
            {"lr": "high"},
            "The learning rate lr is 'high'. Give a number, such as lr=0.001, or lr='find', which finds one.",
        ),
        ({"compute": "fp16"}, "There is no compute 'fp16' (did you mean 'f16'?). There are: auto, f32, bf16, f16."),
        ({"compute": 0.98}, "There is no compute 0.98. There are: auto, f32, bf16, f16."),
        (
            {"precision": 0.98},
            "precision is 0.98, and fit takes none. What it computes in is named compute: 'auto', 'f32', 'bf16' or 'f16'. A share "
            "of right ones is promised by the run: fovea sort RUN PHOTOS --into FOLDER --precision 0.98.",
        ),
    ],
)  # fmt: skip
def test_a_setting_that_is_none_is_refused(loaders: Any, settings: Any, said: str) -> None:
    with pytest.raises(InputError) as caught:
        fovea.fit(small_network(), loaders, **settings)
    assert str(caught.value) == said


def test_a_rate_is_found_told_and_used_and_the_module_begins_as_it_was(loaders: Any, tmp_path: Path) -> None:
    told: list[str] = []
    fitted = fovea.fit(
        small_network(),
        loaders,
        optimizer="sgd",
        scheduler="constant",
        warmup=0.0,
        lr="find",
        epochs=2,
        out=tmp_path / "run",
        announce=told.append,
    )
    search = fitted.rate_search
    assert search is not None and fitted.settings.optimisation.lr == search.suggestion
    assert [record.lr for record in fitted.history.records] == [pytest.approx(search.suggestion)] * 2
    (attempt,) = fitted.run.metrics["training"]["attempts"]
    assert attempt["rate_search"]["suggestion"] == search.suggestion
    assert attempt["plan"] == told[:2] == list(fitted.plan)
    assert told[0].startswith(f"2 epochs in batches of 16; sgd at {search.suggestion:.3g}, ")
    assert told[1].startswith(f"The learning rate {search.suggestion:.2g} was found")
    assert [line.partition(":")[0] for line in told[2:]] == ["epoch 1 of 2", "epoch 2 of 2"]
    by_number = fovea.fit(
        small_network(),
        loaders,
        optimizer="sgd",
        scheduler="constant",
        warmup=0.0,
        lr=search.suggestion,
        epochs=2,
    )
    np.testing.assert_allclose(by_number.valid_logits, fitted.valid_logits, atol=1e-5)


def test_trackers_are_told_every_epoch_beside_the_run(
    loaders: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fovea.learn.training import trackers as tracking

    told: list[object] = []

    def opened(names: Any, *, folder: Path, run: str, settings: Any) -> tracking.Tracker:
        told.append((tuple(names), folder, run, settings.looping.epochs))
        return tracking.Tracker(lambda figures, step: told.append(step), lambda: told.append("end"))

    monkeypatch.setattr(tracking, "open_trackers", opened)
    monkeypatch.setattr(tracking, "require_trackers", lambda names: None)
    seen: list[int] = []
    fovea.fit(
        small_network(),
        loaders,
        epochs=2,
        out=tmp_path / "run",
        track="tensorboard",
        on_epoch=lambda record: seen.append(record.epoch),
    )
    assert told == [(("tensorboard",), tmp_path / "run.track", "Sequential", 2), 0, 1, "end"]
    assert seen == [0, 1]


def test_trackers_need_a_place_beside_a_run_and_a_name_that_is_one(
    loaders: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError) as caught:
        fovea.fit(small_network(), loaders, track="tensorbord")
    assert str(caught.value) == (
        "There is no tracker 'tensorbord' (did you mean 'tensorboard'?). There are: tensorboard, wandb, mlflow."
    )
    monkeypatch.setattr("fovea.learn.training.trackers.require_trackers", lambda names: None)
    with pytest.raises(InputError) as caught:
        fovea.fit(small_network(), loaders, track=["tensorboard"])
    assert str(caught.value) == (
        "track is 'tensorboard': every epoch is logged beside the run, in OUT.track. Give out= too."
    )


def test_rates_beside_an_optimizer_of_ones_own_are_refused(loaders: Any) -> None:
    network = small_network()
    with pytest.raises(InputError) as caught:
        fovea.fit(network, loaders, optimizer=torch.optim.SGD(network.parameters()), lr=0.1, warmup=0.1)
    assert str(caught.value) == (
        "lr, warmup: these are set where an optimizer and a scheduler of your own are made. Set them there, or give names, such "
        "as optimizer='sgd', scheduler='cosine'."
    )


def test_what_the_loaders_and_the_module_say_is_refused(loaders: Any) -> None:
    with pytest.raises(InputError) as caught:
        fovea.fit(small_network(), loaders, batch_size=4, dropout=0.5)
    assert str(caught.value) == (
        "fit leaves batch_size, dropout to the module and the loaders it is given: build them so, and leave it out here."
    )


def test_a_run_is_written_that_predicts_as_the_module_does(loaders: Any, tmp_path: Path) -> None:
    fitted = fovea.fit(small_network(), loaders, optimizer="sgd", lr=0.1, epochs=4, out=tmp_path / "run")
    run = fitted.run
    assert (run.metrics["accuracy"], run.metrics["n_valid"], run.metrics["n_train"]) == (1.0, 24, 96)
    assert run.metrics["training"]["method"] == "fit"
    model = fovea.load(tmp_path / "run")
    valid = [row for row in loaders.manifest.rows if row.split == "valid"]
    answers = model.predict([loaders.source / row.path for row in valid])
    names = [loaders.class_names[k] for k in fitted.valid_logits.argmax(1)]
    assert [answer.class_name for answer in answers] == names
    assert (tmp_path / "run" / "report.html").exists()


def test_a_run_tells_what_its_module_was_trained_with_and_what_to_try(loaders: Any, tmp_path: Path) -> None:
    network = small_network()
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-7, momentum=0.9)
    fitted = fovea.fit(network, loaders, optimizer=optimizer, epochs=3, compute="f32", out=tmp_path / "run")
    (attempt,) = fitted.run.metrics["training"]["attempts"]
    assert (attempt["settings"]["looping"]["precision"], attempt["export"]["precision"]) == ("f32", "f32")
    told = attempt["settings"]["optimisation"]
    assert [told[name] for name in ("optimizer", "lr", "momentum", "schedule", "clip")] == [
        "SGD",
        1e-7,
        0.9,
        "constant",
        None,
    ]
    (finding,) = attempt["findings"]
    assert (finding["kind"], finding["try_next"]) == ("rate too low", "a learning rate of 1e-06")


def test_of_a_scheduler_of_ones_own_the_rates_are_not_told_as_one(loaders: Any) -> None:
    network, optimizer, scheduler = one_cycle(loaders, epochs=2)
    fitted = fovea.fit(network, loaders, optimizer=optimizer, scheduler=scheduler, epochs=2)
    told = fitted.settings.optimisation
    assert (told.optimizer, told.schedule, told.lr) == ("SGD", "OneCycleLR", None)


@pytest.mark.parametrize("transform", [None, (16, 16)], ids=["ours", "theirs"])
def test_a_class_that_is_held_out_alone_is_not_learned_and_not_judged(tmp_path: Path, transform: Any) -> None:
    rng = np.random.default_rng(0)
    for side, n in (("train", 40), ("valid", 20)):
        for name, channel in COLOURS.items():
            draw(tmp_path / "photos" / side / name, channel=channel, n=n, rng=rng)
    draw(tmp_path / "photos" / "valid" / "aardvark", channel=1, n=10, rng=rng)
    options = {"transform": chain(*transform)} if transform else {"size_px": 16, "augment": "none"}
    made = fovea.torch.loaders(tmp_path / "photos", **options)
    fitted = fovea.fit(small_network(), made, epochs=1, out=tmp_path / "run")
    metrics = fitted.run.metrics
    assert (fitted.valid_logits.shape, metrics["class_names"]) == ((40, 2), ["blue", "red"])
    assert (metrics["n_valid"], metrics["n_measured"]) == (40, 40)


def test_a_run_takes_pictures_that_are_not_square(tmp_path: Path) -> None:
    rng, nn = np.random.default_rng(0), torch.nn
    for name, channel in COLOURS.items():
        draw(tmp_path / "photos" / name, channel=channel, n=60, rng=rng, size_px=(16, 32))
    made = fovea.torch.loaders(tmp_path / "photos", transform=chain(16, 32))
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 32, 2))
    fitted = fovea.fit(network, made, epochs=3, out=tmp_path / "run")
    assert fitted.run.metrics["input_px"] == [16, 32]
    valid = [row for row in made.manifest.rows if row.split == "valid"]
    answers = fovea.load(tmp_path / "run").predict([made.source / row.path for row in valid])
    names = [made.class_names[k] for k in fitted.valid_logits.argmax(1)]
    assert np.mean([answer.class_name == name for answer, name in zip(answers, names, strict=True)]) > 0.9


class Travelling(torch.nn.Sequential):  # type: ignore[misc]
    """Remembers where it was sent."""

    def cpu(self) -> Any:
        self.stops = [*getattr(self, "stops", []), "cpu"]
        return super().cpu()

    def to(self, *where: Any, **named: Any) -> Any:
        self.stops = [*getattr(self, "stops", []), *where]
        return super().to(*where, **named)


def test_a_module_is_given_back_without_hooks_and_on_its_device(loaders: Any, tmp_path: Path) -> None:
    network = Travelling(*small_network())
    fovea.fit(network, loaders, epochs=1, out=tmp_path / "run")
    assert network.stops[-2:] == ["cpu", torch.device("cpu")]
    assert not any(layer._forward_hooks for layer in network.modules())
    torch.save(network, tmp_path / "network.pt")


def test_a_run_is_not_written_where_something_is(loaders: Any, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine.txt").write_text("mine")
    network = small_network()
    before = copy.deepcopy(network.state_dict())
    with pytest.raises(OutputError):
        fovea.fit(network, loaders, out=tmp_path / "run")
    assert all(torch.equal(weight, before[name]) for name, weight in network.state_dict().items())


def test_a_run_needs_loaders_whose_pictures_can_be_made_again(loaders: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        fovea.fit(small_network(), dict(loaders), out=tmp_path / "run")
    assert str(caught.value) == (
        f"fit cannot write a run into {str(tmp_path / 'run')!r}: nobody knows how pictures enter the module. Use "
        "fovea.torch.loaders without a transform, or with one for 'val' that is Resize, CenterCrop, ToTensor and Normalize; "
        "or leave out out=."
    )


def test_a_transform_that_is_not_what_its_names_say_is_refused_before_it_learns(
    loaders: Any, tmp_path: Path
) -> None:
    torchvision = pytest.importorskip("torchvision.transforms")

    class Normalize(torchvision.Normalize):
        def forward(self, tensor: Any) -> Any:
            return 3 * super().forward(tensor)

    def chain(normalise: Any) -> Any:
        steps = [torchvision.Resize((16, 16)), torchvision.ToTensor(), normalise([0.5] * 3, [0.25] * 3)]
        return torchvision.Compose(steps)

    network = small_network()
    for normalise in (torchvision.Normalize, Normalize):
        made = fovea.torch.loaders(
            tmp_path / "photos", transform={"train": chain(normalise), "val": chain(normalise)}
        )
        if normalise is Normalize:
            before = copy.deepcopy(network.state_dict())
            with pytest.raises(InputError) as caught:
                fovea.fit(network, made, epochs=1, out=tmp_path / "other")
            assert str(caught.value).startswith(
                "fit cannot write a run: what the transform of 'val' makes of the first 8 validation pictures is not what its "
                "Resize, CenterCrop and Normalize say (it lies "
            )
            assert all(torch.equal(weight, before[name]) for name, weight in network.state_dict().items())
            assert not (tmp_path / "other").exists()
        else:
            assert fovea.fit(network, made, epochs=1, out=tmp_path / "run").run is not None


def test_of_several_processes_the_first_alone_writes_the_run(
    loaders: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end() -> None:
        raise SystemExit(0)

    monkeypatch.setattr("fovea.tasks.fit.end_follower", end)
    with pytest.raises(SystemExit):
        fovea.fit(small_network(), loaders, epochs=1, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_scheduler_steps_in_every_process(loaders: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # on_epoch is told in the first process alone: rates that it moved would part the others from it
    monkeypatch.setattr("fovea.learn.training.processes.Processes.is_first", property(lambda self: False))
    network = small_network()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.2)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)
    fovea.fit(network, loaders, optimizer=optimizer, scheduler=scheduler, epochs=2)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.05)


def test_what_a_transform_draws_does_not_depend_on_where_a_training_goes_on() -> None:
    def noisy(rows: list[Any]) -> tuple[Any, Any]:
        return torch.stack([x for x, _ in rows]) + torch.rand(len(rows), 3), torch.tensor(
            [y for _, y in rows]
        )

    pairs = [(torch.full((3,), float(k)), k % 2) for k in range(20)]
    loader = torch.utils.data.DataLoader(pairs, batch_size=4, shuffle=True, collate_fn=noisy)
    batches = LoaderBatches(loader, seed=0)
    whole = [batch.x for batch in batches.epoch(1)]
    torch.rand(7)
    rest = [batch.x for batch in batches.epoch(1, start=3)]
    assert len(rest) == 2 and all(torch.equal(one, other) for one, other in zip(rest, whole[3:], strict=True))
