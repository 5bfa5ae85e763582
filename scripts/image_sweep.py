#!/usr/bin/env python3
"""Writes PNG, WebP, GIF, BMP, TIFF, Netpbm and JPEG files and what Pillow makes of them.

    image_sweep.py [--few] [--seed N] DIR
    CLIPNH_IMAGE_SWEEP=DIR go test -v -run Sweep ./internal/imageprep

Beside every image NAME stand files of a line "WIDTH HEIGHT" and RGB samples:

    NAME.want                convert("RGB")
    NAME.exif.want           the same after exif_transpose
    NAME.bicubic.want        resize() to the size in the file's first line
    NAME.bilinear.want
    NAME.crop.want           shorter side resized to the side of this, centre cropped
    NAME.openai.want         the same before, not after, convert("RGB")
    NAME.before.want         resize(BILINEAR) to that size before convert("RGB")

or of a line "error MESSAGE" where Pillow refuses the image. --few writes
small images, a few of each kind: internal/imageprep/testdata/sweep. Needs
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
    def __init__(self, folder, seed, top):
        self.folder = folder
        self.top = top  # of the sides of many images
        self.rng = np.random.default_rng(seed)
        self.count = 0
        os.makedirs(folder, exist_ok=True)

    def put(self, name, data):
        with open(os.path.join(self.folder, name), "wb") as f:
            f.write(data)

    def image(self, name, data, exif=False):
        self.count += 1
        self.put(name, data)
        try:
            im = Image.open(io.BytesIO(data))
            im.load()
        except Exception as e:
            self.put(name + ".want", ("error %s\n" % e).encode())
            return
        self.put(name + ".want", rgb(im))
        if im.mode != "PA" and not im.mode.startswith("I;"):  # Pillow mixes indices, and cannot resize the other
            self.put(name + ".openai.want", rgb(cropped(im, min(im.size) if self.count % 7 == 0 else 1 + self.count * 13 % self.top)))
            to = im.size if self.count % 9 == 0 else (1 + self.count * 7 % self.top, 1 + self.count * 11 % self.top)
            self.put(name + ".before.want", rgb(im.resize(to, Image.BILINEAR)))
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
                s.image("png_%d_%d_%d_%03d.png" % (kind, depth, interlaced, r), data)


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
        s.image("webp_%04d_%dx%d_%d.webp" % (n, w, h, kind), b.getvalue())


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
            s.image(name, b.getvalue())
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
        s.image(name, out)


def bmps(s, count):
    for n in range(count):
        mode = ["1", "L", "P", "RGB", "RGBA"][n % 5]
        im = Image.fromarray(s.pixels(s.side(40), s.side(40), 3)).convert(mode)
        b = io.BytesIO()
        im.save(b, "BMP")
        s.image("bmp_%04d_%s.bmp" % (n, mode), b.getvalue())


def rows(rng, w, h, bits, flip):
    """Random pixels in rows padded to four bytes."""
    size = (w * bits + 31) // 32 * 4
    return rng.integers(0, 256, size * h).astype("uint8").tobytes()


def runs(rng, w, h, nibbles):
    """A run-length code of every form that Pillow reads right: no empty rows, steps, or odd numbers of nibbles."""
    out = b""
    for _ in range(h):
        x = 0
        while x < w:
            kind, left = rng.integers(4), w - x
            n = int(rng.integers(1, min(left, 30) + 1))
            if kind == 0 and n >= 3:
                n -= n % 2 if nibbles else 0
                data = rng.integers(0, 256, n // 2 if nibbles else n).astype("uint8").tobytes() if n >= 3 else b""
                if n >= 3:
                    out += bytes([0, n]) + data + b"\0" * (len(data) % 2)
                    x += n
            else:
                over = int(rng.integers(3)) if n == left else 0  # beyond the row's end
                out += bytes([n + over, int(rng.integers(256))])
                x += n
        out += b"\0\0"
    return out + b"\0\1"


def other_bmps(s, count):
    """Those that Pillow does not write."""
    masks = {32: [(0xFF0000, 0xFF00, 0xFF, 0), (0xFF000000, 0xFF0000, 0xFF00, 0), (0xFF000000, 0xFF0000, 0xFF00, 0xFF),
                  (0xFF, 0xFF00, 0xFF0000, 0xFF000000), (0xFF0000, 0xFF00, 0xFF, 0xFF000000), (0, 0, 0, 0)],
             24: [(0xFF0000, 0xFF00, 0xFF, 0)], 16: [(0xF800, 0x7E0, 0x1F, 0), (0x7C00, 0x3E0, 0x1F, 0)]}
    kinds = [(1, 0), (4, 0), (8, 0), (16, 0), (24, 0), (32, 0), (8, 1), (4, 2), (16, 3), (24, 3), (32, 3), (1, 0), (8, 0)]
    for n in range(count):
        bits, packed = kinds[n % len(kinds)]
        w, h, top = s.side(s.top), s.side(s.top), n % 3 == 0 and packed not in (1, 2)
        header = 40 if n % 4 else [12, 64, 108, 124][n // 4 % 4]
        if header == 12:
            packed, top = 0, False
        colours = 0
        if bits <= 8:
            colours = int(s.rng.integers(2, (1 << bits) + 1)) if header > 12 else 1 << bits
        entry = 3 if header == 12 else 4
        table = s.rng.integers(0, 256, colours * entry).astype("uint8").tobytes()
        if n % len(kinds) > 10 and bits <= 8:  # the ramp of greys
            colours = 1 << bits
            table = b"".join(bytes([v * 255 // (colours - 1)]) * 3 + b"\0" * (entry - 3) for v in range(colours))
        mask = masks[bits][n // len(kinds) % len(masks[bits])] if packed == 3 else (0, 0, 0, 0)
        if header == 12:
            head = struct.pack("<IHHHH", 12, w, h, 1, bits)
        else:
            head = struct.pack("<IiiHHIIiiII", 40, w, -h if top else h, 1, bits, packed, 0, 2835, 2835, colours, 0)
            if header > 40:
                head = struct.pack("<I", header) + head[4:] + (struct.pack("<4I", *mask) + b"\0" * 84)[: header - 40]
            elif packed == 3:  # Pillow does not know RGBX
                head += struct.pack("<3I", *mask[:3] if mask[0] != 0xFF else masks[32][0][:3])
        data = runs(s.rng, w, h, packed == 2) if packed in (1, 2) else rows(s.rng, w, h, bits, top)
        gap = b"" if n % 5 else b"\0\0\0\0"
        offset = 14 + len(head) + len(table) + len(gap)
        if n % 11 == 0 and bits <= 8 and header > 12:
            offset, gap = 14 + header, b""  # a file that leaves its palette out
        out = b"BM" + struct.pack("<IHHI", 0, 0, 0, offset) + head + table + gap + data
        s.image("bmp_other_%04d_%d_%d_%d.bmp" % (n, header, bits, packed), out)


def pnms(s, count):
    for n in range(count):
        w, h, kind = s.side(s.top), s.side(s.top), 4 + n % 3
        most = 1 if kind == 4 else [255, 255, 65535, 1, 15, 254, 256, 1000][n // 3 % 8]
        samples = w * h * (3 if kind == 6 else 1)
        if kind == 4:
            data = s.rng.integers(0, 256, (w + 7) // 8 * h).astype("uint8").tobytes()
        elif most > 255:
            data = s.rng.integers(0, min(65536, most + 2), samples).astype(">u2").tobytes()
        else:
            data = s.rng.integers(0, min(256, most + 2), samples).astype("uint8").tobytes()
        blank = [" ", "\n", "\t", "\r\n", "\n# a comment\n", "#another\n "][n % 6]
        if not blank.strip():
            blank += "  "[: n % 3]
        words = ["P%d" % kind, str(w), str(h)] + ([] if kind == 4 else [str(most)])
        header = ("\n" + blank).join(words) + "\n"
        s.image("pnm_%04d_P%d_%d.%s" % (n, kind, most, ["pbm", "pgm", "ppm"][kind - 4]), header.encode() + data)


def tiff(order, w, h, tags, blocks, tile):
    """A file of blocks of bytes; tags maps numbers to lists of shorts."""
    out = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 0)
    where = []
    for b in blocks:
        where.append(len(out))
        out += b
    tags = dict(tags)
    tags[256], tags[257] = [w], [h]
    offsets, counts = (324, 325) if tile else (273, 279)
    entries = []
    for tag, values, form in sorted([(t, v, "H") for t, v in tags.items()] + [(offsets, where, "I"), (counts, [len(b) for b in blocks], "I")]):
        data = struct.pack(order + "%d%s" % (len(values), form), *values)
        if len(data) > 4:
            at = len(out)
            out += data
            data = struct.pack(order + "I", at)
        entries.append(struct.pack(order + "HHI", tag, {"H": 3, "I": 4}[form], len(values)) + data.ljust(4, b"\0"))
    directory = len(out)
    out += struct.pack(order + "H", len(entries)) + b"".join(entries) + b"\0" * 4
    return out[:4] + struct.pack(order + "I", directory) + out[8:]


def packbits(rng, data):
    out, i = b"", 0
    while i < len(data):
        n = int(rng.integers(1, 129))
        part = data[i : i + n]
        same = len(part) - len(part.lstrip(part[:1]))
        if same > 1:
            out += bytes([257 - same]) + part[:1]
            i += same
        else:
            out += bytes([len(part) - 1]) + part
            i += len(part)
        if rng.random() < 0.1:
            out += b"\x80"
    return out


def lzw(data, reset):
    """TIFF's LZW, with a clear code after every so many strings."""
    bits, width = [], 9
    put = lambda c: bits.extend((c >> i) & 1 for i in range(width - 1, -1, -1))
    put(256)
    table, last = {bytes([i]): i for i in range(256)}, b""
    top = 258
    for c in data:
        both = last + bytes([c])
        if both in table:
            last = both
            continue
        put(table[last])
        table[both] = top
        top += 1
        last = bytes([c])
        if top == min(reset, 4094):
            put(table[last])
            put(256)
            table, last, top, width = {bytes([i]): i for i in range(256)}, b"", 258, 9
        elif top == 1 << width and width < 12:
            width += 1
    if last:
        put(table[last])
        top += 1
        if top == 1 << width and width < 12:
            width += 1
    put(257)
    bits += [0] * (-len(bits) % 8)
    return np.packbits(np.array(bits, "uint8")).tobytes()


