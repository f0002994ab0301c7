"""Fine-tuning: the network behind a backbone trained further, from the fitted probe on. Needs torch."""

from fovea.learn.finetune.opening import open_trainable
from fovea.learn.finetune.settings import Tuning
from fovea.learn.finetune.tune import finetune

__all__ = ["Tuning", "finetune", "open_trainable"]
