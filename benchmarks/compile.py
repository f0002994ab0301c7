"""What torch.compile brings to training: seconds of compiling, and pictures a second with it and without, in turn.

    python benchmarks/compile.py --nets fast bncnn lenet5 resnet18 [--size 32] [--batch 500] [--turns 3]

Steps are the training loop's own (random pictures, bf16 where the machine has it). Needs a C++ compiler.
"""

import argparse
import json
import time
from dataclasses import replace

import torch
from machine import describe_machine

from fovea.learn.scratch.networks import make_network
from fovea.learn.training.batches import Batch
from fovea.learn.training.devices import choose_machine, computing
from fovea.learn.training.losses import usual_criterion
from fovea.learn.training.optimisers import make_optimizer, usual_groups
from fovea.learn.training.processes import Processes
from fovea.learn.training.settings import Training
from fovea.learn.training.step import Goal, Stepper, learning_mode

N_CLASSES = 10


def make_stepper(net: str, *, size_px: int, settings: Training) -> Stepper:
    """Return what makes steps of a network with random weights."""
    machine = choose_machine(device="cpu", precision="auto")
    made = make_network(
        net,
        class_names=[str(k) for k in range(N_CLASSES)],
        size_px=size_px,
        mean=(0.5, 0.5, 0.5),
        std=(0.25, 0.25, 0.25),
        options={},
        seed=0,
    )
    network = made.network.to(memory_format=torch.channels_last)
    learning_mode(network, frozen_statistics=False)
    optimizers = make_optimizer(usual_groups(network), settings=settings.optimisation)
    goal = Goal("class", usual_criterion("class", smoothing=0.0))
    return Stepper(network, optimizers, settings=settings, machine=machine, processes=Processes(), goal=goal)


def time_steps(stepper: Stepper, batch: Batch, n: int) -> float:
    """Return the seconds of n steps, one after the other."""
    begun = time.perf_counter()
    for number in range(n):
        stepper.step(batch, number=number, factor=0.0, look=False)
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--nets", nargs="+", default=["fast", "bncnn", "lenet5", "resnet18"])
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--batch", type=int, default=500)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--steps", type=int, default=4)
    args = parser.parse_args()
    usual = Training()
    compiled = replace(usual, looping=replace(usual.looping, compile=True))
    x = torch.randn(args.batch, 3, args.size, args.size).contiguous(memory_format=torch.channels_last)
    batch = Batch(x, torch.arange(args.batch) % N_CLASSES, None)
    print(json.dumps(describe_machine()))
    for net in args.nets:
        with computing("cpu"):
            steppers = [make_stepper(net, size_px=args.size, settings=one) for one in (usual, compiled)]
            first = [time_steps(one, batch, 1) for one in steppers]
            speeds: list[list[float]] = [[], []]
            for _ in range(args.turns):
                for one, told in zip(steppers, speeds, strict=True):
                    told.append(args.steps * args.batch / time_steps(one, batch, args.steps))
        print(
            json.dumps(
                {
                    "net": net,
                    "first_step_s": [round(one, 1) for one in first],
                    "img_per_s": [[round(one) for one in told] for told in speeds],
                    "ratio_of_medians": round(
                        sorted(speeds[1])[args.turns // 2] / sorted(speeds[0])[args.turns // 2], 3
                    ),
                }
            ),
            flush=True,
        )


if __name__ == "__main__":
    main()
