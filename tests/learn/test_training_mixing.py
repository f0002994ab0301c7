"""Mixup and CutMix by hand."""

import pytest

torch = pytest.importorskip("torch")

from fovea.learn.training.mixing import mix

X = torch.arange(6.0).reshape(6, 1, 1, 1).expand(6, 3, 10, 10).contiguous()


def test_mixup_weighs_each_picture_with_another_by_the_share() -> None:
    mixed = mix(X, mixup=0.5, cutmix=0.0, seed=1)
    expected = mixed.share * X + (1 - mixed.share) * X[mixed.other]
    assert 0 < mixed.share < 1
    torch.testing.assert_close(mixed.x, expected)


def test_cutmix_shares_a_picture_by_its_pixels() -> None:
    mixed = mix(X, mixup=0.0, cutmix=1.0, seed=3)
    moved = next(i for i in range(6) if mixed.other[i] != i)
    own = (mixed.x[moved, 0] == X[moved, 0]).float().mean()
    assert 0 < mixed.share < 1
    assert float(own) == pytest.approx(mixed.share)


def test_each_batch_gets_one_of_the_two() -> None:
    shares = [mix(X, mixup=1.0, cutmix=1.0, seed=seed) for seed in range(20)]
    whole = [bool((mixed.x % 1 == 0).all()) for mixed in shares]  # CutMix never makes a value between
    assert 3 < sum(whole) < 17


def test_the_same_seed_mixes_alike() -> None:
    assert torch.equal(mix(X, mixup=1.0, cutmix=1.0, seed=5).x, mix(X, mixup=1.0, cutmix=1.0, seed=5).x)


def test_off_is_off_and_one_picture_has_no_other() -> None:
    assert mix(X, mixup=0.0, cutmix=0.0, seed=0).x is X
    assert mix(X[:1], mixup=1.0, cutmix=1.0, seed=0).other is None


def test_cutmix_leaves_vectors_alone() -> None:
    vectors = torch.rand(4, 7)
    assert mix(vectors, mixup=0.0, cutmix=1.0, seed=0).x is vectors
