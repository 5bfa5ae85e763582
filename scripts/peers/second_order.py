"""Time the second-order effects of one layer's neurons by the published steps, beside clipnh's.

    python3 second_order.py [--model ViT-B-32] [--layer 9] [--images 1000] [--slice 8x64] [--scratch DIR] [--program bin/clipnh]

The published steps (arXiv:2406.04341), in PyTorch with random weights. For every image, neuron n and later layer,

    x[b,h,t,n] = the class token's attention to t, times what the neuron writes to t over the norm's deviation
    r[b,n]    += einsum over heads and tokens of x with the head's OV applied to the neuron's direction

summed over the later layers, [images,neurons,O]. (Means are taken out where norms do so; the published code shares them
out over components, which takes as long.) Writing them to the disk is not timed. Then, for every neuron, the 100 images of
largest norm and the first right singular vector of their centred effects. All of this for 1,000 images and 3,072 neurons
neither fits into memory nor ends soon. So the effects are timed on a slice of images and neurons and scaled up by images
x neurons, the components on the same neurons over random effects of all images and scaled up by neurons; the table
says so. The towers' forward pass is timed by itself and scaled up by images.

clipnh: `collect --neuron-layer LAYER` of the images, in full, which keeps the scores of every neuron through every
later head, and `svd --mode n --top-k-pca 100`, which makes the same components of them. Both are whole processes on image
files, which are decoded; the published steps get numbers.

Everything that is made is in the scratch folder and is made once.
"""
import argparse
import math
import os
from pathlib import Path
import subprocess
import sys
import time

import numpy as np
import torch

from prepare import archive, make
from towers import SIDES, VITS, load

ROOT = Path(__file__).resolve().parent.parent.parent
TOP = 100


def pictures(folder, count, side):
    """Smooth random pictures in .ppm files, which need no other package to write."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(2)
    for i in range(count):
        path = folder / f"{i:05d}.ppm"
        small = random.integers(0, 256, (8, 8, 3)).astype(np.float32)
        pixels = np.kron(small, np.ones((side // 8, side // 8, 1), np.float32)) + random.normal(0, 12, (side, side, 3))
        data = b"P6 %d %d 255\n" % (side, side) + pixels.clip(0, 255).astype(np.uint8).tobytes()
        make_quietly(path, data)


def make_quietly(path, data):
    if not path.exists():
        path.write_bytes(data)


@torch.no_grad()
def activations(tower, x, layer):
    """The neurons' activations [B,T,N] of a layer, and of each later layer the class token's attention [B,H,T], the
    first norm's deviations [B,T] and its block; and the last norm's deviations [B]."""
    later, neurons = [], None
    x = tower.conv1(x).flatten(2).transpose(1, 2)
    x = tower.ln_pre(torch.cat([tower.class_embedding.expand(len(x), 1, -1), x], 1) + tower.positional_embedding)
    for i, block in enumerate(tower.transformer.resblocks):
        y = block.ln_1(x)
        q, k, v = (y @ block.attn.in_proj_weight.T + block.attn.in_proj_bias).chunk(3, -1)
        q, k, v = (z.reshape(*z.shape[:2], block.attn.num_heads, -1).transpose(1, 2) for z in (q, k, v))
        a = (q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])).softmax(-1)
        if i > layer:
            later.append((block, a[:, :, 0], (x.var(-1, unbiased=False) + block.ln_1.eps).sqrt()))
        x = x + block.attn.out_proj((a @ v).transpose(1, 2).flatten(2))
        hidden = block.mlp.gelu(block.mlp.c_fc(block.ln_2(x)))
        if i == layer:
            neurons = hidden
        x = x + block.mlp.c_proj(hidden)
    return neurons, later, (x[:, 0].var(-1, unbiased=False) + tower.ln_post.eps).sqrt()


@torch.no_grad()
def effects(tower, found, layer, count):
    """What the first count neurons add to the features through the heads of all later layers, [B,count,O]."""
    neurons, later, last = found
    w = tower.transformer.resblocks[layer].mlp.c_proj.weight[:, :count]  # [W,n]
    total = 0
    for block, attention, deviation in later:
        heads, width = block.attn.num_heads, len(w)
        values = block.attn.in_proj_weight[2 * width:].reshape(heads, -1, width)  # [H,D,W]
        out = block.attn.out_proj.weight.reshape(width, heads, -1)  # [W,H,D]
        direction = block.ln_1.weight[:, None] * (w - w.mean(0))
        through = torch.einsum("whd,hdv,vn->hnw", out, values, direction)
        through = (through - through.mean(-1, keepdim=True)) * tower.ln_post.weight
        through = torch.einsum("hnw,wo->hno", through, tower.proj)
        x = torch.einsum("bht,btn->bhtn", attention / deviation[:, None], neurons[:, :, :count])  # [B,heads,tokens,neurons]
        total = total + torch.einsum("bhtn,hno->bno", x, through)
    return total / last[:, None, None]


def component(rows, top):
    """The first principal component of a neuron's effects [images,O], of the images of largest norm."""
    rows = rows - rows.mean(0)
    best = rows.norm(dim=-1).topk(top).indices
    return torch.linalg.svd(rows[best], full_matrices=False)[2][0]


