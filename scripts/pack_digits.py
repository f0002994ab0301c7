"""Write src/fovea/manifest/digits.bin.gz from scikit-learn's copy of the UCI digits (needs scikit-learn).

One record of 65 bytes a picture: the digit (0..9), then 8 x 8 grey values (0 = paper .. 16 = ink), row by
row.
"""

import gzip
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

PLACE = Path(__file__).parents[1] / "src/fovea/manifest/digits.bin.gz"

if __name__ == "__main__":
    digits = load_digits()
    records = np.column_stack([digits.target, digits.data]).astype(np.uint8)
    # mtime=0: the same bytes at every run.
    PLACE.write_bytes(gzip.compress(records.tobytes(), compresslevel=9, mtime=0))
    print(f"{PLACE}: {len(records)} pictures, {PLACE.stat().st_size} bytes")
