"""Names of the arrays that judging takes and gives; n pictures, k classes, d features."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Features: TypeAlias = NDArray[np.floating[Any]]
"""(n, d): one row of stored features a picture."""

Logits: TypeAlias = NDArray[np.floating[Any]]
"""(n, k): a head's raw scores; higher is more likely."""

Probabilities: TypeAlias = NDArray[np.floating[Any]]
"""(n, k): rows sum to 1."""

Scores: TypeAlias = NDArray[np.floating[Any]]
"""(n,): one number a picture; its range and good end are told where it is made."""

Labels: TypeAlias = NDArray[np.integer[Any]]
"""(n,): class numbers 0 to k - 1; -1 where a function says that it takes unknown classes."""

Mask: TypeAlias = NDArray[np.bool_]
"""(n,): True where it holds."""

Numbers: TypeAlias = NDArray[np.integer[Any]]
"""(n,): a number a picture: of its fold, part or unit."""

Counts: TypeAlias = NDArray[np.int64]
"""How many, or ranks, which count."""
