#!/usr/bin/python3
"""Runs the readers of docs/formats.md on what clipnh writes.

    make build && scripts/check_formats.py [bin/clipnh]

In an empty folder it runs the commands of docs/tutorial.md, then the shell block of
docs/formats.md, then every Python block of it, and docs/notebook.py; and it opens all
that was written with scripts/clipnh.py. It needs NumPy, SciPy and torch
(Debian's python3-numpy, python3-scipy and python3-torch), and is not part of the
tests, which need no Python.
"""

import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")


def read(name):
    with open(os.path.join(ROOT, "docs", name), encoding="utf-8") as f:
        return f.read()


def tutorial_commands():
    """Yields the commands that succeed; the tutorial also shows one that is refused."""
    text = re.sub(r"\\\n +", "", read("tutorial.md"))
    for command, output in re.findall(r"^    \$ (clipnh .*)\n((?:    (?!\$ ).*\n)*)", text, re.M):
        if not re.search("^    error:", output, re.M):
            yield command


def blocks(language):
    """Yields each block's line number and text."""
    text = read("formats.md")
    for found in re.finditer(r"^```%s\n(.*?)^```$" % language, text, re.M | re.S):
        yield text.count("\n", 0, found.start(1)), found.group(1)


def check_module():
    """Opens every artefact that was written with scripts/clipnh.py, and checks that what is
    damaged is refused."""
    import clipnh

    opened = 0
    for folder, folders, files in os.walk("caches"):
        for name in files:
            path = os.path.join(folder, name)
            if name == "manifest.json" or name.endswith(".json") and os.path.exists(path[:-5]):
                path = folder if name == "manifest.json" else path[:-5]
                if path.endswith((".pt", ".safetensors", ".txt")):
                    continue  # for torch, or text
                assert clipnh.open(path, check=True).kind, path
                opened += 1
    with open("caches/means.npy", "ab") as f:
        f.write(b"x")
    try:
        clipnh.open("caches/means.npy")
    except ValueError as e:
        assert "its manifest says" in str(e)
    else:
        sys.exit("a file with a byte too many was opened")
    print("scripts/clipnh.py opened %d artefacts" % opened)


def main():
    program = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else os.path.join(ROOT, "bin", "clipnh"))
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.mkdir("path")
        os.symlink(program, "path/clipnh")
        os.environ["PATH"] = os.path.abspath("path") + os.pathsep + os.environ["PATH"]
        for command in [*tutorial_commands(), *(text for _, text in blocks("sh"))]:
            done = subprocess.run(["sh", "-e", "-c", command], capture_output=True, text=True)
            if done.returncode != 0:
                sys.exit("%s\n%s" % (command, done.stderr))
        count = 0
        for line, text in blocks("python"):
            print("docs/formats.md:%d" % (line + 1))
            exec(compile("\n" * line + text, "docs/formats.md", "exec"), {})
            count += 1
        print("%d readers ran" % count)
        sys.path.insert(0, os.path.join(ROOT, "scripts"))
        print("docs/notebook.py")
        exec(compile(read("notebook.py"), "docs/notebook.py", "exec"), {})
        check_module()


main()
