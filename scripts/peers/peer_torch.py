"""PyTorch's side of the comparison (README.md has the protocol).

    python3 peer_torch.py image eager|channels_last|traced|bf16|autocast[:FORM] TOWER PICTURES SIDE BATCH THREADS
    python3 peer_torch.py image@cuda eager|compiled|half TOWER PICTURES SIDE BATCH THREADS
    python3 peer_torch.py text eager|trimmed|traced TOWER TEXTS BATCH,... THREADS

traced is traced, frozen and optimised for inference. bf16 has weights and activations in bfloat16, autocast what
PyTorch chooses to; both in channels-last layout, but for a vision transformer. Of several batch sizes for texts the fastest is used, and of the
forms of a vision transformer's attention that transformer.py lists, if none is named: then this program starts again
with the fastest, so that its memory is that of one. On a device (image@cuda, image@mps) every inference takes its images from pinned memory and brings the features back; compiled is
torch.compile, for the batch's shape; half is float16 in channels-last layout.
"""
import inspect
import os
import re
import sys
import time

import numpy as np
import torch

import towers


# Newer versions refuse to load anything but tensors unless they are told that the file is ours.
WHOLE = {"weights_only": False} if "weights_only" in inspect.signature(torch.load).parameters else {}

# The executor of a traced module specialises it in its first runs.
WARM = 2


def optimised(module, example):
    return torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(module, example, check_trace=False)))


def blas():
    """The library that does PyTorch's matrix products."""
    with open("/proc/self/maps", encoding="utf-8") as f:
        maps = f.read()
    return next((name for name in ("mkl", "openblas", "blis", "blas") if re.search(rf"/lib{name}[^/\s]*\.so", maps)), "no BLAS")


def card(device):
    return torch.cuda.get_device_name() if device.startswith("cuda") else device


def cost(infer):
    """Seconds of one inference, after those that warm it up."""
    for _ in range(WARM):
        infer()
    times = []
    for _ in range(2):
        start = time.perf_counter()
        infer()
        times.append(time.perf_counter() - start)
    return min(times)


class Images:
    def __init__(self, mode, tower, file, side, batch, _):
        x = np.fromfile(file, np.float32, count=batch * 3 * side * side).reshape(batch, 3, side, side)
        self.x, self.units = torch.from_numpy(x), batch
        self.tower = torch.load(tower, **WHOLE)
        mode, _, form = mode.partition(":")
        self.autocast = mode == "autocast"
        if mode == "bf16":
            self.tower, self.x = self.tower.bfloat16(), self.x.bfloat16()
        if form:
            self.tower.use(form)
        elif hasattr(self.tower, "forms"):
            self.choose(mode)
        if mode == "channels_last" or mode in ("bf16", "autocast") and not hasattr(self.tower, "forms"):
            self.tower = self.tower.to(memory_format=torch.channels_last)
            self.x = self.x.contiguous(memory_format=torch.channels_last)
        elif mode == "traced":
            self.tower = optimised(self.tower, self.x)

    def choose(self, mode):
        """Starts this program again, with the form of attention that is fastest here."""
        module, costs = self.tower, {}
        for form in module.forms:
            module.use(form)
            self.tower = optimised(module, self.x) if mode == "traced" else module
            costs[form] = cost(self.infer)
        print("attention:", ", ".join(f"{form} {c * 1e3:.0f} ms" for form, c in costs.items()), file=sys.stderr, flush=True)
        chosen = f"{mode}:{min(costs, key=costs.get)}"
        os.execv(sys.executable, [sys.executable, sys.argv[0], sys.argv[1], chosen, *sys.argv[3:]])

    def infer(self):
        if self.autocast:
            with torch.autocast("cpu", dtype=torch.bfloat16):
                return self.tower(self.x).float()
        return self.tower(self.x).float()  # itself, of float32

    first = infer


class ImagesOn:
    """Images on a device, to which each inference sends them."""

    def __init__(self, device, mode, tower, file, side, batch, _):
        x = np.fromfile(file, np.float32, count=batch * 3 * side * side).reshape(batch, 3, side, side)
        self.x, self.units, self.device = torch.from_numpy(x), batch, torch.device(device)
        if self.device.type == "cuda":
            # Float32 is float32 here, as in clipnh: no TF32.
            torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
            torch.backends.cudnn.benchmark = True
        self.kind = torch.float16 if mode == "half" else torch.float32
        self.layout = torch.channels_last if mode == "half" else torch.contiguous_format
        self.tower = torch.load(tower, **WHOLE).to(self.device, self.kind, memory_format=self.layout)
        if hasattr(self.tower, "forms"):
            self.tower.use("direct")
        if mode == "compiled":
            if not hasattr(torch, "compile"):
                sys.exit(f"peer_torch.py: PyTorch {torch.__version__} has no torch.compile")
            self.tower = torch.compile(self.tower, dynamic=False)
        self.x = self.x.contiguous(memory_format=self.layout).to(self.kind)
        if self.device.type == "cuda":
            self.x = self.x.pin_memory()

    def infer(self):
        return self.tower(self.x.to(self.device, non_blocking=True)).float().cpu()  # which waits for the device

    first = infer


class Texts:
    """Batch after batch of the texts, from the first again after the last."""

    def __init__(self, mode, tower, file, batches):
        with open(file, encoding="utf-8") as f:
            texts = [[int(i) for i in line.split()] for line in f]
        self.ids = torch.zeros(len(texts), towers.CONTEXT, dtype=torch.long)
        for row, ids in zip(self.ids, texts):
            row[:len(ids)] = torch.tensor(ids)
        module = torch.load(tower, **WHOLE)
        module.trim = mode == "trimmed"
        self.at, fastest = 0, None
        for self.units in batches:
            self.tower = optimised(module, self.batch(0)) if mode == "traced" else module
            each = cost(self.first) / self.units
            if fastest is None or each < fastest[0]:
                fastest = each, self.units, self.tower
        _, self.units, self.tower = fastest

    def batch(self, at):
        return self.ids[at:at + self.units]

    def infer(self):
        at = self.at
        self.at = at + self.units if at + 2 * self.units <= len(self.ids) else 0
        return self.tower(self.batch(at))

    def first(self):
        return self.tower(self.batch(0))


def main():
    kind, mode, tower, file, *sizes = sys.argv[1:]
    threads = int(sizes[-1])
    torch.set_num_threads(threads)
    torch.set_num_interop_threads(1)
    torch.set_grad_enabled(False)
    kind, _, device = kind.partition("@")
    if device:
        work = ImagesOn(device, mode, tower, file, *map(int, sizes))
    elif kind == "image":
        work = Images(mode, tower, file, *map(int, sizes))
    else:
        work = Texts(mode, tower, file, [int(b) for b in sizes[0].split(",")])
    for _ in range(WARM):
        work.infer()
    on = f"on {card(device)}" if device else f"with {blas()}"
    print(f"ready {work.units} PyTorch {torch.__version__} {on}", flush=True)
    for line in sys.stdin:
        word, argument = line.split()
        if word == "run":
            times = []
            for _ in range(int(argument)):
                start = time.perf_counter()
                work.infer()
                times.append((time.perf_counter() - start) * 1e3)
            print("ms", *times, flush=True)
        elif word == "out":
            work.first().numpy().tofile(argument)
            print("done", flush=True)
        else:
            sys.exit(f"peer_torch.py: command {line!r}, want run or out")


if __name__ == "__main__":
    main()
