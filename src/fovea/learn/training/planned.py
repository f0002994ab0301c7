"""What was planned, in a file beside the checkpoint: an interrupted training goes on as planned, however fast it runs now."""

import contextlib
import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fovea.errors import InputError
from fovea.learn.training.settings import Training


class TooLittleTimeError(InputError):
    """A budget in which too little can be learned to be worth it: not one epoch, or from scratch not twenty steps."""


@dataclass(frozen=True, slots=True)
class PlanFile:
    """Plain values by name in a JSON file; `job` says of which training they are."""

    path: Path
    job: str

    def read(self) -> dict[str, Any]:
        """Return the values; none where there is no file, or it is of another training."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            held = json.loads(self.path.read_text(encoding="utf-8"))
            if held["job"] == self.job:
                return dict(held["planned"])
        return {}

    def add(self, **values: Any) -> None:
        """Write values beside those that are there, whole or not at all; what cannot be written is planned anew some day."""
        text = json.dumps({"job": self.job, "planned": {**self.read(), **values}})
        temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        with contextlib.suppress(OSError):
            temporary.write_text(text, encoding="utf-8")
            temporary.replace(self.path)


def job_of(settings: Training, *more: object) -> str:
    """Return a hash of what a plan must agree in to be gone on with; the seconds left may have changed."""
    told = asdict(settings)
    del told["looping"]["seconds"]
    return hashlib.sha256(repr((told, more)).encode()).hexdigest()
