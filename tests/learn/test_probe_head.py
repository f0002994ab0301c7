"""A head's logits by hand, and what predicting must not load."""

import subprocess
import sys

import numpy as np

from fovea.learn import Head


def test_logits_are_weights_times_standardised_features() -> None:
    head = Head(
        weights=np.array([[1, 2, 9], [0, -1, 9]], np.float32),
        bias=np.array([0.5, 0], np.float32),
        mean=np.array([1, 2, 3], np.float32),
        scale=np.array([2, 0.5, 0], np.float32),
        class_names=("a", "b"),
        penalty=0.1,
    )
    # standardised: (3 - 1) / 2 = 1, (3 - 2) / 0.5 = 2, and a constant column that counts nothing
    logits = head.logits(np.array([[3, 3, 100]], np.float32))
    np.testing.assert_array_equal(logits, np.array([[1 + 4 + 0.5, -2]], np.float32))
    assert logits.dtype == np.float32


def test_logits_load_neither_scipy_nor_threadpoolctl() -> None:
    code = (
        "import sys, numpy as np; from fovea.learn import Head; o = np.ones(2, 'f');"
        "Head(np.ones((2, 2), 'f'), o, o, o, ('a', 'b'), 0.1).logits(np.ones((1, 2), 'f'));"
        "print({'scipy', 'threadpoolctl', 'torch', 'sklearn'} & set(sys.modules))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == "set()\n"
