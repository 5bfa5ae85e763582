"""Time from the start of a process to its first result for one image, beside PyTorch's and ONNX Runtime's.

    python3 start.py [--models RN50,RN50x16] [--rounds 5] [--scratch DIR] [--program bin/clipnh]

Every round starts, one after the other:

    first use      clipnh collect of one image with an empty cache folder
    used before    the same with the folder that a run before left
    PyTorch        import, load the image tower, run it once
    ONNX Runtime   load onnxruntime-node, make a session of the tower's graph, run it once

clipnh also hashes the checkpoint, decodes the image, and writes scores and weights to the disk; the others get the
image's numbers. All use their default threads, and files are in the system's cache. The table has medians: seconds on
the clock, and seconds of all processors. Variables such as OPENBLAS_CORETYPE, which make a library choose other instructions,
are unset. A peer that is missing is named, and left out.

The scratch folder is that of bench.sh, whose files are used where they are there; onnxruntime-node is taken from its
folder node, or is installed there with npm. Without PyTorch give --checkpoint FILE, for one model; ONNX Runtime's
graph needs PyTorch too.
"""
import argparse
import os
from pathlib import Path
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from worker import environment, unset

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SIDES = {"RN50": 224, "RN101": 224, "RN50x4": 288, "RN50x16": 384, "RN50x64": 448}

TORCH = """
import sys
sys.path.insert(0, sys.argv[1])
import torch, towers
torch.set_grad_enabled(False)
side = int(sys.argv[4])
tower = torch.load(sys.argv[2])
x = torch.from_file(sys.argv[3], size=3 * side * side).reshape(1, 3, side, side)
print(float(tower(x).sum()))
"""

ORT = """
const [library, graph, file, side] = process.argv.slice(1)
const ort = require(library), n = Number(side)
const bytes = require('fs').readFileSync(file).subarray(0, 12 * n * n)
const x = new ort.Tensor('float32', new Float32Array(bytes.buffer, bytes.byteOffset, 3 * n * n), [1, 3, n, n])
ort.InferenceSession.create(graph).then(s => s.run({ pictures: x })).then(r => console.log(r.features.data[0]))
"""


def timed(command, env=None):
    """Runs a command; seconds on the clock and of all processors."""
    start = time.perf_counter()
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen([str(c) for c in command], stdout=out, stderr=out, env=env or environment())
        _, status, usage = os.wait4(process.pid, 0)
        clock = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            out.seek(0)
            sys.exit(f"start.py: {command[0]} failed: {out.read().decode(errors='replace')[-2000:]}")
    return clock, usage.ru_utime + usage.ru_stime


def works(command):
    try:
        return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0
    except OSError:
        return False


def onnxruntime(scratch, version):
    """The folder of onnxruntime-node, installed if it can be; None where there is none."""
    package = scratch / "node" / "node_modules" / "onnxruntime-node"
    if not package.exists() and shutil.which("npm"):
        package.parent.parent.mkdir(parents=True, exist_ok=True)
        works(["npm", "install", "--prefix", str(scratch / "node"), "--ignore-scripts", "--no-audit", "--no-fund", f"onnxruntime-node@{version}"])
    return package if works(["node", "-e", "require(process.argv[1])", str(package)]) else None


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--models", default="RN50,RN50x16")
    ap.add_argument("--rounds", type=int, default=5)
    ap.add_argument("--scratch", type=Path, default=Path(os.environ.get("PEERS_SCRATCH") or Path(tempfile.gettempdir()) / "clipnh-peers"))
    ap.add_argument("--program", type=Path, default=ROOT / "bin" / "clipnh")
    ap.add_argument("--checkpoint", type=Path)
    args = ap.parse_args()
    models = args.models.split(",")
    for m in models:
        if m not in SIDES:
            ap.error(f"--models: {m}, want some of {', '.join(SIDES)}")
    if args.rounds < 1 or args.checkpoint and len(models) != 1:
        ap.error("want at least one round, and with --checkpoint one model")
    python = os.environ.get("PEERS_PYTHON") or "/usr/bin/python3"
    torch = works([python, "-c", "import numpy, torch"])
    if not torch:
        print(f"PyTorch is missing: {python} finds none (apt-get install python3-torch, or name another Python in PEERS_PYTHON)")
        if not args.checkpoint:
            sys.exit("start.py: checkpoints with random weights are made with PyTorch; give --checkpoint FILE")
    ort = onnxruntime(args.scratch, os.environ.get("ORT_VERSION") or "1.30.0") if torch else None
    if ort is None:
        print("ONNX Runtime is missing: " + ("onnxruntime-node does not load, or npm is not there to install it" if torch else "its graph is made with PyTorch"))
    image = next((ROOT / "internal/demo/assets/imagenet/test").glob("*.JPEG"))

    if unset():
        print(f"without {' '.join(unset())} of the environment")

    for model in models:
        checkpoint = args.checkpoint or args.scratch / f"{model}.pt"
        if torch:
            prepare = [python, "-B", HERE / "prepare.py", model, args.scratch, "image", "1"]
            subprocess.run(prepare, check=True)
        with tempfile.TemporaryDirectory(dir=args.scratch if args.scratch.exists() else None) as folder:
            folder = Path(folder)
            (folder / "images").mkdir()
            shutil.copy(image, folder / "images")
            times = {}

            def take(name, command, env=None):
                times.setdefault(name, []).append(timed(command, env))

            def collect(name, home):
                out = folder / "out"
                shutil.rmtree(out, ignore_errors=True)
                take(name, [args.program, "collect", "--quiet", "--model", checkpoint, "--dataset", "images", "--batch-size", "1",
                            "--data-path", folder / "images", "--save-path", out], {**environment(), "CLIPNH_HOME": str(home)})

            for _ in range(args.rounds):
                home = folder / "home"
                shutil.rmtree(home, ignore_errors=True)
                collect("clipnh, first use", home)
                collect("clipnh, used before", home)
                pictures = args.scratch / f"{model}.pictures"
                if torch:
                    take("PyTorch", [python, "-B", "-c", TORCH, HERE, args.scratch / f"{model}.visual", pictures, SIDES[model]])
                if ort is not None:
                    take("ONNX Runtime", ["node", "-e", ORT, ort, args.scratch / f"{model}.b1.onnx", pictures, SIDES[model]])
        print(f"\n{model}: seconds to the first result, medians of {args.rounds} alternating rounds")
        print(f"{'':22}{'clock':>8}{'fastest':>9}{'processors':>12}")
        for name, runs in times.items():
            clock, cpu = zip(*runs)
            print(f"{name:22}{statistics.median(clock):8.2f}{min(clock):9.2f}{statistics.median(cpu):12.2f}")


if __name__ == "__main__":
    main()
