"""PyTorch's side of the comparison (README.md has the protocol).

    python3 peer_torch.py image eager|channels_last|traced TOWER PICTURES SIDE BATCH THREADS
    python3 peer_torch.py text eager|trimmed|traced TOWER TEXTS BATCH,... THREADS

traced is traced, frozen and optimised for inference. Of several batch sizes for texts the fastest is used.
"""
import re
import sys
import time

import numpy as np
import torch

import towers


# The executor of a traced module specialises it in its first runs.
WARM = 2


def optimised(module, example):
    return torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(module, example, check_trace=False)))


def blas():
    """The library that does PyTorch's matrix products."""
    with open("/proc/self/maps", encoding="utf-8") as f:
        maps = f.read()
    return next((name for name in ("mkl", "openblas", "blis", "blas") if re.search(rf"/lib{name}[^/\s]*\.so", maps)), "no BLAS")


class Images:
    def __init__(self, mode, tower, file, side, batch, _):
        x = np.fromfile(file, np.float32, count=batch * 3 * side * side).reshape(batch, 3, side, side)
        self.x, self.units = torch.from_numpy(x), batch
        self.tower = torch.load(tower)
        if mode == "channels_last":
            self.tower = self.tower.to(memory_format=torch.channels_last)
            self.x = self.x.contiguous(memory_format=torch.channels_last)
        elif mode == "traced":
            self.tower = optimised(self.tower, self.x)

    def infer(self):
        return self.tower(self.x)

    first = infer


class Texts:
    """Batch after batch of the texts, from the first again after the last."""

    def __init__(self, mode, tower, file, batches):
        with open(file, encoding="utf-8") as f:
            texts = [[int(i) for i in line.split()] for line in f]
        self.ids = torch.zeros(len(texts), towers.CONTEXT, dtype=torch.long)
        for row, ids in zip(self.ids, texts):
            row[:len(ids)] = torch.tensor(ids)
        module = torch.load(tower)
        module.trim = mode == "trimmed"
        self.at, fastest = 0, None
        for self.units in batches:
            self.tower = optimised(module, self.batch(0)) if mode == "traced" else module
            for _ in range(WARM):
                self.first()
            start = time.perf_counter()
            self.first()
            cost = (time.perf_counter() - start) / self.units
            if fastest is None or cost < fastest[0]:
                fastest = cost, self.units, self.tower
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
    if kind == "image":
        work = Images(mode, tower, file, *map(int, sizes))
    else:
        work = Texts(mode, tower, file, [int(b) for b in sizes[0].split(",")])
    for _ in range(WARM):
        work.infer()
    print(f"ready {work.units} PyTorch {torch.__version__} with {blas()}", flush=True)
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
