"""fovea-tiny as a torch module: stochastic depth."""

import pytest

torch = pytest.importorskip("torch")

from fovea.nets.tiny import Block, Tiny


def test_pictures_pass_by_a_block_at_random_and_the_others_make_up_for_them() -> None:
    torch.manual_seed(0)
    block, x = Block(4, 4, wide=8, drop_path=0.5), torch.randn(64, 4, 5, 5)
    for one in block.modules():
        if isinstance(one, torch.nn.BatchNorm2d):
            one.eval()
    whole = (block.eval()(x) - x).detach()
    block.training = True
    added = (block(x) - x).detach()
    passes = (added == 0).all(dim=(1, 2, 3))
    torch.testing.assert_close(added[~passes], 2 * whole[~passes], atol=1e-5, rtol=1e-4)
    assert 16 < int(passes.sum()) < 48


def test_the_share_that_passes_by_rises_evenly_from_the_first_block_to_the_last() -> None:
    rates = [one.drop_path for one in Tiny(drop_path=0.3).modules() if isinstance(one, Block)]
    assert rates == pytest.approx([0.3 * k / 16 for k in range(17)])


def test_all_blocks_answer_when_it_does_not_learn() -> None:
    torch.manual_seed(0)
    whole, dropping = Tiny().eval(), Tiny(drop_path=0.5).eval()
    dropping.load_state_dict(whole.state_dict())
    x = torch.randn(2, 3, 64, 64)
    assert torch.equal(dropping(x), whole(x))
