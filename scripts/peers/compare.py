"""Run clipnh and its peers in turns on the same weights and inputs (bench.sh calls this; README.md explains).

Prints the medians and writes them to the requested files. Exits with 1 if outputs differ.
"""
import argparse
from collections import namedtuple
import hashlib
import json
import os
from pathlib import Path
import subprocess
import sys
import time

import numpy as np

from prepare import MODELS, SIDES, VITS, graph_forms, texts_name
import report
from worker import Worker, WorkerError, unset

HERE = Path(__file__).resolve().parent
SOURCES = (HERE / "prepare.py", HERE / "towers.py", HERE / "transformer.py", HERE.parent / "random_checkpoint.py",
           HERE.parent / "demo" / "model.py", HERE.parent / "demo" / "bpe.py")

# Outputs that differ from PyTorch's plain mode by more than this, relative to its largest
# value, are a different computation: rounding alone gives 1e-6 to 1e-5.
LIMIT = 1e-4

# bfloat16 keeps 8 bits of each factor and float16 11; over the layers of a tower the error of
# the first adds up to a percent or two, and to more where sums and activations are kept in it.
LIMIT_REDUCED = {"ours_bf16": 5e-2, "half": 5e-2, "bf16": 1e-1, "autocast": 1e-1}

# Those that need a processor with products of bfloat16, and peers that not every version has.
OF_BF16 = ("ours_bf16", "bf16", "autocast")
OPTIONAL = ("bf16", "autocast")

# Time after which the idle threads of a peer stop spinning.
SETTLE = 0.1

Runner = namedtuple("Runner", "key name group")
RUNNERS = {
    "image": [
        Runner("ours", "clipnh", "clipnh"),
        Runner("ours_bf16", "clipnh, bf16", "clipnh, bf16"),
        Runner("ort", "ONNX Runtime", "ONNX Runtime"),
        Runner("eager", "PyTorch, plain", "PyTorch"),
        Runner("channels_last", "PyTorch, channels last", "PyTorch"),
        Runner("traced", "PyTorch, traced and optimised", "PyTorch"),
        Runner("bf16", "PyTorch, bfloat16", "PyTorch, bf16"),
        Runner("autocast", "PyTorch, autocast to bfloat16", "PyTorch, bf16"),
    ],
    "text": [
        Runner("ours", "clipnh", "clipnh"),
        Runner("eager", "PyTorch, plain", "PyTorch"),
        Runner("traced", "PyTorch, traced and optimised", "PyTorch"),
        Runner("trimmed", "PyTorch, cut to the longest text", "PyTorch, cut"),
    ],
}
REFERENCE = "eager"
DEFAULT_MODELS = ["RN50", "RN50x16", "ViT-B-32", "ViT-B-16", "ViT-L-14"]


def of_model(tower, model):
    """The runners of a tower: a vision transformer has one convolution, too small a part for its layout to matter."""
    return [r for r in RUNNERS[tower] if model not in VITS or r.key != "channels_last"]


def on_device(name):
    """The runners of the image tower on a device of clipnh collect, and on the same one in PyTorch."""
    return [
        Runner("ours", f"clipnh, {name}", "clipnh"),
        Runner("eager", "PyTorch, plain", "PyTorch"),
        Runner("compiled", "PyTorch, compiled", "PyTorch"),
        Runner("half", "PyTorch, float16, channels last", "PyTorch, float16"),
    ]


# PyTorch's name of a device of clipnh's; its others have none.
TORCH_DEVICES = {"ort-cpu": "cpu", "cuda": "cuda"}


def say(text):
    print(text, file=sys.stderr, flush=True)


