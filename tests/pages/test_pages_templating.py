"""Sentences in pages: what is typed stands in the type of code, and nothing of a text is markup."""

import pytest

from fovea.pages.templating import with_code


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("--lr 0.01", "<code>--lr 0.01</code>"),
        ("--lr 3e-05 --clip 1", "<code>--lr 3e-05 --clip 1</code>"),
        ("lr=3e-05, or more pictures", "<code>lr=3e-05</code>, or more pictures"),
        ("a lower --lr", "a lower <code>--lr</code>"),
        ("--augment strong --dropout 0.3, or more pictures", "<code>--augment strong --dropout 0.3</code>, or more pictures"),
        ("more pictures (--unlabelled)", "more pictures (<code>--unlabelled</code>)"),
        (
            "--activation relu --init he, or a network with shortcuts: --net resnet20",
            "<code>--activation relu --init he</code>, or a network with shortcuts: <code>--net resnet20</code>",
        ),
        ("--unfreeze all, or a net (--backbone)", "<code>--unfreeze all</code>, or a net (<code>--backbone</code>)"),
        ("epochs=30, mixup=0.2, or more pictures", "<code>epochs=30</code>, <code>mixup=0.2</code>, or more pictures"),
        ("precision='f32'", "<code>precision=&#39;f32&#39;</code>"),
        ("a larger --budget or less", "a larger <code>--budget</code> or less"),
        (
            "take --backbone NAME (`fovea backbones` lists them) and --since this run",
            "take <code>--backbone NAME</code> (<code>fovea backbones</code> lists them) and <code>--since</code> this run",
        ),
        ("a <b> module", "a &lt;b&gt; module"),
    ],
)  # fmt: skip
def test_what_is_typed_is_in_the_type_of_code(text: str, shown: str) -> None:
    assert str(with_code(text)) == shown
