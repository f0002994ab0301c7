"""Takes a quarter of its channels from MobileNetV2: where fovea-tiny's training begins.

    prune.py PICTURES.zip TEACHER.safetensors OUT

In every block the widened channels that its output misses least are removed, one after another, the narrowing
convolution making up for each as well as it can (Hassibi and Stork 1993, for whole channels); in the last map those
that the 1,000 answers miss least. OUT gets pruned.safetensors and kept.npz: the teacher's channels of each place.
"""

import argparse
import io
import sys
import zipfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from teach import load_teacher
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))
from fovea.nets.tiny import BLOCKS, HEAD, SIZE_PX, Tiny

N_PICTURES, N_PLACES = 1024, 16


def least_missed(weight: np.ndarray, moments: np.ndarray, n_kept: int) -> tuple[np.ndarray, np.ndarray]:
    """Return which inputs (n_kept,) of a linear map to keep, and its weights (out, n_kept) on them.

    `moments` (in, in) are the inputs' uncentred second moments.
    """
    weight = weight.astype(np.float64).copy()
    n = len(moments)
    inverse = np.linalg.inv(moments.astype(np.float64) + 1e-4 * np.trace(moments) / n * np.eye(n))
    alive = np.ones(n, bool)
    for _ in range(n - n_kept):
        cost = (weight**2).sum(0) / np.maximum(np.diag(inverse), 1e-30)
        cost[~alive] = np.inf
        out = int(cost.argmin())
        weight -= np.outer(weight[:, out] / inverse[out, out], inverse[out])
        inverse -= np.outer(inverse[:, out], inverse[out]) / inverse[out, out]
        alive[out] = False
        weight[:, out] = 0
    kept = np.flatnonzero(alive)
    return kept, weight[:, kept].astype(np.float32)


def moments_of(teacher: nn.Module, pictures: Tensor, places: dict[str, nn.Module]) -> dict[str, np.ndarray]:
    """Return the second moments of each place's channels over random positions, of the last one's over pictures."""
    held: dict[str, list[Tensor]] = {name: [] for name in places}
    generator = torch.Generator().manual_seed(0)

    def keep(name: str) -> object:
        def hook(module: nn.Module, inputs: object, output: Tensor) -> None:
            if name == "head":
                held[name].append(output.mean((2, 3)))
                return
            flat = output.flatten(2)
            at = torch.randint(flat.shape[2], (min(N_PLACES, flat.shape[2]),), generator=generator)
            held[name].append(flat[:, :, at].permute(0, 2, 1).reshape(-1, flat.shape[1]))

        return hook

    hooks = [module.register_forward_hook(keep(name)) for name, module in places.items()]
    with torch.no_grad():
        for chunk in pictures.split(32):
            teacher(chunk)
    for hook in hooks:
        hook.remove()
    rows = {name: torch.cat(parts) for name, parts in held.items()}
    return {name: (x.T @ x / len(x)).numpy() for name, x in rows.items()}


def take(layer: nn.Sequential, conv: nn.Conv2d, norm: nn.Module, kept: Tensor) -> None:
    """Copy a convolution and its normalisation, the kept output channels only."""
    layer[0].weight.data.copy_(conv.weight.data[kept])
    for name in ("weight", "bias", "running_mean", "running_var"):
        getattr(layer[1], name).data.copy_(getattr(norm, name).data[kept])


def main() -> None:
    """Prune and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pictures", type=Path)
    parser.add_argument("teacher", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    teacher, tiny = load_teacher(args.teacher), Tiny()
    rng = np.random.default_rng(0)
    with zipfile.ZipFile(args.pictures) as archive:
        names = sorted(archive.namelist())
        photos = [name for name in names if archive.getinfo(name).file_size > 2500]
        chosen = rng.choice(photos, N_PICTURES, replace=False)
        views = []
        for name in chosen:
            picture = Image.open(io.BytesIO(archive.read(name))).convert("RGB")
            side = min(picture.size)
            x, y = (picture.width - side) // 2, (picture.height - side) // 2
            view = picture.resize(
                (SIZE_PX, SIZE_PX), Image.Resampling.BILINEAR, box=(x, y, x + side, y + side)
            )
            views.append(np.asarray(view, np.float32) / 127.5 - 1)
    pixels = torch.from_numpy(np.stack(views)).permute(0, 3, 1, 2).contiguous()
    places = {
        f"{s}.{b}": teacher.blocks[s][b].bn2
        for s, stage in enumerate(BLOCKS)
        for b, _ in enumerate(stage)
        if s
    }
    moments = moments_of(teacher, pixels, places | {"head": teacher.bn2})
    kept_channels = {}
    every = torch.arange(32)
    take(tiny.stem[0], teacher.conv_stem, teacher.bn1, every)
    first, mine = teacher.blocks[0][0], tiny.blocks[0][0]
    take(mine.around[0], first.conv_dw, first.bn1, every)
    take(mine.narrow, first.conv_pw, first.bn2, torch.arange(16))
    for s, stage in enumerate(BLOCKS):
        for b, (wide, _, _) in enumerate(stage):
            if not wide:
                continue
            theirs, mine = teacher.blocks[s][b], tiny.blocks[s][b]
            kept, weight = least_missed(
                theirs.conv_pwl.weight.data[:, :, 0, 0].numpy(), moments[f"{s}.{b}"], wide
            )
            kept_channels[f"blocks.{s}.{b}.around"] = kept
            index = torch.from_numpy(kept)
            take(mine.widen[0], theirs.conv_pw, theirs.bn1, index)
            take(mine.around[0], theirs.conv_dw, theirs.bn2, index)
            mine.narrow[0].weight.data.copy_(torch.from_numpy(weight)[:, :, None, None])
            for name in ("weight", "bias", "running_mean", "running_var"):
                getattr(mine.narrow[1], name).data.copy_(getattr(theirs.bn3, name).data)
    kept, weight = least_missed(teacher.classifier.weight.data.numpy(), moments["head"], HEAD)
    kept_channels["head"] = kept
    take(tiny.head[0], teacher.conv_head, teacher.bn2, torch.from_numpy(kept))
    args.out.mkdir(parents=True, exist_ok=True)
    tiny.classifier.weight.data.copy_(torch.from_numpy(weight))
    tiny.classifier.bias.data.copy_(teacher.classifier.bias.data)
    save_file({k: v.contiguous() for k, v in tiny.state_dict().items()}, str(args.out / "pruned.safetensors"))
    np.savez(args.out / "kept.npz", **kept_channels)
    tiny.eval()
    with torch.no_grad():
        same = (tiny(pixels[:256]).argmax(1) == teacher(pixels[:256]).argmax(1)).float().mean()
    n = sum(v.numel() for v in tiny.parameters())
    print(f"{n / 1e6:.2f} M parameters; {same:.3f} of the first answers as before")


if __name__ == "__main__":
    main()
