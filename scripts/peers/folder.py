"""Images per second from a folder of JPEG files to features, decode included, on a device, beside PyTorch.

    python3 folder.py --device cuda [--models RN50,RN50x16] [--batches 32,128] [--images 4096] [--rounds 5]

Every round starts whole processes, one after the other, each once with all images and once with one batch of them. The
rate is that of the images between: start, loading and compiling are in both. clipnh is "collect --mode features --device";
PyTorch reads with PIL in as many workers as the machine has cores, and prepares images as CLIP does. The table has
medians. bench.sh makes the models (in its scratch folder, which is this program's too): run it first, with the same
--device and --models. A mode that PyTorch lacks is named, and left out.
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

HERE = Path(__file__).resolve().parent
MODES = {"eager": "PyTorch, plain", "compiled": "PyTorch, compiled", "half": "PyTorch, float16, channels last"}
SIZE = 500, 375  # of ImageNet's most frequent photograph


def make_images(folder, count):
    """Writes JPEG files of smooth noise, which take about as long to decode as photographs of the size."""
    import numpy as np
    from PIL import Image
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(1)
    for i in range(count):
        path = folder / f"{i:06}.jpg"
        if not path.exists():
            small = random.integers(0, 256, (SIZE[1] // 8, SIZE[0] // 8, 3), np.uint8)
            grain = random.integers(-12, 13, (SIZE[1], SIZE[0], 1))
            large = np.asarray(Image.fromarray(small).resize(SIZE, Image.BICUBIC), np.int16)
            Image.fromarray(np.clip(large + grain, 0, 255).astype(np.uint8)).save(path.with_suffix(".part"), "JPEG", quality=90)
            os.replace(path.with_suffix(".part"), path)


def timed(command, env=None):
    with tempfile.TemporaryFile() as out:
        start = time.perf_counter()
        status = subprocess.run([str(c) for c in command], stdout=out, stderr=out, env=env, check=False).returncode
        clock = time.perf_counter() - start
        if status:
            out.seek(0)
            raise RuntimeError((out.read().decode(errors="replace").strip().splitlines() or [f"status {status}"])[-1])
    return clock


def ours(args, model, folder, batch):
    path = args.scratch / "folder-features.npy"
    for old in args.scratch.glob("folder-features.npy*"):
        shutil.rmtree(old) if old.is_dir() else old.unlink()
    return timed([args.program, "collect", "--mode", "features", "--device", args.device, "--batch-size", batch, "--model", model,
                  "--data-path", folder, "--dataset", "images", "--save-path", path, "--progress", "none"])


def run(mode, tower, folder, batch, device):
    """PyTorch's side: one process."""
    import numpy as np
    from PIL import Image
    import torch
    import towers
    from peer_torch import ImagesOn

    side = towers.SIDES[Path(tower).stem]
    mean, std = np.float32([0.48145466, 0.4578275, 0.40821073]), np.float32([0.26862954, 0.26130258, 0.27577711])

    class Folder(torch.utils.data.Dataset):
        files = sorted(Path(folder).glob("*.jpg"))

        def __len__(self):
            return len(self.files)

        def __getitem__(self, i):
            image = Image.open(self.files[i]).convert("RGB")
            image = image.resize([int(side * n / min(image.size)) for n in image.size], Image.BICUBIC)
            left, top = (round((n - side) / 2) for n in image.size)
            pixels = np.asarray(image.crop((left, top, left + side, top + side)), np.float32) / 255
            return torch.from_numpy((pixels - mean) / std).permute(2, 0, 1)

    torch.set_grad_enabled(False)
    blank = Path(tempfile.mkdtemp()) / "blank"
    try:
        np.zeros(batch * 3 * side * side, np.float32).tofile(blank)
        on = ImagesOn(device, mode, tower, blank, side, batch, 0)
    finally:
        shutil.rmtree(blank.parent)
    on.infer()
    features = []
    for x in torch.utils.data.DataLoader(Folder(), batch, num_workers=os.cpu_count(), pin_memory=device.startswith("cuda")):
        on.x = x.contiguous(memory_format=on.layout).to(on.kind)
        features.append(on.infer())
    print(torch.cat(features).shape)


def measure(args, model, batch):
    few = args.scratch / f"folder-{batch}"
    make_images(few, batch)
    all_ = args.scratch / f"folder-{args.images}"
    make_images(all_, args.images)
    tower = next(iter(sorted(args.scratch.glob(f"models-*/{model}.visual"), key=os.path.getmtime, reverse=True)), None)
    if tower is None:
        sys.exit(f"folder.py: no {model}.visual in {args.scratch}: run bench.sh --device {args.device} --models {model} first")
    runners = {f"clipnh, {args.device}": lambda f: ours(args, tower.with_suffix(".pt"), f, batch)}
    torch_device = {"ort-cpu": "cpu"}.get(args.device, args.device)
    for mode, name in MODES.items():
        def peer(f, mode=mode):
            return timed([sys.executable, __file__, "run", mode, tower, f, batch, torch_device])
        runners[name] = peer
    rates = {}
    for r in range(args.rounds + 1):  # the first finds files that are not in memory, and is not counted
        for name, work in list(runners.items()):
            try:
                start = work(few)
                rate = (args.images - batch) / (work(all_) - start)
            except RuntimeError as e:
                if name.startswith("clipnh") or name == MODES["eager"]:
                    sys.exit(f"folder.py: {name}: {e}")
                print(f"{model}: without {name}: {e}", file=sys.stderr, flush=True)
                del runners[name]
                continue
            if r > 0:
                rates.setdefault(name, []).append(rate)
        print(f"{model}, batch {batch}: round {r} of {args.rounds}", file=sys.stderr, flush=True)
    own = statistics.median(rates[f"clipnh, {args.device}"])
    for name, each in rates.items():
        rate = statistics.median(each)
        print(f"{model:8} batch {batch:4}  {name:34} {rate:8.0f} images/s  ({min(each):.0f}-{max(each):.0f})  {own / rate:.2f}x to clipnh", flush=True)


def listed(convert):
    return lambda text: [convert(s) for s in text.split(",")]


def main():
    if sys.argv[1:2] == ["run"]:
        mode, tower, folder, batch, device = sys.argv[2:]
        return run(mode, tower, folder, int(batch), device)
    ap = argparse.ArgumentParser(prog="folder.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--device", choices=("cuda", "ort-cpu"), default="cuda")
    ap.add_argument("--models", type=listed(str), default=["RN50", "RN50x16"])
    ap.add_argument("--batches", type=listed(int), default=[32, 128])
    ap.add_argument("--images", type=int, default=4096)
    ap.add_argument("--rounds", type=int, default=5)
    ap.add_argument("--program", type=Path, default=HERE.parent.parent / "bin" / "clipnh")
    ap.add_argument("--scratch", type=Path, default=Path(os.environ.get("PEERS_SCRATCH") or Path(tempfile.gettempdir()) / "clipnh-peers"))
    args = ap.parse_args()
    if args.images <= max(args.batches):
        ap.error("want more --images than a batch has")
    for model in args.models:
        for batch in args.batches:
            measure(args, model, batch)


if __name__ == "__main__":
    main()
