"""Pictures a second of fastai with every layer unfrozen, and with the body frozen; prints one JSON line.

python fastai_speed.py PHOTOS WEIGHTS      run by finetune.py, in an environment that has fastai and timm
"""

import argparse
import json
import time
from pathlib import Path

from fastai_side import learner


def main() -> None:
    """Time the training part of a second epoch, decoding and augmentation included, as a user has it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", type=Path)
    parser.add_argument("weights", type=Path)
    args = parser.parse_args()
    made = learner(args.photos, args.weights)
    told = {}
    for name, prepare in (("frozen_body", made.freeze), ("all_layers", made.unfreeze)):
        prepare()
        with made.no_bar(), made.no_logging():
            begun = time.perf_counter()
            made.fit(1)
            seconds = time.perf_counter() - begun
        n = (
            len(made.dls.train) * made.dls.train.bs + len(made.dls.valid_ds) / 3
        )  # answering is a third of a step
        told[name] = n / seconds
    print(json.dumps(told))


if __name__ == "__main__":
    main()