class Bench:
    def __init__(self, args):
        self.args = args
        digest = hashlib.sha256(b"".join(p.read_bytes() for p in SOURCES)).hexdigest()
        self.models = args.scratch / f"models-{digest[:12]}"
        self.logs = args.scratch / "logs"
        self.logs.mkdir(parents=True, exist_ok=True)
        self.results, self.wrong = [], []
        self.start = time.monotonic()

    def all(self):
        threads = list(dict.fromkeys(self.args.threads))
        if "image" in self.args.towers:
            for model in self.args.models:
                self.prepare("image", model, self.args.batches)
                for batch in self.args.batches:
                    for t in threads:
                        self.compare("image", model, batch, t)
                        self.write()
        if "text" in self.args.towers:
            for model in self.args.text_models:
                self.prepare("text", model, [self.args.names])
                for t in threads:
                    self.compare("text", model, 0, t)
                    self.write()

    def about(self):
        minutes = round((time.monotonic() - self.start) / 60)
        return {**machine(), "took": f"{minutes // 60} h {minutes % 60:02} min"}

    def write(self):
        """Writes the requested files, after each case: a comparison takes hours, and may be killed."""
        if self.args.json:
            self.args.json.write_text(json.dumps({"machine": self.about(), "results": self.results}, indent=1) + "\n")
        if self.args.markdown:
            self.args.markdown.write_text(report.markdown(self.about(), self.results))

    def prepare(self, tower, model, numbers):
        command = [sys.executable, HERE / "prepare.py", model, self.models, tower, *map(str, numbers)]
        if self.args.device:
            command += ["--no-graphs"]
        if self.args.vocab:
            command += ["--vocab", self.args.vocab]
        with open(self.logs / "prepare.log", "w", encoding="utf-8") as log:
            say(f"{model}: prepare {tower} tower")
            if subprocess.run(command, stderr=log, check=False).returncode:
                raise WorkerError(f"prepare {model}: failed, see {log.name}")

    def command(self, key, tower, model, batch, threads):
        inputs = self.models / (f"{model}.pictures" if tower == "image" else texts_name(self.args.names, self.args.vocab))
        sizes = [SIDES[model], batch] if tower == "image" else [self.args.text_batches]
        device = self.args.device if tower == "image" else None
        if key in ("ours", "ours_bf16"):
            kind = device or tower + ("-bf16" if key == "ours_bf16" else "")
            return [self.args.scratch / "ours", kind, self.models / f"{model}.pt", inputs,
                    *([batch] if tower == "image" else []), threads]
        if key == "ort":
            graphs = ",".join(str(self.models / name.format(batch)) for name in graph_forms(model))
            return ["node", HERE / "peer_ort.js", graphs, inputs, *sizes, threads]
        weights = self.models / f"{model}.{'visual' if tower == 'image' else 'text'}"
        kind = f"{tower}@{TORCH_DEVICES[device]}" if device else tower
        return [sys.executable, HERE / "peer_torch.py", kind, key, weights, inputs, *sizes, threads]

    def compare(self, tower, model, batch, threads):
        case = f"{model} {tower}" + (f", batch {batch}" if batch else "") + f", {threads} thread{'s' * (threads > 1)}"
        env = {"NODE_PATH": str(self.args.scratch / "node" / "node_modules")}
        workers = []
        try:
            device = self.args.device if tower == "image" else None
            for runner in on_device(device) if device else of_model(tower, model):
                if runner.key in OF_BF16 and not has_bf16():
                    say(f"{case}: no {runner.name}, the processor has no AVX512-BF16")
                elif runner.key in (*self.args.runners, REFERENCE):
                    say(f"{case}: start {runner.name}")
                    command = [str(c) for c in self.command(runner.key, tower, model, batch, threads)]
                    with open(self.logs / f"{runner.key}.log", "w", encoding="utf-8") as log:
                        try:
                            workers.append(Worker(runner, command, threads, log, env))
                        except WorkerError as e:
                            # Not every PyTorch compiles, and not every device has float16.
                            if runner.key not in OPTIONAL and (not device or runner.key in ("ours", REFERENCE)):
                                raise
                            say(f"{case}: without {runner.name}: {last_line(log.name) or e}")
            errors = self.errors(workers)
            kept, run = [], 0
            while len(kept) < self.args.rounds and run < 2 * self.args.rounds:
                say(f"{case}: round {run + 1}, {len(kept)} of {self.args.rounds} undisturbed so far")
                for w in workers:
                    time.sleep(SETTLE)
                    w.turn(self.args.turn)
                if max(w.others[run] for w in workers) <= report.BUSY:
                    kept.append(run)
                run += 1
            for w in workers:
                error = errors[w.runner.key]
                self.results.append({"tower": tower, "model": model, "batch": batch, "threads": threads, "error": error,
                                     "rounds_run": run, "rounds_undisturbed": len(kept), **w.result(kept or range(run))})
                limit = LIMIT_REDUCED.get(w.runner.key, LIMIT)
                if not error <= limit:
                    self.wrong.append(f"{case}: {w.runner.name} is off by {error:.1e} of the largest value, want at most {limit:g}")
        finally:
            for w in workers:
                w.close()

    def errors(self, workers):
        outputs = {}
        for w in workers:
            path = self.args.scratch / f"{w.runner.key}.features"
            w.output(path)
            outputs[w.runner.key] = np.fromfile(path, np.float32)
        reference = outputs[REFERENCE]
        largest = np.abs(reference).max()
        errors = {}
        for key, got in outputs.items():
            n = min(len(got), len(reference))  # texts: runners have different numbers of them, with the same first ones
            errors[key] = float(np.abs(got[:n] - reference[:n]).max() / largest)
        return errors


