"""What the snapshot and the gates report for a damaged checkpoint and for the intact one.

python benchmarks/damage.py [--noise 0.5] [--seed 0] [--keep FOLDER]

Copies `pocket`, writes its snapshot and run record, adds noise to one layer of its vision
tower, runs again, restores the layer, and runs a third time.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from pytest_crossmath.models.spec import pocket_directory

LAYER = "vision_tower.encoder.layers.0.mlp.fc1.weight"
RUN = (
    sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=no", "--no-summary",
    "crossmath", "--crossmath-model=m=./checkpoint", "--crossmath-suite=mini",
)  # fmt: skip
GATES = ("--crossmath-compare=base.jsonl", "--crossmath-compare-fail=image:5%")


def main() -> None:
    """Do the three runs and print the output of each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--noise", type=float, default=0.5, help="in standard deviations of the weights"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", help="working folder, to keep the run records")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or temporary
        checkpoint = Path(folder, "checkpoint")
        shutil.copytree(pocket_directory(), checkpoint)
        weights = checkpoint / "model.safetensors"
        sound = weights.read_bytes()
        run("intact, snapshot made", folder, "--snapshot-update", "--crossmath-record=base.jsonl")
        damage(weights, arguments.noise, arguments.seed)
        run(f"noise on {LAYER}", folder, *GATES, "--crossmath-record=damaged.jsonl")
        weights.write_bytes(sound)
        run("restored", folder, *GATES)


def run(what: str, folder: str, *arguments: str) -> None:
    """Run the suite and print the plugin's section of the output."""
    done = subprocess.run(  # noqa: S603 - our own command
        [*RUN, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    print(f"### {what}: exit status {done.returncode}\n")
    _, _, section = done.stdout.partition("crossmath: modality gap")
    print(section.partition("\n")[2], done.stderr, sep="", flush=True)


def damage(weights: Path, noise: float, seed: int) -> None:
    """Add noise to one layer."""
    tensors = load_file(weights)
    generator = torch.Generator().manual_seed(seed)
    sound = tensors[LAYER].float()
    drawn = torch.randn(sound.shape, generator=generator) * sound.std() * noise
    tensors[LAYER] = (sound + drawn).to(tensors[LAYER].dtype)
    save_file(tensors, weights, metadata={"format": "pt"})


if __name__ == "__main__":
    main()
