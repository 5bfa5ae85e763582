#!/usr/bin/env python3
"""Writes JPEG files and the pixels that Pillow reads from them.

    jpeg_sweep.py [--few] [--seed N] DIR
    CLIPNH_JPEG_SWEEP=DIR go test -v -run Sweep ./internal/jpeg

    jpeg_sweep.py --photos DIR
    CLIPNH_JPEG_PHOTOS=DIR go test -run '^$' -bench Decode ./internal/jpeg

--few writes small images, a few of each kind: internal/jpeg/testdata/sweep.
--photos writes images of 3 and 12 megapixels only, to measure with.

Beside every NAME.jpg stands NAME.want: a line "MODE WIDTH HEIGHT" and the raw
samples in Pillow's own mode (L, RGB, CMYK), or a line "error MESSAGE" where
Pillow refuses the file. Most files are Pillow's own; those with sampling
factors, scans and markers that Pillow does not write come from the small
encoder below, with random coefficients. Where libjpeg's jpegtran is there, it
makes progressive files of those, with restart markers, and arithmetic-coded
ones, which we must refuse though Pillow may read them. Files named "_damaged"
and "_missing" we may refuse too. Needs Pillow and numpy.
"""
import argparse
import io
import os
import shutil
import struct
import subprocess
import warnings

import numpy as np
from PIL import Image, features

warnings.simplefilter("ignore")


def want(data):
    try:
        im = Image.open(io.BytesIO(data), formats=["JPEG", "MPO"])
        im.load()
    except Exception as e:
        return ("error %s\n" % str(e).replace("\n", " ")).encode()
    return ("%s %d %d\n" % ((im.mode,) + im.size)).encode() + im.tobytes()


def write(folder, name, data):
    with open(os.path.join(folder, name + ".jpg"), "wb") as f:
        f.write(data)
    with open(os.path.join(folder, name + ".want"), "wb") as f:
        f.write(want(data))


