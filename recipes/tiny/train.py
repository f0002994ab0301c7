"""Trains fovea-tiny on what teach.py stored: the teacher's features and answers, no labels.

    train.py STORED OUT --seconds 3600 | --steps N      [--threads 2] [--init EARLIER.safetensors]

Squared error on the teacher's standardised last features (averaged, and on a 2 x 2 grid) and on its middle ones, and
0.1 of the divergence of its 1,000 answers. AdamW, cosine, an average of the weights is kept. Continues from
OUT/checkpoint.pt after a kill; --seconds counts time spent in steps, over all runs. Writes OUT/tiny.safetensors.
"""

import argparse
import copy
import json
import math
import sys
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))
from fovea.nets.tiny import WIDTHS, Tiny


class Student(nn.Module):
    """fovea-tiny and the linear maps to the teacher's features, which are thrown away afterwards."""

    def __init__(self) -> None:
        super().__init__()
        self.net = Tiny()
        self.to_middle = nn.Conv2d(WIDTHS[1], 96, 1)
        self.to_last = nn.Conv2d(WIDTHS[3], 1280, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x float (n, 3, 128, 128) in -1..1 -> standardised guesses (n, 96, 2, 2) and (n, 1280, 2, 2)."""
        _, middle, _, head = self.net(x)
        return self.to_middle(F.adaptive_avg_pool2d(middle, 2)), self.to_last(F.adaptive_avg_pool2d(head, 2))


class Loss:
    """The teacher's moments and last layer; how far a guess is from what it said."""

    def __init__(self, stored: Path) -> None:
        with np.load(stored / "targets.npz") as held:
            self.middle, self.last, self.answers = (
                torch.from_numpy(held[k]) for k in ("middle", "last", "answers")
            )
        with np.load(stored / "classifier.npz") as held:
            self.weight, self.bias = torch.from_numpy(held["weight"]), torch.from_numpy(held["bias"])
        some = slice(0, 8192)
        self.middle_moments = self._moments(self.middle[some].float())
        self.last_moments = self._moments(self.last[some].float())
        self.pooled_std = self.last[some].float().mean((2, 3)).std(0) + 1e-2

    @staticmethod
    def _moments(maps: Tensor) -> tuple[Tensor, Tensor]:
        return maps.mean((0, 2, 3))[:, None, None], maps.std((0, 2, 3))[:, None, None] + 1e-2

    def __call__(self, guess: tuple[Tensor, Tensor], index: Tensor, flip: bool) -> tuple[Tensor, Tensor]:
        """Return the loss and the unexplained share of the averaged features' variance."""
        (mean_m, std_m), (mean_l, std_l) = self.middle_moments, self.last_moments
        z_m = (self.middle[index].float() - mean_m) / std_m
        z_l = (self.last[index].float() - mean_l) / std_l
        if flip:
            z_m, z_l = z_m.flip(3), z_l.flip(3)
        guess_m, guess_l = guess[0].float(), guess[1].float()
        scale = std_l[:, 0, 0] / self.pooled_std
        pooled = F.mse_loss(guess_l.mean((2, 3)) * scale, z_l.mean((2, 3)) * scale)
        answers = (guess_l.mean((2, 3)) * std_l[:, 0, 0] + mean_l[:, 0, 0]) @ self.weight.T + self.bias
        told = self.answers[index].float().softmax(-1)
        divergence = F.kl_div(answers.log_softmax(-1), told, reduction="batchmean")
        return pooled + 0.5 * F.mse_loss(guess_l, z_l) + 0.25 * F.mse_loss(
            guess_m, z_m
        ) + 0.1 * divergence, pooled


def main() -> None:
    """Train and write OUT/tiny.safetensors, OUT/log.csv and OUT/run.json."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("stored", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seconds", type=float, default=0.0)
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=8e-4)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--init", type=Path)
    args = parser.parse_args()
    if not args.seconds and not args.steps:
        parser.error("give --seconds or --steps")
    torch.manual_seed(0)
    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    views = np.load(args.stored / "views.npy", mmap_mode="r")
    loss_of = Loss(args.stored)
    student = Student().to(memory_format=torch.channels_last)
    if args.init:
        student.load_state_dict({k: v.float() for k, v in load_file(str(args.init)).items()})
    average = copy.deepcopy(student).requires_grad_(False)
    heavy = [p for p in student.parameters() if p.ndim > 1]
    light = [p for p in student.parameters() if p.ndim <= 1]
    groups = [{"params": heavy, "weight_decay": 0.02}, {"params": light, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=args.rate, betas=(0.9, 0.98))
    step, spent, saved_at, log = 0, 0.0, 0.0, ["step,loss,unexplained,seconds"]
    checkpoint = args.out / "checkpoint.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        student.load_state_dict(state["student"])
        average.load_state_dict(state["average"])
        optimiser.load_state_dict(state["optimiser"])
        step, spent, log = state["step"], state["spent"], state["log"]
        saved_at = spent
    order, recent = torch.empty(0, dtype=torch.long), []
    while step < args.steps or spent < args.seconds:
        begun = time.time()
        if len(order) < args.batch:
            order = torch.randperm(len(views))
        index, order = order[: args.batch].sort().values, order[args.batch :]
        done = step / args.steps if args.steps else spent / args.seconds
        for group in optimiser.param_groups:
            group["lr"] = (
                args.rate
                * min(1.0, (step + 1) / 200)
                * (0.01 + 0.99 * (0.5 + 0.5 * math.cos(math.pi * done)))
            )
        x = torch.from_numpy(views[index.numpy()]).permute(0, 3, 1, 2).float() / 127.5 - 1
        flip = bool(step % 2)
        student.train()
        with torch.autocast("cpu", torch.bfloat16):
            guess = student(x.flip(3) if flip else x)
        loss, unexplained = loss_of(guess, index, flip)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(student.parameters(), 5.0)
        optimiser.step()
        step += 1
        keep = min(0.998, step / (step + 10))
        with torch.no_grad():
            for mine, theirs in zip(
                average.state_dict().values(), student.state_dict().values(), strict=True
            ):
                mine.lerp_(theirs, 1 - keep) if mine.is_floating_point() else mine.copy_(theirs)
        spent += min(time.time() - begun, 10.0)  # a stopped process does not use up its time
        recent = [*recent, (loss.item(), unexplained.item())][-100:]
        if step % 100 == 0:
            log.append(
                f"{step},{np.mean([r[0] for r in recent]):.4f},{np.mean([r[1] for r in recent]):.4f},{spent:.0f}"
            )
            print(log[-1], flush=True)
        if spent - saved_at > 120:
            state = {"student": student.state_dict(), "average": average.state_dict(), "log": log}
            state |= {"optimiser": optimiser.state_dict(), "step": step, "spent": spent}
            torch.save(state, checkpoint.with_suffix(".new"))
            checkpoint.with_suffix(".new").replace(checkpoint)
            save_file(
                {k: v.contiguous() for k, v in average.state_dict().items()},
                str(args.out / "tiny.safetensors"),
            )
            saved_at = spent
    save_file(
        {k: v.contiguous() for k, v in average.state_dict().items()}, str(args.out / "tiny.safetensors")
    )
    (args.out / "log.csv").write_text("\n".join(log) + "\n")
    about = {"steps": step, "batch": args.batch, "views": step * args.batch, "seconds": round(spent)}
    (args.out / "run.json").write_text(json.dumps(about))
    print(about)


if __name__ == "__main__":
    main()
