"""Occlusion maps: how much faster than the peers, and whether equal to them.

    python benchmarks/occlusion.py [--model FILE] [--data FILE] [--images N] [--rounds N]

Everything runs in one process on one thread and is measured in CPU time.  In each round every
contestant maps the same test images, one contestant after another; what is printed are medians over
images and rounds.  Of each peer the three batch sizes that do best on one image beforehand take
part, and the best of the three is printed.

Needs the trained network and the images, `build/model/classifier.safetensors` and
`build/data/digits.npz`, which `snakemake --cores 2 build/model/classifier.safetensors` makes.
"""

from __future__ import annotations

import argparse
import copy
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
import yaml
from captum.attr import Occlusion as Captum
from safetensors.torch import load_file
from torch import nn

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from analysis.maths.network import build  # noqa: E402
from analysis.maths.occlusion import (  # noqa: E402
    Occluder,
    PatchSearch,
    SizeSweep,
)

PATCH, SIDE = 8, 28
BATCHES = (1, 4, 8, 16, 32, 64, 128, 256, 441)


def main() -> None:
    options = arguments()
    torch.set_num_threads(1)
    network, images, labels = load(options.model, options.data)
    chosen = images[: options.images], labels[: options.images]
    needed = dense_products(network)
    peak = gemm_peak()
    print(f"matrix products peak at {peak / 1e9:.1f} GMAC/s on this machine's one thread\n")
    one_size(network, *chosen, options.rounds, needed, peak)
    all_sizes(network, *chosen, options.rounds, needed, peak)
    search(network, *chosen, options.rounds)
    equality(network, images[: options.check], labels[: options.check])
    memory(network, images)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", type=Path, default=ROOT / "build/model/classifier.safetensors")
    parser.add_argument("--data", type=Path, default=ROOT / "build/data/digits.npz")
    parser.add_argument("--images", type=int, default=12, help="test images that are timed")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--check", type=int, default=100, help="test images compared with dense")
    return parser.parse_args()


def load(model: Path, data: Path) -> tuple[nn.Sequential, torch.Tensor, np.ndarray]:
    """The trained network, test images (N, 1, 28, 28) float32 in 0..1, and labels (N,)."""
    for path in (model, data):
        if not path.exists():
            sys.exit(
                f"{path} is missing: run `snakemake --cores 2 build/model/classifier.safetensors` "
                "first, which trains the network, or name the files with --model and --data"
            )
    with open(ROOT / "config/default.yaml") as file:
        config = yaml.safe_load(file)["classifier"]
    network = build({key: config[key] for key in ("channels", "kernels", "pool", "hidden")})
    network.load_state_dict(load_file(model))
    arrays = np.load(data)
    images = torch.from_numpy(arrays["test_images"][:, None].astype(np.float32) / 255)
    return network.eval(), images, arrays["test_labels"].astype(int)


# -- the contestants -------------------------------------------------------------------------------


def kept(size: int) -> torch.Tensor:
    """(positions, 1, 28, 28) float32: 0 under the patch, 1 elsewhere."""
    starts = range(SIDE - size + 1)
    masks = torch.ones(len(starts) ** 2, 1, SIDE, SIDE)
    for n, (r, c) in enumerate((r, c) for r in starts for c in starts):
        masks[n, 0, r : r + size, c : c + size] = 0
    return masks


@torch.no_grad()
def dense(network: nn.Module, image: torch.Tensor, masks: torch.Tensor, batch: int) -> torch.Tensor:
    """Probabilities (positions, classes) in batches, the convolutions channels-last."""
    parts = [
        network((image * part).contiguous(memory_format=torch.channels_last))
        for part in masks.split(batch)
    ]
    return torch.cat(parts).softmax(1)


@torch.no_grad()
def captum(network: nn.Module, image: torch.Tensor, label: int, batch: int) -> torch.Tensor:
    return Captum(network).attribute(
        image[None],
        (1, PATCH, PATCH),
        strides=1,
        target=label,
        perturbations_per_eval=batch,
    )


