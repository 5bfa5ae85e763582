"""Write the files of one model for a comparison to DIR: all sides read the same weights and inputs.

    python3 prepare.py MODEL DIR image BATCH...
    python3 prepare.py MODEL DIR text NAMES [--vocab FILE]

Always      MODEL.pt            the file of scripts/random_checkpoint.py; a vision transformer's has no text tower
image       MODEL.visual        the image tower for PyTorch
            MODEL.pictures      float32, [largest batch,3,S,S]
            MODEL.bB.onnx       the image tower at batch B, unless --no-graphs
            MODEL.bB.node.onnx  a vision transformer's with a node of ONNX Runtime's own for attention
text        MODEL.text          the text tower for PyTorch
            texts.*             NAMES class names in every template, in random order; one line of token ids each

Existing files are kept. FILE is CLIP's merges file, bpe_simple_vocab_16e6.txt.gz. Without it the token ids are
made up: a word always gets the same ids, and as many as words of its length have on average.
"""
import argparse
from functools import cache
import gzip
import os
from pathlib import Path
import subprocess
import sys
import zlib

import numpy as np
import torch

from towers import CONTEXT, MODELS, SCRIPTS, SIDES, VITS, VOCABULARY, load
from bpe import Tokenizer, words_of

CONFIGS = SCRIPTS.parent / "configs"
SEED = 1
OPSET = 16


def make(path, write):
    """Lets write make a file that is there whole or not at all."""
    if path.exists():
        return
    print(f"make {path}", file=sys.stderr, flush=True)
    part = path.with_name(path.name + ".part")
    write(part)
    os.replace(part, path)


def archive(model, path):
    script = SCRIPTS / "random_checkpoint.py"
    make(path, lambda part: subprocess.run([sys.executable, script, model, part, str(SEED)], check=True))


def image(model, folder, batches, graphs):
    side = SIDES[model]
    towers = cache(lambda: load(model, folder / f"{model}.pt"))
    pictures = torch.randn(max(batches), 3, side, side, generator=torch.Generator().manual_seed(SEED))
    path = folder / f"{model}.pictures"
    if path.exists() and path.stat().st_size < 4 * pictures.numel():  # from a run with smaller batches
        path.unlink()
    make(path, lambda part: pictures.numpy().tofile(part))
    make(folder / f"{model}.visual", lambda part: torch.save(towers()[0], part))

    def export(part, batch, form):
        tower = towers()[0]
        if form is not None:
            tower.use(form)
        torch.onnx.export(tower, pictures[:batch], str(part), opset_version=OPSET, input_names=["pictures"], output_names=["features"])

    for b in batches if graphs else []:
        for name, form in graph_forms(model).items():
            make(folder / name.format(b), lambda part: export(part, b, form))


def graph_forms(model):
    """The graphs' names, without the batch, with the form of attention in each."""
    if model not in VITS:
        return {f"{model}.b{{}}.onnx": None}
    return {f"{model}.b{{}}.onnx": "direct", f"{model}.b{{}}.node.onnx": "node"}


class MadeUpTokenizer:
    start, end = VOCABULARY - 2, VOCABULARY - 1

    def encode(self, text):
        ids = []
        for word in words_of(text):
            pieces = 1 if len(word) < 9 else 2
            ids += [zlib.crc32(f"{word} {i}".encode()) % self.start for i in range(pieces)]
        return [self.start, *ids[:CONTEXT - 2], self.end]


def tokenizer(vocab, folder):
    if vocab is None:
        return MadeUpTokenizer()
    # The published file has more merges than the model's vocabulary.
    merges = VOCABULARY - 2 - 512
    cut = folder / "vocab.gz"

    def write(part):
        with gzip.open(vocab, "rt", encoding="utf-8") as src, gzip.open(part, "wt", encoding="utf-8") as dst:
            dst.write("".join(next(src) for _ in range(1 + merges)).rstrip("\n"))
    make(cut, write)
    t = Tokenizer(cut, CONTEXT)
    if t.size != VOCABULARY:
        sys.exit(f"{vocab}: vocabulary of {t.size}, want {VOCABULARY}")
    return t


def lines(name):
    return [s for s in (CONFIGS / name).read_text(encoding="utf-8").splitlines() if s]


def texts_name(count, vocab):
    return f"texts.{count}{'' if vocab else '.made-up'}"


def texts(model, folder, count, vocab):
    make(folder / f"{model}.text", lambda part: torch.save(load(model, folder / f"{model}.pt")[1], part))
    tok = tokenizer(vocab, folder)
    names = lines("imagenet_classes.txt")
    if not 1 <= count <= len(names):
        sys.exit(f"{count} names, want 1 to {len(names)}")
    names = [names[i * len(names) // count] for i in range(count)]
    all_ids = [tok.encode(t.replace("{}", n)) for n in names for t in lines("imagenet_templates.txt")]
    # In random order, any contiguous part of the texts is a fair sample of their lengths.
    order = np.random.default_rng(SEED).permutation(len(all_ids))
    body = "".join(" ".join(map(str, all_ids[i])) + "\n" for i in order)
    make(folder / texts_name(count, vocab), lambda part: part.write_text(body))


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("model", choices=[*MODELS, *VITS])
    ap.add_argument("folder", type=Path)
    ap.add_argument("tower", choices=("image", "text"))
    ap.add_argument("numbers", type=int, nargs="+")
    ap.add_argument("--vocab", type=Path)
    ap.add_argument("--no-graphs", action="store_true", help="do not make the .onnx files")
    args = ap.parse_args()
    if args.tower == "text" and args.model in VITS:
        ap.error(f"{args.model}: its file has no text tower")
    args.folder.mkdir(parents=True, exist_ok=True)
    archive(args.model, args.folder / f"{args.model}.pt")
    if args.tower == "image":
        image(args.model, args.folder, args.numbers, not args.no_graphs)
    else:
        texts(args.model, args.folder, args.numbers[0], args.vocab)


if __name__ == "__main__":
    main()
