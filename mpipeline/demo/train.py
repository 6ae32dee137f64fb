"""Trains the demo's detector on synthetic scenes and writes it as ONNX: `python -m mpipeline.demo.train --out FILE`.

Runs on the CPU in about ten minutes on two cores and needs the extra `train`. The scenes come from seeds that the demo
and the tests do not use; the same seed, torch version and number of threads give the same detector.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from mpipeline.demo.export import export_network
from mpipeline.demo.network import build_network, import_torch, loss_of
from mpipeline.demo.scenery import Picture, pictures
from mpipeline.errors import MpipelineError
from mpipeline.sources.synthetic_scene import SyntheticScene

FIRST_TRAINING_SEED = 1_000_000  # the demo's and the tests' seeds are smaller
_SIZES = (
    (640, 480),
    (640, 360),
    (854, 480),
    (480, 360),
    (320, 240),
    (360, 480),
    (480, 480),
    (961, 541),
    (1280, 720),
)
_FRAMES_A_SCENE = 8
_MOST_SHAPES = 12


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m mpipeline.demo.train", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("detector.onnx"), help="the ONNX file to write")
    parser.add_argument("--scenes", type=int, default=500, help="synthetic scenes to learn from (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=8, help="times each frame is seen (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=16, help="frames in a step (default: %(default)s)")
    parser.add_argument(
        "--seed", type=int, default=0, help="another seed gives another detector (default: %(default)s)"
    )
    parser.add_argument("--threads", type=int, default=2, help="cores to use (default: %(default)s)")
    chosen = parser.parse_args(arguments)
    try:
        torch = import_torch()
        torch.manual_seed(chosen.seed)
        torch.set_num_threads(chosen.threads)
        samples = _samples(chosen.scenes, FIRST_TRAINING_SEED + 100_000 * chosen.seed)
        network = _trained(samples, chosen.epochs, chosen.batch, chosen.seed)
        export_network(network, chosen.out)
    except MpipelineError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(f"{chosen.out}: {chosen.out.stat().st_size / 1024:.0f} KiB")
    return 0


def _samples(scenes: int, first_seed: int) -> list[Picture]:
    """Frames of `scenes` scenes, from all over their first ten thousand."""
    random = np.random.default_rng(first_seed)
    samples: list[Picture] = []
    for index in range(scenes):
        width, height = _SIZES[index % len(_SIZES)]
        scene = SyntheticScene(width, height, first_seed + index, int(random.integers(1, _MOST_SHAPES + 1)))
        samples += pictures(scene, random.integers(0, 10_000, _FRAMES_A_SCENE).tolist())
        _progress(f"painting scene {index + 1} of {scenes}", last=index + 1 == scenes)
    return samples


def _trained(samples: list[Picture], epochs: int, batch: int, seed: int) -> Any:
    """The network after `epochs` passes over the samples, ready for inference."""
    torch = import_torch()
    random = np.random.default_rng(seed)
    network = build_network()
    steps = epochs * (len(samples) // batch)
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=4e-3, total_steps=steps, pct_start=0.1)
    started, mean_loss = time.monotonic(), 0.0
    for step in range(steps):
        at = step % (len(samples) // batch)
        if at == 0:
            order = random.permutation(len(samples))
        images, boxes, class_id = _collated([samples[i] for i in order[at * batch : (at + 1) * batch]], random)
        loss = loss_of(network(torch.from_numpy(images)), torch.from_numpy(boxes), torch.from_numpy(class_id))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        mean_loss = loss.item() if step == 0 else 0.99 * mean_loss + 0.01 * loss.item()
        if step % 20 == 19 or step + 1 == steps:
            left = (time.monotonic() - started) / (step + 1) * (steps - step - 1)
            _progress(f"step {step + 1} of {steps}, loss {mean_loss:.3f}, {left:.0f} s left", last=step + 1 == steps)
    return network.eval()


def _collated(samples: list[Picture], random: np.random.Generator) -> tuple[Any, Any, Any]:
    """A batch: images (N, 3, H, W) float32, boxes (N, M, 4) as cx, cy, w, h, class ids (N, M), -1 where there is none.

    Each picture is mirrored, rearranged in colour, brightened and blurred by chance: all that leaves the truth true.
    """
    most = max(1, *(len(sample.class_id) for sample in samples))
    images = np.stack([sample.rgb for sample in samples]).astype(np.float32) / 255
    boxes = np.zeros((len(samples), most, 4), np.float32)
    class_id = np.full((len(samples), most), -1, np.int64)
    width, height = images.shape[3], images.shape[2]
    for row, sample in enumerate(samples):
        x1, y1, x2, y2 = sample.boxes.T
        if random.random() < 0.5:
            images[row] = images[row, :, :, ::-1]
            x1, x2 = width - x2, width - x1
        if random.random() < 0.5:
            images[row] = images[row, :, ::-1]
            y1, y2 = height - y2, height - y1
        images[row] = images[row, random.permutation(3)] * random.uniform(0.7, 1.2) + random.uniform(-0.08, 0.08)
        if random.random() < 0.3:
            images[row, :, :, 1:] = (images[row, :, :, 1:] + images[row, :, :, :-1]) / 2
        if random.random() < 0.3:
            images[row] += random.normal(0, 0.02, images[row].shape)
        found = len(sample.class_id)
        boxes[row, :found] = np.stack([(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1], 1)
        class_id[row, :found] = sample.class_id
    return images.clip(0, 1), boxes, class_id


def _progress(text: str, *, last: bool) -> None:
    """One line that is written over on a terminal; now and then a line elsewhere."""
    if sys.stderr.isatty():
        print(f"\r{text}\x1b[K", end="\n" if last else "", file=sys.stderr, flush=True)
    elif last or text.endswith("left"):
        print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
