"""How tests/model/format1 was made, once, when format 1 was new. It must stay readable: never make it again.

python tests/model/make_format1.py FOLDER
"""

import sys
import tempfile
from pathlib import Path

from colour_model import colour_encoder, colour_parts

from fovea.model import write_model

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        write_model(Path(sys.argv[1]), colour_parts(colour_encoder(Path(place) / "backbone")))
