#!/usr/bin/env python3
"""Measures what a task of "collect --shard" takes for the list of all images.

    listing_sweep.py --model FILE [--program bin/clipnh] [--dir DIR] [--images DIR] [COUNT...]

For each COUNT (default 10000, 100000 and 1000000), makes a folder of COUNT links to the
images in --images, keeps a list of it with "clipnh data list", and collects a shard of 32
images, with the list and without. Prints the seconds, those of processors and the peak
memory of each.
"""
import argparse
import os
import shutil
import subprocess
import tempfile
import time


def run(*args):
    """Runs the program; seconds, CPU seconds and peak KiB."""
    began = time.time()
    process = subprocess.Popen(args, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit("%s: exit status %d" % (" ".join(args[:3]), process.returncode))
    return time.time() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", required=True)
    p.add_argument("--program", default=os.path.join(here, "..", "bin", "clipnh"))
    p.add_argument("--images", default=os.path.join(here, "..", "internal", "demo", "assets", "imagenet", "test"))
    p.add_argument("--dir", default=None)
    p.add_argument("counts", nargs="*", type=int, default=[10_000, 100_000, 1_000_000])
    a = p.parse_args()
    sources = sorted(os.path.join(a.images, name) for name in os.listdir(a.images))
    for count in a.counts:
        with tempfile.TemporaryDirectory(dir=a.dir) as dir:
            own = []
            for i, path in enumerate(sources):  # links need one file system
                own.append(shutil.copy(path, os.path.join(dir, "%d%s" % (i, os.path.splitext(path)[1]))))
            data = os.path.join(dir, "images")
            for i in range(count):
                folder = os.path.join(data, "n%08d" % (i // 1000))
                if i % 1000 == 0:
                    os.makedirs(folder)
                name = "n%08d_%08d%s" % (i // 1000, i, os.path.splitext(own[0])[1])
                os.link(own[i // 1000 % len(own)], os.path.join(folder, name))  # few links to each file of a folder
            kept = os.path.join(dir, "images.listing")
            shards = max(1, count // 32)
            if shards > 65536:
                raise SystemExit("%d images: want at most 2 million, for a shard of about 32" % count)
            seconds, used, peak = run(a.program, "data", "list", "--quiet", "--dataset", "images", "--data-path", data, "--save-path", kept)
            size = os.path.getsize(kept)
            print("%8d images: data list %.1f s, %.1f s of a core, %.0f MiB at most, %.1f MB on disk" % (count, seconds, used, peak / 1024, size / 1e6), flush=True)
            for name, path in (("all listed", data), ("with the list", kept)):
                seconds, used, peak = run(a.program, "collect", "--quiet", "--model", a.model, "--dataset", "images", "--data-path", path, "--threads", "1",
                                    "--shard", "%d/%d" % (shards // 2, shards), "--save-path", os.path.join(dir, name.split()[0]))
                print("%8d images: a shard, %s: %.1f s, %.1f s of a core, %.0f MiB at most" % (count, name, seconds, used, peak / 1024), flush=True)


main()
