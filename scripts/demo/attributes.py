"""What is true of the labelled images of the demo: attributes.csv.

    python attributes.py ../../internal/demo/assets/imagenet/attributes.csv [IMAGENET_DIR]

A line for each image of imagenet/val: its name, its colour, its thing, and one or two
backgrounds, with the synonyms of render.py after |. The scenes are drawn from their seeds
again, without drawing them; with IMAGENET_DIR, every 20th image is also drawn and compared
with the file.
"""
import csv
import os
import sys

import numpy as np
from PIL import Image

from render import COLOURS, KINDS, SYN, draw_scene, make_object, pick_bg, rng_for, val_classes

SEED, PER_CLASS = 101, 10                                  # of render.py datasets
MEAN_DIFFERENCE = 12                                      # of pixels: JPEG loses noise and detail; another scene differs by 30 or more


def names(word):
    return "|".join([word] + SYN.get(word, []))


def main(out, imagenet=None):
    with open(out, "w", newline="") as f:
        table = csv.writer(f, lineterminator="\n")
        table.writerow(["image", "colour", "thing", "background", "background"])
        for i, (kind, colour) in enumerate(val_classes()):
            wnid = "n%08d" % (9000000 + KINDS.index(kind) * 100 + COLOURS.index(colour))
            for j in range(PER_CLASS):
                rng = rng_for(SEED, i * 1000 + j)
                scene = dict(objects=[make_object(rng, 128, 128, 24, 54, [], kind, colour)], w=128, h=128)
                scene["bg"], scene["horizon"] = pick_bg(rng, kind)
                number = i * PER_CLASS + j
                name = "DEMO_val_%08d.JPEG" % (number + 1)
                table.writerow([name, names(colour), names(kind)] + [names(b) for b in scene["bg"]] + [""] * (2 - len(scene["bg"])))
                if imagenet and number % 20 == 0:
                    drawn = draw_scene(scene, 128, 128, rng)[0].astype(float)
                    stored = np.asarray(Image.open(os.path.join(imagenet, "val", wnid, name)), float)
                    if np.abs(drawn - stored).mean() > MEAN_DIFFERENCE:
                        sys.exit("%s: drawn again, it differs from the file by %.1f" % (name, np.abs(drawn - stored).mean()))


main(*sys.argv[1:])
