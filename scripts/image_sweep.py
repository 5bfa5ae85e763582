#!/usr/bin/env python3
"""Writes PNG, WebP, GIF, BMP and JPEG files and what Pillow makes of them.

    image_sweep.py [--few] [--seed N] DIR
    CLIPNH_IMAGE_SWEEP=DIR go test -v -run Sweep ./internal/imageprep

Beside every picture NAME stand files of a line "WIDTH HEIGHT" and RGB samples:

    NAME.want                convert("RGB")
    NAME.exif.want           the same after exif_transpose
    NAME.bicubic.want        resize() to the size in the file's first line
    NAME.bilinear.want
    NAME.crop.want           shorter side resized to the side of this, centre cropped

or of a line "error MESSAGE" where Pillow refuses the picture. --few writes
small pictures, a few of each kind: internal/imageprep/testdata/sweep. Needs
Pillow and numpy.
"""
import argparse
import io
import os
import struct
import warnings
import zlib

import numpy as np
from PIL import Image, ImageOps, features

warnings.simplefilter("ignore")


def rgb(im):
    return ("%d %d\n" % im.size).encode() + im.convert("RGB").tobytes()


class Sweep:
    def __init__(self, folder, seed):
        self.folder = folder
        self.rng = np.random.default_rng(seed)
        self.count = 0
        os.makedirs(folder, exist_ok=True)

    def put(self, name, data):
        with open(os.path.join(self.folder, name), "wb") as f:
            f.write(data)

    def picture(self, name, data, exif=False):
        self.count += 1
        self.put(name, data)
        try:
            im = Image.open(io.BytesIO(data))
            im.load()
        except Exception as e:
            self.put(name + ".want", ("error %s\n" % e).encode())
            return
        self.put(name + ".want", rgb(im))
        if exif:
            self.put(name + ".exif.want", rgb(ImageOps.exif_transpose(im)))

    def pixels(self, w, h, channels):
        """Colour that changes slowly, with edges and noise."""
        small = (self.rng.random((max(2, h // 8), max(2, w // 8), channels)) * 255).astype("uint8")
        bands = [np.asarray(Image.fromarray(small[..., i]).resize((w, h), Image.BICUBIC)) for i in range(channels)]
        a = np.stack(bands, -1).astype(float) + self.rng.normal(size=(h, w, channels)) * self.rng.choice([0, 1, 25])
        return np.clip(a, 0, 255).astype("uint8")

    def side(self, top):
        return int(self.rng.integers(1, top))


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


def filtered(rng, raw, step):
    """Filters rows of bytes, each by a random one of the five filters."""
    out, up = b"", np.zeros(raw.shape[1], int)
    for row in raw.astype(int):
        left = np.concatenate([np.zeros(step, int), row])[: len(row)]
        corner = np.concatenate([np.zeros(step, int), up])[: len(row)]
        p = left + up - corner
        near = np.stack([abs(p - left), abs(p - up), abs(p - corner)]).argmin(0)
        guess = [0 * row, left, up, (left + up) // 2, np.choose(near, [left, up, corner])]
        kind = int(rng.integers(5))
        out += bytes([kind]) + ((row - guess[kind]) % 256).astype("uint8").tobytes()
        up = row
    return out


def png(rng, w, h, depth, kind, interlaced, palette=None, extra=b""):
    n = CHANNELS[kind]
    top = 1 << depth
    if kind == 3:
        top = min(top, palette + (palette < 4) * 2)  # sometimes beyond the palette
    a = rng.integers(0, top, (h, w, n))
    if rng.random() < 0.3:
        a[:] = a[:1, :1]
    data = b""
    for x, y, dx, dy in ADAM7 if interlaced else [(0, 0, 1, 1)]:
        part = a[y::dy, x::dx]
        if not part.size:
            continue
        part = part.reshape(part.shape[0], -1)
        if depth == 16:
            raw = np.stack([part >> 8, part & 255], -1).reshape(len(part), -1)
        else:
            bits = (part[..., None] >> np.arange(depth - 1, -1, -1)) & 1
            raw = np.packbits(bits.reshape(len(part), -1).astype("uint8"), axis=1)
        data += filtered(rng, raw, max(1, depth * n // 8))
    out = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, depth, kind, 0, 0, interlaced))
    if palette:
        out += chunk(b"PLTE", rng.integers(0, 256, 3 * palette).astype("uint8").tobytes())
    out += extra
    packed = zlib.compress(data)
    cut = int(rng.integers(len(packed) + 1))
    return out + chunk(b"IDAT", packed[:cut]) + chunk(b"IDAT", packed[cut:]) + chunk(b"IEND", b"")


def pngs(s, rounds):
    modes = [(d, k) for k, ds in ((0, (1, 2, 4, 8, 16)), (2, (8, 16)), (3, (1, 2, 4, 8)), (4, (8, 16)), (6, (8, 16))) for d in ds]
    for r in range(rounds):
        for depth, kind in modes:
            for interlaced in (0, 1):
                palette, extra = None, b""
                if kind == 3:
                    palette = int(s.rng.integers(1, (1 << depth) + 1))
                    if s.rng.random() < 0.5:
                        extra = chunk(b"tRNS", bytes(s.rng.integers(0, 256, palette).astype("uint8")))
                elif kind in (0, 2) and s.rng.random() < 0.4:
                    extra = chunk(b"tRNS", b"\0\1" * CHANNELS[kind])
                data = png(s.rng, s.side(40), s.side(40), depth, kind, interlaced, palette, extra)
                s.picture("png_%d_%d_%d_%03d.png" % (kind, depth, interlaced, r), data)


def webps(s, count):
    for n in range(count):
        w, h = s.side(60), s.side(60)
        channels = 3 + n % 2
        a = s.pixels(w, h, channels)
        im = Image.fromarray(a)
        b = io.BytesIO()
        kind = n % 5
        if kind == 4:  # animated
            frames = [Image.fromarray(s.pixels(w, h, channels)) for _ in range(2)]
            im.save(b, "WEBP", save_all=True, append_images=frames, lossless=bool(n % 3), duration=50)
        else:
            im.save(b, "WEBP", lossless=kind == 3, quality=int(s.rng.integers(0, 101)), method=int(s.rng.integers(7)), exact=bool(n % 2))
        s.picture("webp_%04d_%dx%d_%d.webp" % (n, w, h, kind), b.getvalue())


def gif_codes(indices, bits):
    """LZW without compression: a clear code every few pixels keeps the width."""
    clear, out, acc, n = 1 << bits, bytearray(), 0, 0
    codes = []
    for i, v in enumerate(indices):
        if i % ((1 << bits) - 2) == 0:
            codes.append(clear)
        codes.append(int(v))
    for c in codes + [clear + 1]:
        acc |= c << n
        n += bits + 1
        while n >= 8:
            out.append(acc & 255)
            acc >>= 8
            n -= 8
    out.append(acc & 255)
    blocks = b""
    for i in range(0, len(out), 255):
        part = bytes(out[i : i + 255])
        blocks += bytes([len(part)]) + part
    return blocks + b"\0"


def gifs(s, count):
    for n in range(count):
        name = "gif_%04d.gif" % n
        if n % 2:
            b = io.BytesIO()
            im = Image.fromarray(s.pixels(s.side(80), s.side(80), 3)).quantize(int(s.rng.integers(2, 257)))
            more = [Image.fromarray(s.pixels(*im.size, 3)) for _ in range(n % 3)]
            im.save(b, "GIF", save_all=bool(more), append_images=more, interlace=int(s.rng.integers(2)), optimize=bool(s.rng.integers(2)))
            s.picture(name, b.getvalue())
            continue
        w, h, bits = s.side(40), s.side(40), int(s.rng.integers(2, 9))
        x, y, fw, fh = s.side(10) - 1, s.side(10) - 1, s.side(40), s.side(40)
        interlaced, table, local = int(s.rng.integers(2)), int(s.rng.integers(2)), int(s.rng.integers(2))
        size = int(s.rng.integers(0, 8))
        colours = lambda: s.rng.integers(0, 256, 3 * (2 << size)).astype("uint8").tobytes()
        out = b"GIF89a" + struct.pack("<HHBBB", w, h, table * 0x80 | size, 1, 0) + table * colours()
        if s.rng.random() < 0.5:
            out += b"!\xf9\x04" + bytes([1, 0, 0, int(s.rng.integers(0, 2 << size))]) + b"\0"
        out += b"!\xfe\x03abc\0"
        out += b"," + struct.pack("<HHHHB", x, y, fw, fh, local * 0x80 | interlaced * 0x40 | size) + local * colours()
        out += bytes([bits]) + gif_codes(s.rng.integers(0, 1 << bits, fw * fh), bits) + b";"
        s.picture(name, out)


def bmps(s, count):
    for n in range(count):
        mode = ["1", "L", "P", "RGB", "RGBA"][n % 5]
        im = Image.fromarray(s.pixels(s.side(40), s.side(40), 3)).convert(mode)
        b = io.BytesIO()
        im.save(b, "BMP")
        s.picture("bmp_%04d_%s.bmp" % (n, mode), b.getvalue())


def jpegs(s, count):
    for n in range(count):
        mode = ["RGB", "L", "CMYK"][n % 3]
        im = Image.fromarray(s.pixels(s.side(60), s.side(60), 3)).convert(mode)
        exif = Image.Exif()
        exif[0x0112] = n % 10
        if n % 4 == 0:
            exif[0x010F] = "a camera"
        exif.endian = "<>"[n % 2]
        b = io.BytesIO()
        im.save(b, "JPEG", quality=int(s.rng.integers(1, 101)), exif=exif)
        s.picture("jpeg_%04d_%s.jpg" % (n, mode), b.getvalue(), exif=True)
        for kind in ("PNG", "WEBP"):
            b = io.BytesIO()
            im.convert("RGB").save(b, kind, exif=exif, **({"lossless": True} if kind == "WEBP" else {}))
            s.picture("exif_%04d.%s" % (n, kind.lower()), b.getvalue(), exif=True)


def cropped(im, size):
    """torchvision's Resize(size, BICUBIC) and CenterCrop(size), written out."""
    w, h = im.size
    w, h = (size, int(size * h / w)) if w <= h else (int(size * w / h), size)
    left, top = int(round((w - size) / 2.0)), int(round((h - size) / 2.0))
    return im.resize((w, h), Image.BICUBIC).crop((left, top, left + size, top + size))


def resizes(s, count, side):
    for n in range(count):
        w, h = s.side(side), s.side(side)
        im = Image.fromarray(s.pixels(w, h, 3))
        if n % 4 == 0:  # black and white, for overshoot
            im = im.point(lambda v: 255 * (v > 127))
        name = "resize_%04d.png" % n
        b = io.BytesIO()
        im.save(b, "PNG")
        s.picture(name, b.getvalue())
        to = [(s.side(side), s.side(side)), (w, s.side(side)), (s.side(side), h), (w, h)][int(s.rng.choice(4, p=[0.7, 0.12, 0.12, 0.06]))]
        s.put(name + ".bicubic.want", rgb(im.resize(to, Image.BICUBIC)))
        s.put(name + ".bilinear.want", rgb(im.resize(to, Image.BILINEAR)))
        s.put(name + ".crop.want", rgb(cropped(im, min(w, h) if n % 7 == 0 else s.side(side // 2))))


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("dir")
    args.add_argument("--few", action="store_true")
    args.add_argument("--seed", type=int, default=0)
    args = args.parse_args()
    s = Sweep(args.dir, args.seed)
    few = args.few
    pngs(s, 1 if few else 40)
    webps(s, 10 if few else 600)
    gifs(s, 8 if few else 600)
    bmps(s, 5 if few else 50)
    jpegs(s, 10 if few else 100)
    resizes(s, 8 if few else 400, 40 if few else 300)
    print(s.count, "pictures; Pillow", Image.__version__, "WebP", features.version("webp"))


if __name__ == "__main__":
    main()