def channels_last(network: nn.Module) -> nn.Module:
    return copy.deepcopy(network).to(memory_format=torch.channels_last)


def cpu(run: Callable[[], object]) -> float:
    """CPU seconds of one run."""
    start = time.process_time_ns()
    run()
    return (time.process_time_ns() - start) / 1e9


def batched(name: str, run: Callable[[int, int], object]) -> dict[str, Callable[[int], object]]:
    """Contestants, one for each of the three best batch sizes of run(image, batch)."""
    spent = {b: min(cpu(lambda b=b: run(0, b)) for _ in range(3)) for b in BATCHES}
    best = sorted(BATCHES, key=spent.__getitem__)[:3]
    return {f"{name}, batches of {b}": lambda n, b=b: run(n, b) for b in best}


def contest(
    contestants: dict[str, Callable[[int], object]], images: int, rounds: int
) -> dict[str, float]:
    """Median CPU seconds per image of each, round after round."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for run in contestants.values():
        run(0)  # what is made once (plans, buffers, kernels) is made here
    for _ in range(rounds):
        for name, run in contestants.items():
            times[name] += [cpu(lambda n=n, run=run: run(n)) for n in range(images)]
    return {name: float(np.median(spent)) for name, spent in times.items()}


def table(medians: dict[str, float]) -> None:
    """Each contestant, at its best batch size."""
    ours, best = medians["ours"], {}
    for name in sorted(medians, key=medians.__getitem__):
        best.setdefault(name.split(", batches of")[0], name)
    for name in best.values():
        print(f"  {name:<44}{1e3 * medians[name]:10.2f} ms {medians[name] / ours:8.1f}x")


# -- the measurements ------------------------------------------------------------------------------


def one_size(network, images, labels, rounds, needed, peak) -> None:
    last, masks, occluder = channels_last(network), kept(PATCH), Occluder(network)
    label = int(labels[0])
    medians = contest(
        {
            "ours": lambda n: occluder(images[n], int(labels[n])),
            "captum as it comes": lambda n: captum(network, images[n], int(labels[n]), 1),
            **batched("captum", lambda n, b: captum(network, images[n], int(labels[n]), b)),
            **batched(
                "captum, channels-last", lambda n, b: captum(last, images[n], int(labels[n]), b)
            ),
            **batched("dense, channels-last", lambda n, b: dense(last, images[n], masks, b)),
        },
        len(images),
        rounds,
    )
    print(f"patch {PATCH} x {PATCH}, stride 1, {len(masks)} positions, {len(images)} images")
    table(medians)
    done = [products(occluder, image, label) for image in images]
    work(needed * len(masks), done, medians["ours"], peak)


def all_sizes(network, images, labels, rounds, needed, peak) -> None:
    last, sweep = channels_last(network), SizeSweep(network)
    masks = torch.cat([kept(size) for size in range(1, SIDE + 1)])
    medians = contest(
        {
            "ours": lambda n: sweep(images[n], int(labels[n])),
            **batched("dense, channels-last", lambda n, b: dense(last, images[n], masks, b)),
        },
        len(images),
        max(1, rounds // 2),
    )
    print(f"all squares of 1 ... {SIDE} pixels, {len(masks)} positions, {len(images)} images")
    table(medians)
    done = [products(sweep, image, 0) for image in images]
    work(needed * len(masks), done, medians["ours"], peak)


def search(network, images, labels, rounds) -> None:
    last, finder = channels_last(network), PatchSearch(network)
    masks = {size: kept(size) for size in range(1, SIDE + 1)}

    def by_dense(n: int) -> int | None:
        was = network(images[n : n + 1]).argmax().item()
        for size, keep in masks.items():
            if (dense(last, images[n], keep, 64).argmax(1) != was).any():
                return size
        return None

    medians = contest(
        {"ours": lambda n: finder(images[n]), "dense, channels-last, batches of 64": by_dense},
        len(images),
        max(1, rounds // 2),
    )
    print(f"smallest flipping square, ascending with early exit, {len(images)} images")
    table(medians)
    found = [finder(image) for image in images]
    same = [by_dense(n) == (f.size if f else None) for n, f in enumerate(found)]
    print(f"  same size as dense: {sum(same)} of {len(same)}\n")


def products(mapper: Occluder | SizeSweep, image: torch.Tensor, label: int) -> int:
    mapper(image, label)
    return mapper.products


def work(needed: int, done: list[int], seconds: float, peak: float) -> None:
    typical = float(np.median(done))
    print(
        f"  multiplications: {needed / 1e6:.0f} million by dense, {typical / 1e6:.1f} million by "
        f"ours ({needed / typical:.1f} times fewer), at {typical / seconds / peak:.0%} of the peak\n"
    )


def dense_products(network: nn.Sequential) -> int:
    """Multiplications of one forward pass."""
    total = 0

    def count(layer: nn.Module, _: object, out: torch.Tensor) -> None:
        nonlocal total
        total += layer.weight[0].numel() * out[0].numel()

    hooks = [
        layer.register_forward_hook(count)
        for layer in network
        if isinstance(layer, nn.Conv2d | nn.Linear)
    ]
    with torch.no_grad():
        network(torch.zeros(1, 1, SIDE, SIDE))
    for hook in hooks:
        hook.remove()
    return total


def gemm_peak(n: int = 768) -> float:
    """Multiplications per CPU second of a large matrix product, the best of ten."""
    a, b = torch.randn(2, n, n)
    return n**3 / min(cpu(lambda: torch.mm(a, b)) for _ in range(10))


def equality(network, images, labels) -> None:
    """Against dense in single and in double precision, at every position of every image."""
    occluder, masks, double = Occluder(network), kept(PATCH), copy.deepcopy(network).double()
    worst = worst_double = 0.0
    labels_differ = recomputed = 0
    for image, label in zip(images, labels, strict=True):
        o = occluder(image, int(label))
        ours = torch.from_numpy(o.probabilities).flatten(0, 1)  # (positions, classes)
        single = dense(network, image, masks, 64)
        exact = dense(double, image.double(), masks.double(), 64)
        worst = max(worst, float((ours - single).abs().max()))
        worst_double = max(worst_double, float((ours - exact).abs().max()))
        labels_differ += int((ours.argmax(1) != single.argmax(1)).sum())
        recomputed += o.recomputed
    image, label = images[0], int(labels[0])
    theirs = captum(nn.Sequential(network, nn.Softmax(1)), image, label, 64)[0].numpy()
    o = occluder(image, label)
    covers = 1 - kept(PATCH)[:, 0].numpy()  # (positions, 28, 28)
    drop = (o.clean[label] - o.p_true).ravel()
    mine = np.tensordot(drop, covers, 1) / covers.sum(0)  # the mean drop over a pixel's patches
    print(f"{len(images) * len(masks)} positions of {len(images)} images")
    print(f"  max |p - dense|                    {worst:.1e}")
    print(f"  max |p - dense in double precision|{worst_double:.1e}")
    print(f"  labels that differ from dense      {labels_differ}")
    print(f"  close calls, evaluated by dense    {recomputed}")
    print(f"  max |captum's attribution - ours|  {np.abs(mine - theirs).max():.1e}\n")


def memory(network, images) -> None:
    """Resident memory after 1 and after 1,000 images."""
    status = Path("/proc/self/status")
    if not status.exists():
        print("memory: not measured, since there is no /proc here")
        return
    occluder = Occluder(network)

    def peak() -> Iterator[float]:
        for n in range(1000):
            occluder(images[n % len(images)], 0)
            if n in (0, 99, 999):
                words = dict(line.split(":") for line in status.read_text().splitlines())
                yield int(words["VmRSS"].split()[0]) / 1024

    first, hundred, thousand = peak()
    print("resident memory in MB after 1, 100 and 1,000 images, everything above included")
    print(f"  {first:.1f}  {hundred:.1f}  {thousand:.1f}")


if __name__ == "__main__":
    main()