def timed(run, rounds=2):
    """The run of some that took the processors least, after one that is not counted: seconds on the clock and of all
    processors, and what it returned."""
    result, seconds = run(), []
    for _ in range(rounds):
        clock, start = time.perf_counter(), time.process_time()
        result = run()
        seconds.append((time.process_time() - start, time.perf_counter() - clock))
    used, clock = min(seconds)
    return np.array([clock, used]), result


def process(command):
    """Runs a command; seconds on the clock, and of all processors."""
    start = time.perf_counter()
    child = subprocess.Popen([str(c) for c in command], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        sys.exit(f"{' '.join(str(c) for c in command)}: exit status {os.waitstatus_to_exitcode(status)}")
    return np.array([time.perf_counter() - start, usage.ru_utime + usage.ru_stime])


def size(path):
    return sum(f.stat().st_size for f in path.rglob("*") if f.is_file()) if path.is_dir() else path.stat().st_size


def megabytes(n):
    return f"{n / 1e6:,.0f} MB"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="ViT-B-32", choices=list(VITS))
    parser.add_argument("--layer", type=int, default=9)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--slice", default="8x64", help="IMAGESxNEURONS that the published steps are timed on")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--scratch", type=Path, default=Path(os.environ.get("PEERS_SCRATCH", "second-order")))
    parser.add_argument("--program", type=Path, default=ROOT / "bin/clipnh")
    o = parser.parse_args()
    batch, count = (int(n) for n in o.slice.split("x"))
    torch.set_num_threads(o.threads)
    o.scratch.mkdir(parents=True, exist_ok=True)
    file, side = o.scratch / f"{o.model}.pt", SIDES[o.model]
    archive(o.model, file)
    folder = o.scratch / f"pictures-{o.images}"
    pictures(folder, o.images, side)

    tower = load(o.model, file)[0]
    blocks = tower.transformer.resblocks
    neurons, dims, later = blocks[o.layer].mlp.c_proj.weight.shape[1], tower.proj.shape[1], len(blocks) - 1 - o.layer
    x = torch.randn(batch, 3, side, side, generator=torch.Generator().manual_seed(1))
    forward, found = timed(lambda: activations(tower, x, o.layer))
    part_time, part = timed(lambda: effects(tower, found, o.layer, count))
    effect = torch.randn(count, o.images, dims, generator=torch.Generator().manual_seed(1))
    pca, _ = timed(lambda: [component(r, min(TOP, o.images)) for r in effect], rounds=1)
    assert part.shape == (batch, count, dims)

    scores, pcs = o.scratch / f"scores-{o.images}", o.scratch / f"pc0-{o.images}.npy"
    ours = process([o.program, "collect", "--model", file, "--activation", "quick_gelu", "--neuron-layer", o.layer, "--dataset", "images",
                    "--data-path", folder, "--save-path", scores, "--threads", o.threads, "--restart", "--quiet"])
    top = min(TOP, o.images // 4)  # more leave signs without a meaning, of which svd warns
    svd = process([o.program, "svd", "--scores", scores, "--mode", "n", "--top-k-pca", top, "--out-save-path", pcs, "--threads", o.threads,
                   "--restart", "--quiet"])

    scale = o.images / batch
    dense = 4 * o.images * neurons * dims
    kept, rows_kept = size(scores), 4 * o.images * later * blocks[0].attn.num_heads * neurons
    print(f"{o.model}, layer {o.layer}: {neurons} neurons through {later} later layers of {blocks[0].attn.num_heads} heads, {o.images} images, "
          f"{o.threads} threads, torch {torch.__version__}\n")
    def both(seconds):
        return "{:,.1f} / {:,.1f}".format(*seconds)

    print("| seconds on the clock / of all processors | published, PyTorch | clipnh |")
    print("|---|---:|---:|")
    print(f"| the tower | {both(forward * scale)} (scaled: {both(forward)} for {batch} images) | {both(ours)}, with scores |")
    print(f"| effects of neurons | {both(part_time * scale * neurons / count)} (scaled: {both(part_time)} for {batch} images and {count} neurons) | |")
    print(f"| a component of each neuron | {both(pca * neurons / count)} (scaled: {both(pca)} for {count} neurons) | {both(svd)} |")
    print(f"| on the disk | {megabytes(dense)} (computed: float32, {o.images} x {neurons} x {dims}) | {megabytes(kept)}, of which scores {megabytes(rows_kept)} |")


if __name__ == "__main__":
    main()