def last_line(path):
    lines = Path(path).read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else ""


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        cpu = next((line.split(":", 1)[1].strip() for line in f if line.startswith("model name")), os.uname().machine)
    commit = subprocess.run(["git", "-C", HERE, "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    return {"cpu": cpu, "cores": cores(), "date": time.strftime("%Y-%m-%d"), "commit": commit.stdout.strip() or "unknown", "unset": unset()}


def has_bf16():
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        flags = next((line.split() for line in f if line.startswith("flags")), [])
    return "avx512_bf16" in flags and os.environ.get("CLIPNH_CPU", "avx512") == "avx512"


def cores():
    return len(os.sched_getaffinity(0))


def listed(convert, choices=None):
    def parse(text):
        items = [convert(s) for s in text.split(",")]
        for i in items:
            if choices and i not in choices:
                raise argparse.ArgumentTypeError(f"{i}, want some of {','.join(map(str, choices))}")
        return items
    return parse


def positive(text):
    n = cores() if text == "all" else int(text)
    if n < 1:
        raise argparse.ArgumentTypeError(f"{text}, want at least 1")
    return n


def main():
    keys = list(dict.fromkeys(r.key for rs in [*RUNNERS.values(), on_device("")] for r in rs))
    ap = argparse.ArgumentParser(prog="bench.sh", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--towers", type=listed(str, RUNNERS), default=list(RUNNERS), help="image,text (default both)")
    ap.add_argument("--models", type=listed(str, [*MODELS, *VITS]), default=DEFAULT_MODELS, help=f"for images, some of {','.join([*MODELS, *VITS])} ({','.join(DEFAULT_MODELS)})")
    ap.add_argument("--batches", type=listed(positive), default=[1, 8], help="images per inference (1,8)")
    ap.add_argument("--threads", type=listed(positive), default=[1, cores()], help="numbers, or all (1,all)")
    ap.add_argument("--rounds", type=positive, default=9, help="undisturbed turns per runner; at most twice as many are tried (9)")
    ap.add_argument("--turn", type=float, default=1.0, help="seconds per turn, at least one inference (1)")
    ap.add_argument("--runners", type=listed(str, keys), default=keys, help=f"some of {','.join(keys)} (all); {REFERENCE} always runs")
    ap.add_argument("--device", choices=TORCH_DEVICES, help="compare the image tower on a device of clipnh collect, and not the text tower")
    ap.add_argument("--text-models", type=listed(str, MODELS), default=["RN50"], help="for texts (RN50)")
    ap.add_argument("--names", type=positive, default=40, help="class names of the texts, each in every template (40)")
    ap.add_argument("--text-batches", default="8,32,128", help="batch sizes, of which PyTorch's fastest is used (8,32,128)")
    ap.add_argument("--vocab", type=Path, help="CLIP's merges file; without it token ids are made up")
    ap.add_argument("--json", type=Path, help="write every time to this file, after each case")
    ap.add_argument("--markdown", type=Path, help="write the summary to this file, after each case")
    ap.add_argument("--scratch", type=Path, required=True, help=argparse.SUPPRESS)
    args = ap.parse_args()
    if args.device:
        args.towers = ["image"]

    b = Bench(args)
    failures = []
    try:
        b.all()
    except (WorkerError, KeyboardInterrupt) as e:  # print what was measured so far
        failures.append(str(e) or "interrupted")
    if b.results:
        print(report.text(b.about(), b.results))
    if failures or b.wrong:
        sys.exit("\n".join(f"bench.sh: {f}" for f in failures + b.wrong))


if __name__ == "__main__":
    main()