# photometric interpretation, bits, samples, extra samples; what Pillow knows
TIFFS = [(1, 8, 1, []), (0, 8, 1, []), (2, 8, 3, []), (3, 8, 1, []), (1, 1, 1, []), (0, 1, 1, []), (1, 2, 1, []), (0, 2, 1, []),
         (1, 4, 1, []), (0, 4, 1, []), (3, 1, 1, []), (3, 2, 1, []), (3, 4, 1, []), (1, 16, 1, []), (2, 16, 3, []), (5, 8, 4, []),
         (1, 8, 2, [2]), (2, 8, 4, [2]), (2, 8, 4, [1]), (2, 8, 4, [0]), (2, 8, 4, []), (2, 16, 4, [2]), (2, 8, 5, [0, 0]), (3, 8, 2, [2])]


def tiffs(s, count):
    for n in range(count):
        photometric, bits, samples, extra = TIFFS[n % len(TIFFS)]
        order, w, h = "<>"[s.rng.integers(2)], s.side(s.top), s.side(s.top)
        if bits == 1:
            order = "<"
        kind = int(s.rng.choice([1, 1, 5, 8, 32946, 32773]))
        planar = 2 if samples > 1 and not extra and bits == 8 and s.rng.random() < 0.3 else 1
        if (photometric, samples) == (2, 4):
            planar = 1  # Pillow divides by opacity what has a plane for it and does not say which kind it is
        predictor = 2 if kind in (5, 8, 32946) and bits >= 8 and s.rng.random() < 0.5 else 1
        tile = s.rng.random() < 0.3 and kind != 1
        bw, bh = (16 * s.side(4), 16 * s.side(4)) if tile else (w, s.side(h + 3))
        per = 1 if planar == 2 else samples
        blocks = []
        noise = s.rng.choice([2, 256])
        for plane in range(samples if planar == 2 else 1):
            for y in range(0, h, bh):
                for _ in range(0, w, bw):
                    count_rows = bh if tile else min(bh, h - y)
                    b = s.rng.integers(0, noise, ((bw * per * bits + 7) // 8) * count_rows).astype("uint8").tobytes()
                    if kind == 32773:
                        size = len(b) // count_rows
                        b = b"".join(packbits(s.rng, b[i : i + size]) for i in range(0, len(b), size))
                    elif kind == 5:
                        b = lzw(b, int(s.rng.integers(300, 5000)))
                    elif kind != 1:
                        b = zlib.compress(b)
                    blocks.append(b)
        tags = {258: [bits] * samples, 259: [kind], 262: [photometric], 277: [samples], 284: [planar]}
        if predictor == 2:
            tags[317] = [2]
        if extra:
            tags[338] = extra
        if photometric == 3:
            tags[320] = [int(v) for v in s.rng.integers(0, 65536, 3 << bits)]
        if n % 3 == 0:
            tags[274] = [n // 3 % 9]
        if tile:
            tags[322], tags[323] = [bw], [bh]
        else:
            tags[278] = [bh]
        s.image("tiff_%04d_%d_%d_%d_%d.tif" % (n, photometric, bits, samples, kind), tiff(order, w, h, tags, blocks, tile))
        if n % 10 == 0:
            b = io.BytesIO()
            im = Image.fromarray(s.pixels(w, h, 3)).convert(["RGB", "L", "P", "1", "CMYK"][n // 10 % 5])
            im.save(b, "TIFF", compression=["raw", "tiff_lzw", "packbits", "tiff_adobe_deflate"][n // 50 % 4])
            s.image("tiff_pillow_%04d_%s.tif" % (n, im.mode), b.getvalue())


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
        s.image("jpeg_%04d_%s.jpg" % (n, mode), b.getvalue(), exif=True)
        for kind in ("PNG", "WEBP"):
            b = io.BytesIO()
            im.convert("RGB").save(b, kind, exif=exif, **({"lossless": True} if kind == "WEBP" else {}))
            s.image("exif_%04d.%s" % (n, kind.lower()), b.getvalue(), exif=True)


def orientations(s):
    """PNG files that tell their orientation by text."""
    for n in range(10):
        exif = Image.Exif()
        exif[0x0112] = n
        raw = exif.tobytes().hex()
        profile = b"\nexif\n%8d\n" % (len(raw) // 2) + b"\n".join(raw[i : i + 72].encode() for i in range(0, len(raw), 72)) + b"\n"
        xmp = ['<x tiff:Orientation="%d"/>', "<tiff:Orientation>%d</tiff:Orientation>"][n % 2] % n
        chunks = [
            ("xmp", chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp.encode())),
            ("packed", chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0en\0XMP\0" + zlib.compress(xmp.encode()))),
            ("profile", chunk(b"tEXt", b"Raw profile type exif\0" + profile)),
            ("deflated", chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(profile))),
        ]
        for name, data in chunks if n in (0, 6, 8) else chunks[n % 4 : n % 4 + 1]:
            s.image("text_%d_%s.png" % (n, name), png(s.rng, 5, 3, 8, 2, 0, extra=data), exif=True)


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
        s.image(name, b.getvalue())
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
    s = Sweep(args.dir, args.seed, 16 if args.few else 40)
    few = args.few
    pngs(s, 1 if few else 40)
    webps(s, 10 if few else 600)
    gifs(s, 8 if few else 600)
    bmps(s, 5 if few else 50)
    jpegs(s, 10 if few else 100)
    resizes(s, 8 if few else 400, 40 if few else 300)
    other_bmps(s, 26 if few else 1300)
    pnms(s, 18 if few else 600)
    tiffs(s, 48 if few else 2400)
    orientations(s)
    print(s.count, "images; Pillow", Image.__version__, "WebP", features.version("webp"))


if __name__ == "__main__":
    main()
