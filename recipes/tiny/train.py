"""Trains the pruned network on what teach.py stored: the teacher's features and answers, no labels.

    train.py STORED OUT --seconds 3600 | --steps N      [--threads 2] [--init EARLIER.safetensors]

Squared error on the roots of the pooled channels that both have, standardised, and 0.3 of the divergence of the 1,000
answers. AdamW, cosine, an average of the weights is kept. Begins from STORED/pruned.safetensors, continues from
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
from teach import TAPS
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))
from fovea.nets.tiny import HEAD, Tiny


class Student(nn.Module):
    """fovea-tiny with its places pooled: float (n, 3, 128, 128) in -1..1 -> features (n, d) and answers (n, 1000)."""

    def __init__(self) -> None:
        super().__init__()
        self.net, self.maps = Tiny(), {}
        for name in (*(f"{tap}.around" for tap in TAPS), "head"):
            self.net.get_submodule(name).register_forward_hook(self._keep(name))

    def _keep(self, name: str) -> object:
        def hook(module: nn.Module, inputs: object, output: Tensor) -> None:
            self.maps[name] = output

        return hook

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The root is that of the mean + 1e-4, whose slope has a bound."""
        answers = self.net(x)
        roots = [(output.float().mean((2, 3)) + 1e-4).sqrt() for output in self.maps.values()]
        return torch.cat(roots, 1), answers.float()


class Loss:
    """How far a guess is from what the teacher said."""

    def __init__(self, targets: np.ndarray) -> None:
        self.targets = targets
        some = torch.from_numpy(targets[:8192, :-1000].astype(np.float32))
        self.std = some.std(0) + 1e-2
        self.weight = torch.ones(some.shape[1])  # the last map weighs as much as all others together
        n_last = HEAD
        self.weight[-n_last:] = (some.shape[1] - n_last) / n_last
        self.weight /= self.weight.mean()

    def __call__(self, guess: tuple[Tensor, Tensor], index: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
        """Return the loss, the unexplained share of the last map's variance, and the divergence of the answers."""
        told = torch.from_numpy(self.targets[index].astype(np.float32))
        away = ((guess[0] - (told[:, :-1000].square() + 1e-4).sqrt()) / self.std).square().mean(0)
        divergence = F.kl_div(guess[1].log_softmax(-1), told[:, -1000:].softmax(-1), reduction="batchmean")
        return (away * self.weight).mean() + 0.3 * divergence, away[-HEAD:].mean(), divergence


def save(average: Student, file: Path) -> None:
    """Write the averaged weights."""
    save_file({k: v.contiguous() for k, v in average.net.state_dict().items()}, str(file))


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
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--init", type=Path)
    args = parser.parse_args()
    if not args.seconds and not args.steps:
        parser.error("give --seconds or --steps")
    torch.manual_seed(0)
    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    views = np.load(args.stored / "views.npy", mmap_mode="r")
    loss_of = Loss(np.load(args.stored / "targets.npy", mmap_mode="r"))
    student = Student()
    student.net.load_state_dict(load_file(str(args.init or args.stored / "pruned.safetensors")))
    student = student.to(memory_format=torch.channels_last)
    average = Student().requires_grad_(False)
    average.load_state_dict(copy.deepcopy(student.state_dict()))
    heavy = [p for p in student.parameters() if p.ndim > 1]
    light = [p for p in student.parameters() if p.ndim <= 1]
    groups = [{"params": heavy, "weight_decay": 0.01}, {"params": light, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=args.rate, betas=(0.9, 0.98))
    step, spent, saved_at, log = 0, 0.0, 0.0, ["step,loss,unexplained,divergence,seconds"]
    checkpoint = args.out / "checkpoint.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        student.load_state_dict(state["student"])
        average.load_state_dict(state["average"])
        optimiser.load_state_dict(state["optimiser"])
        step, spent, log = state["step"], state["spent"], state["log"]
        saved_at = spent
    order, recent = np.empty(0, np.int64), []
    while step < args.steps or spent < args.seconds:
        begun = time.time()
        if len(order) < args.batch:
            order = torch.randperm(len(views)).numpy()
        index, order = np.sort(order[: args.batch]), order[args.batch :]
        done = step / args.steps if args.steps else spent / args.seconds
        for group in optimiser.param_groups:
            group["lr"] = (
                args.rate
                * min(1.0, (step + 1) / 100)
                * (0.01 + 0.99 * (0.5 + 0.5 * math.cos(math.pi * done)))
            )
        x = torch.from_numpy(views[index]).permute(0, 3, 1, 2).float() / 127.5 - 1
        student.train()
        with torch.autocast("cpu", torch.bfloat16):
            guess = student(x.flip(3) if step % 2 else x)
        loss, unexplained, divergence = loss_of(guess, index)
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
        recent = [*recent, (loss.item(), unexplained.item(), divergence.item())][-50:]
        if step % 50 == 0:
            means = ",".join(f"{mean:.4f}" for mean in np.mean(recent, axis=0))
            log.append(f"{step},{means},{spent:.0f}")
            print(log[-1], flush=True)
        if spent - saved_at > 120:
            state = {"student": student.state_dict(), "average": average.state_dict(), "log": log}
            state |= {"optimiser": optimiser.state_dict(), "step": step, "spent": spent}
            torch.save(state, checkpoint.with_suffix(".new"))
            checkpoint.with_suffix(".new").replace(checkpoint)
            save(average, args.out / "tiny.safetensors")
            saved_at = spent
    save(average, args.out / "tiny.safetensors")
    (args.out / "log.csv").write_text("\n".join(log) + "\n")
    about = {"steps": step, "batch": args.batch, "views": step * args.batch, "seconds": round(spent)}
    (args.out / "run.json").write_text(json.dumps(about))
    print(about)


if __name__ == "__main__":
    main()