def image(rng, w, h, channels):
    """Smooth colour with edges and some noise: all of a block's coefficients occur."""
    small = rng.random((max(2, h // 6), max(2, w // 6), channels)) * 255
    bands = [Image.fromarray(small[..., i].astype("uint8")).resize((w, h), Image.BICUBIC) for i in range(channels)]
    a = np.stack([np.asarray(b) for b in bands], -1).astype(float)
    a += rng.normal(size=a.shape) * rng.choice([0, 2, 20])
    if rng.random() < 0.5:
        y, x = np.mgrid[:h, :w]
        a[(x * rng.normal() + y * rng.normal()) > 0] = rng.random(channels) * 255
    a = np.clip(a, 0, 255).astype("uint8")
    return Image.fromarray(a[..., 0] if channels == 1 else a, {1: "L", 3: "RGB", 4: "CMYK"}[channels])


def from_pillow(folder, rng, sizes):
    for n, (w, h) in enumerate(sizes):
        for subsampling in (0, 1, 2):
            options = dict(
                quality=int(rng.integers(1, 101)),
                subsampling=subsampling,
                progressive=bool(rng.integers(2)),
                optimize=bool(rng.integers(2)),
            )
            if rng.random() < 0.1:
                options["qtables"] = [[int(v) for v in rng.integers(1, 256, 64)] for _ in range(2)]
            kind = ["RGB", "RGB", "RGB", "L", "CMYK"][int(rng.integers(5))]
            im = image(rng, w, h, {"L": 1, "RGB": 3, "CMYK": 4}[kind])
            b = io.BytesIO()
            im.save(b, "JPEG", **options)
            data = b.getvalue()
            name = "pil_%04d_%dx%d_%s_s%d_q%d%s" % (
                n, w, h, kind, subsampling, options["quality"], "_prog" if options["progressive"] else "")
            write(folder, name, data)
            if rng.random() < 0.3:
                write(folder, name + "_damaged", damage(rng, data))


def larger(folder, rng):
    for n in range(40):
        w, h = int(rng.integers(41, 300)), int(rng.integers(41, 300))
        b = io.BytesIO()
        image(rng, w, h, 3).save(b, "JPEG", quality=int(rng.integers(20, 98)), subsampling=int(rng.integers(3)),
                                   progressive=bool(n % 2), optimize=bool(rng.integers(2)))
        write(folder, "large_%02d" % n, b.getvalue())
        for i in range(3):
            write(folder, "large_%02d_damaged%d" % (n, i), damage(rng, b.getvalue()))


def damage(rng, data):
    """Cuts a file, or changes bytes of its first scan."""
    sos = data.index(b"\xff\xda")
    start = sos + 2 + data[sos + 3]
    kind = rng.integers(6)
    end = len(data) - 2  # of the last scan's data
    cut = int(rng.integers(start, end + 1))
    if kind == 0:
        return data[:cut]
    if kind == 1:
        return data[:cut] + b"\xff\xd9"
    if kind == 2:  # a marker that does not belong there
        return data[:cut] + b"\xff" + bytes([int(rng.integers(0xD0, 0xD8))]) + data[cut:]
    if kind == 3:  # some bytes lost
        return data[:cut] + data[min(end, cut + int(rng.integers(1, 30))):]
    b = bytearray(data)
    for _ in range(int(rng.integers(1, 4))):
        at = int(rng.integers(start, end + 1))
        if at < end and b[at] != 0xFF and b[at - 1] != 0xFF:
            b[at] = int(rng.integers(0, 255))
    return bytes(b)


# A sequential encoder for what Pillow does not write.

ZIGZAG = sorted(range(64), key=lambda i: (i // 8 + i % 8, (i // 8 if (i // 8 + i % 8) % 2 else i % 8)))


def segment(marker, body):
    return struct.pack(">HH", 0xFF00 | marker, len(body) + 2) + body


class Code:
    """A complete-enough Huffman code: all its symbols have one length."""

    def __init__(self, symbols):
        self.length = max(1, (len(symbols)).bit_length())
        self.symbols = list(symbols)
        self.of = {s: i for i, s in enumerate(self.symbols)}

    def table(self, name):
        counts = [0] * 16
        counts[self.length - 1] = len(self.symbols)
        return bytes([name]) + bytes(counts) + bytes(self.symbols)


class Bits:
    def __init__(self):
        self.bits = []

    def put(self, value, size):
        self.bits.extend((value >> i) & 1 for i in range(size - 1, -1, -1))

    def flush(self):
        while len(self.bits) % 8:
            self.bits.append(1)
        out = np.packbits(np.array(self.bits, dtype=np.uint8)).tobytes().replace(b"\xff", b"\xff\x00")
        self.bits = []
        return out


DC = Code(range(12))
AC = Code([0x00, 0xF0] + [r << 4 | s for r in range(16) for s in range(1, 11)])


def put_value(bits, v):
    size = abs(v).bit_length()
    return size, (v if v >= 0 else v + (1 << size) - 1)


def put_block(bits, block, last):
    """block: 64 levels in zigzag order; returns its DC."""
    size, v = put_value(bits, block[0] - last)
    bits.put(DC.of[size], DC.length)
    bits.put(v, size)
    run = 0
    top = max([k for k in range(1, 64) if block[k]], default=0)
    for k in range(1, top + 1):
        if not block[k]:
            run += 1
            continue
        while run > 15:
            bits.put(AC.of[0xF0], AC.length)
            run -= 16
        size, v = put_value(bits, block[k])
        bits.put(AC.of[run << 4 | size], AC.length)
        bits.put(v, size)
        run = 0
    if top < 63:
        bits.put(AC.of[0], AC.length)
    return block[0]


def random_block(rng, quant):
    b = [0] * 64
    b[0] = int(rng.integers(-1000, 1000)) // quant[0]
    for k in range(1, 64):
        if rng.random() < 6 / (6 + k * rng.choice([0.3, 1, 8])):
            b[k] = int(rng.normal() * rng.choice([5, 60]) / (1 + k / 8) / quant[k] * 4)
            b[k] = max(-1023, min(1023, b[k]))
    return b


def encode(rng, w, h, factors, ids, scans, interval, markers, wide):
    """factors: (h, v) of every component; scans: lists of component indexes."""
    top_h, top_v = max(f[0] for f in factors), max(f[1] for f in factors)
    mcus_x, mcus_y = -(-w // (8 * top_h)), -(-h // (8 * top_v))
    quant = [int(v) for v in rng.integers(1, 300 if wide else 40, 64)]
    out = b"\xff\xd8" + markers
    out += segment(0xDB, b"\x10" + struct.pack(">64H", *quant) if wide else b"\x00" + bytes(quant))
    frame = struct.pack(">BHHB", 8, h, w, len(factors))
    for (fh, fv), i in zip(factors, ids):
        frame += bytes([i, fh << 4 | fv, 0])
    out += segment(0xC1 if wide else 0xC0, frame)
    out += segment(0xC4, DC.table(0x00) + AC.table(0x10))
    if interval:
        out += segment(0xDD, struct.pack(">H", interval))
    for scan in scans:
        out += segment(0xDA, bytes([len(scan)]) + b"".join(bytes([ids[c], 0]) for c in scan) + b"\x00\x3f\x00")
        bits, last, done = Bits(), {c: 0 for c in scan}, 0
        if len(scan) == 1:
            fh, fv = factors[scan[0]]
            across = -(-(-(-w * fh // top_h)) // 8)
            down = -(-(-(-h * fv // top_v)) // 8)
            units = [(scan[0], 1)]
        else:
            across, down = mcus_x, mcus_y
            units = [(c, factors[c][0] * factors[c][1]) for c in scan]
        for mcu in range(across * down):
            if interval and mcu and mcu % interval == 0:
                out += bits.flush() + bytes([0xFF, 0xD0 + done % 8])
                done += 1
                last = {c: 0 for c in scan}
            for c, n in units:
                for _ in range(n):
                    last[c] = put_block(bits, random_block(rng, quant), last[c])
        out += bits.flush()
    return out + b"\xff\xd9"


JFIF = segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0")


def adobe(transform):
    return segment(0xEE, b"Adobe\0\x64\0\0\0\0" + bytes([transform]))


# Sampling factors (h, v) of every component.
LAYOUTS = [
    [(1, 1)], [(2, 2)], [(1, 1)] * 3, [(2, 1), (1, 1), (1, 1)], [(1, 2), (1, 1), (1, 1)], [(2, 2), (1, 1), (1, 1)],
    [(4, 1), (1, 1), (1, 1)], [(1, 4), (1, 1), (1, 1)], [(4, 2), (1, 1), (1, 1)], [(2, 4), (1, 1), (1, 1)],
    [(2, 2), (2, 1), (1, 2)], [(2, 2), (1, 2), (2, 1)], [(4, 2), (2, 1), (2, 1)], [(2, 4), (1, 2), (1, 2)],
    [(4, 1), (2, 1), (2, 1)], [(1, 4), (1, 2), (1, 2)], [(3, 1), (1, 1), (1, 1)], [(3, 2), (1, 1), (1, 1)],
    [(1, 1), (2, 2), (1, 1)], [(1, 1), (1, 2), (2, 1)], [(1, 3), (1, 1), (1, 1)], [(2, 1), (2, 1), (2, 1)],
    [(1, 1)] * 4, [(2, 2), (1, 1), (1, 1), (2, 2)], [(2, 1), (1, 1), (1, 1), (2, 1)], [(1, 2), (1, 1), (1, 1), (1, 2)],
    [(3, 1), (2, 1), (1, 1)],
]


def from_encoder(folder, rng, count, side):
    for n in range(count):
        f = LAYOUTS[n % len(LAYOUTS)]
        k = len(f)
        w, h = int(rng.integers(1, side)), int(rng.integers(1, side))
        if rng.random() < 0.3:
            w = int(rng.integers(1, 10))
        ids = {1: [[1], [7]], 3: [[1, 2, 3], [82, 71, 66], [0, 1, 2], [5, 9, 2]], 4: [[1, 2, 3, 4], [67, 77, 89, 75]]}[k]
        ids = ids[int(rng.integers(len(ids)))]
        scans = [list(range(k))]
        kind = rng.integers(4)
        if k > 1 and (kind == 0 or sum(a * b for a, b in f) > 10):
            scans = [[c] for c in range(k)]
        elif k > 1 and kind == 1:
            scans = [[0], list(range(1, k))]
        elif k > 2 and kind == 2 and rng.random() < 0.2:
            scans = [[0], [1]]  # a component that never comes
        markers = [b"", JFIF, adobe(0), adobe(1), adobe(2), JFIF + adobe(0)][int(rng.integers(6))]
        interval = int(rng.choice([0, 0, 1, 2, 5, 9]))
        data = encode(rng, w, h, f, ids, scans, interval, markers, rng.random() < 0.2)
        name = "enc_%04d_%dx%d_%s" % (n, w, h, "_".join("%d%d" % p for p in f))
        if sum(len(s) for s in scans) < k:
            name += "_missing"
        write(folder, name, data)
        transcode(folder, name, n, data)
        if rng.random() < 0.3:
            write(folder, name + "_damaged", damage(rng, data))


def transcode(folder, name, n, data):
    """Writes one file that jpegtran makes of data; which kind goes round with n. No random
    number is drawn, so that the other files do not depend on whether jpegtran is there."""
    if not shutil.which("jpegtran"):
        return
    kinds = {
        "prog": ["-progressive"],
        "prog_restart": ["-progressive", "-restart", "%dB" % (1 + n % 7)],
        "restart": ["-optimize", "-restart", "1"],
        "arithmetic": ["-arithmetic"],
        "arithmetic_prog": ["-arithmetic", "-progressive"],
    }
    kind = ["prog", "prog_restart", "restart", "prog", "arithmetic", "prog_restart", "arithmetic_prog"][n % 7]
    made = subprocess.run(["jpegtran", "-copy", "all"] + kinds[kind], input=data, capture_output=True)
    if made.returncode == 0:  # it refuses a component that never comes
        write(folder, name + "_" + kind, made.stdout)


def photos(folder, rng):
    for w, h in ((2048, 1536), (4000, 3000)):
        a = np.zeros((h, w, 3))
        for octave in range(9):  # detail of every scale, as landscapes have it
            n = 4 << octave
            for c in range(3):
                noise = Image.fromarray((rng.random((max(2, n * h // w), n)) * 255).astype("uint8"))
                a[..., c] += (np.asarray(noise.resize((w, h), Image.BICUBIC)) - 128.0) * 0.7 ** octave * (1 if c == 0 else 0.3)
        a[..., 1:] += a[..., :1] * 0.7
        im = Image.fromarray(np.clip(a * 0.6 + 128, 0, 255).astype("uint8"))
        for name, options in (("420", dict(subsampling=2)), ("444", dict(subsampling=0)),
                              ("420_prog", dict(subsampling=2, progressive=True)), ("444_prog", dict(subsampling=0, progressive=True))):
            im.save(os.path.join(folder, "photo_%dx%d_%s.jpg" % (w, h, name)), quality=88, **options)


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("dir")
    args.add_argument("--few", action="store_true")
    args.add_argument("--photos", action="store_true")
    args.add_argument("--seed", type=int, default=0)
    args = args.parse_args()
    rng = np.random.default_rng(args.seed)
    os.makedirs(args.dir, exist_ok=True)
    if args.photos:
        photos(args.dir, rng)
    elif args.few:
        from_pillow(args.dir, rng, [(1, 1), (2, 9), (5, 3), (16, 17), (17, 8), (33, 18)])
        from_encoder(args.dir, rng, len(LAYOUTS), 24)
    else:
        from_pillow(args.dir, rng, [(w, h) for w in range(1, 41) for h in (1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 40)])
        larger(args.dir, rng)
        from_encoder(args.dir, rng, 1500, 60)
    print(len([f for f in os.listdir(args.dir) if f.endswith(".jpg")]), "files; Pillow", Image.__version__,
          "libjpeg-turbo", features.version("libjpeg_turbo"))


if __name__ == "__main__":
    main()
