#!/usr/bin/env python3
"""Merges many synthetic shards of statistics, and prints time and memory.

    merge_sweep.py --model FILE [--program bin/clipnh] [--dir DIR] [--images DIR]
                   [--no-features] [--fan-in N] [COUNT...]

Collects one shard of 4096 with --stats-only, of as many images as a chunk has, and makes
the others of it: links to its files, and a manifest with another number. COUNT (default 16,
256 and 4096) are the numbers of shards that are merged; for each the list of images is made
again, of links to those in --images. Prints the seconds and the peak memory of "clipnh
merge", what it read, and the CPU time per image of the shard that was collected. With
--fan-in, merges so many shards at a time to parts as well, and then the parts, prints what
all of these took, the longest part and the last merge, and compares the bytes.
"""
import argparse
import os
import re
import resource
import shutil
import subprocess
import tempfile
import time

TABLE = []
for n in range(256):
    for _ in range(8):
        n = (n >> 1) ^ (0x82F63B78 if n & 1 else 0)
    TABLE.append(n)


def crc32c(data):
    crc = 0xFFFFFFFF
    for b in data:
        crc = (crc >> 8) ^ TABLE[(crc ^ b) & 255]
    return crc ^ 0xFFFFFFFF


def renumbered(manifest, number):
    """The text of a manifest for another number of a shard, with its own checksum."""
    text = re.sub(r',\n  "manifest_crc32c": "[0-9a-f]{8}"', "", manifest)
    text = text.replace('"number": 1,', '"number": %d,' % number, 1)
    sealed = ',\n  "manifest_crc32c": "%08x"\n}\n' % crc32c(text.encode())
    return text[: text.rindex("\n}")] + sealed


def children():
    return resource.getrusage(resource.RUSAGE_CHILDREN)


def run(*args):
    """Runs the program; seconds, CPU seconds and peak KiB."""
    before, began = children(), time.time()
    peak = 0
    process = subprocess.Popen(args, stdout=subprocess.DEVNULL)
    while True:
        pid, status, usage = os.wait4(process.pid, 0)
        if pid:
            peak = usage.ru_maxrss
            break
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit("%s: exit status %d" % (" ".join(args[:2]), process.returncode))
    after = children()
    return time.time() - began, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, peak


def contents(folder):
    """The bytes of all files below a folder, locks aside, by their paths in it."""
    files = {}
    for at, _, names in os.walk(folder):
        for name in names:
            if not name.endswith(".lock"):
                with open(os.path.join(at, name), "rb") as f:
                    files[os.path.relpath(os.path.join(at, name), folder)] = f.read()
    return files


def tree(program, save, count, fan_in):
    """Merges in a tree, in place of what was merged, and prints what that took."""
    flat = contents(save)
    shutil.rmtree(save)
    parts = -(-count // fan_in)
    each = []
    for i in range(parts):
        some = "%d-%d/%d" % (i * count // parts + 1, (i + 1) * count // parts, count)
        each.append(run(program, "merge", "--quiet", "--threads", "1", "--shards", some, "--save-path", save))
    last = run(program, "merge", "--quiet", "--threads", "1", "--save-path", save)
    if contents(save) != flat:
        raise SystemExit("%d shards: the bytes of the tree are not those of one merge" % count)
    used = [core for _, core, _ in each]
    print("%5d shards in %d parts: %.1f s of a core, %.1f s of it for the longest part and %.1f s for the last merge, %.0f MiB at most; equal bytes"
          % (count, parts, sum(used) + last[1], max(used), last[1], max(peak for _, _, peak in each + [last]) / 1024), flush=True)


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", required=True)
    p.add_argument("--program", default=os.path.join(here, "..", "bin", "clipnh"))
    p.add_argument("--images", default=os.path.join(here, "..", "internal", "demo", "assets", "imagenet", "test"))
    p.add_argument("--dir", default=None)
    p.add_argument("--no-features", action="store_true", help="shards without rows of images")
    p.add_argument("--fan-in", type=int, default=0, help="merge in a tree too, so many shards at a time")
    p.add_argument("--chunk", type=int, default=32, help="images of a chunk")
    p.add_argument("counts", nargs="*", type=int, default=[16, 256, 4096])
    a = p.parse_args()
    sources = sorted(os.path.join(a.images, name) for name in os.listdir(a.images))
    for count in a.counts:
        with tempfile.TemporaryDirectory(dir=a.dir) as dir:
            own = []
            for i, path in enumerate(sources):  # links need one file system
                own.append(shutil.copy(path, os.path.join(dir, "%d%s" % (i, os.path.splitext(path)[1]))))
            for i in range(count * a.chunk):
                folder = os.path.join(dir, "images", "%05d" % (i // 1000))
                os.makedirs(folder, exist_ok=True)
                os.link(own[i % len(own)], os.path.join(folder, "%03d%s" % (i % 1000, os.path.splitext(own[0])[1])))
            save = os.path.join(dir, "stats")
            first = "%s.1-of-%d" % (save, count)
            _, cpu, _ = run(a.program, "collect", "--quiet", "--model", a.model, "--dataset", "images", "--data-path", os.path.join(dir, "images"),
                            "--stats-only", *(["--no-features"] if a.no_features else []), "--threads", "1", "--shard", "1/%d" % count, "--save-path", save)
            manifest = open(os.path.join(first, "manifest.json")).read()
            if not a.no_features and '"inputs": %d,' % a.chunk not in manifest:
                raise SystemExit("a chunk has other than %d images: give --chunk" % a.chunk)
            size = sum(os.path.getsize(os.path.join(first, name)) for name in os.listdir(first))
            for number in range(2, count + 1):
                folder = "%s.%d-of-%d" % (save, number, count)
                os.mkdir(folder)
                for name in os.listdir(first):
                    if name != "manifest.json":
                        os.link(os.path.join(first, name), os.path.join(folder, name))
                with open(os.path.join(folder, "manifest.json"), "w") as f:
                    f.write(renumbered(manifest, number))
            seconds, used, peak = run(a.program, "merge", "--quiet", "--threads", "1", "--save-path", save)
            print("%5d shards of %.1f MB: %.1f s, %.1f s of a core, %.0f MiB at most (the shard took %.1f s of a core for %d images)"
                  % (count, size / 1e6, seconds, used, peak / 1024, cpu, a.chunk), flush=True)
            if a.fan_in:
                tree(a.program, save, count, a.fan_in)


main()
