"""Tables of a comparison's results."""

# If other processes used more cores than this during a turn, its round is disturbed.
BUSY = 0.1

# What a group is a multiple of; the others of clipnh in float32.
OURS = {"PyTorch, bf16": "clipnh, bf16"}


def cases(results):
    """The results by (tower, model, batch, threads)."""
    by_case = {}
    for r in results:
        by_case.setdefault((r["tower"], r["model"], r["batch"], r["threads"]), []).append(r)
    return by_case.items()


def best(rows, group):
    return min((r for r in rows if r["group"] == group), key=lambda r: r["ms"], default=None)


def ms(x):
    return f"{x:.1f}" if x >= 10 else f"{x:.2f}"


def ratio(row, rows):
    """A row as a multiple of clipnh's of the same precision."""
    ours = row and best(rows, OURS.get(row["group"], "clipnh"))
    return f"{row['ms'] / ours['ms']:.2f}x" if ours and row is not ours else ""


def rounds(row):
    return f"{row['rounds_undisturbed']} of {row['rounds_run']}"


def disturbed(rows):
    return not rows[0]["rounds_undisturbed"]


def aligned(head, rows):
    widths = [max(len(str(r[i])) for r in [head, *rows]) for i in range(len(head))]
    return "\n".join("  ".join(
        str(c).ljust(w) if i == 0 else str(c).rjust(w) for i, (c, w) in enumerate(zip(r, widths))).rstrip() for r in [head, *rows])


def title(tower, model, batch, threads):
    what = f"image tower, batch {batch}" if tower == "image" else "text tower"
    return f"{model} {what}, {threads} thread{'s' if threads > 1 else ''}"


def about_line(about, results):
    versions = dict.fromkeys(r["version"] for r in results)
    unset = f"without {' '.join(about['unset'])} of the environment; " if about["unset"] else ""
    return f"{about['cpu']}, {about['cores']} cores; {', '.join(versions)}; {unset}commit {about['commit']}; {about['date']}, in {about['took']}"


def text(about, results):
    parts = [about_line(about, results)]
    for key, rows in cases(results):
        unit = "image" if key[0] == "image" else "text"
        head = ["", f"ms/{unit}", "range", "to ours", "CPU-ms", "lowest", "rounds", "error", "batch", "peak MB", "running MB"]
        body = [[
            r["runner"], ms(r["ms"]), f"{ms(r['lowest_ms'])}-{ms(r['highest_ms'])}", ratio(r, rows), ms(r["cpu_ms"]), ms(r["lowest_cpu_ms"]),
            rounds(r), f"{r['error']:.1e}", r["units"], f"{r['peak_mb']:.0f}", f"{r['running_peak_mb']:.0f}"] for r in rows]
        note = "; all rounds were disturbed, so that CPU-ms counts and the rest does not" if disturbed(rows) else ""
        parts.append(title(*key) + note + "\n" + aligned(head, body))
    for tower, head, body in summaries(results):
        parts.append(CAPTIONS[tower] + "\n" + aligned(head, body))
    parts.append(REJECTED)
    if any(disturbed(rows) for _, rows in cases(results)):
        parts.append("warning: cases with 0 rounds have the figures of disturbed ones; repeat on an idle machine")
    return "\n\n".join(parts)


REJECTED = (f"rounds: those that count, of all; a round in which other processes used more than {BUSY} cores during "
            "somebody's turn was rejected for all")
CAPTIONS = {
    "image": "Medians in ms per image, a peer's as a multiple of ours of the same precision too; rounds that count, of all; peak MB of each, in this order",
    "text": "Medians in ms per text, a peer's as a multiple of ours too; rounds that count, of all",
}
HEADS = {"clipnh": "clipnh", "clipnh, bf16": "clipnh, bf16", "ONNX Runtime": "ONNX Runtime", "PyTorch": "PyTorch, best mode", "PyTorch, bf16": "PyTorch, best bf16 mode", "PyTorch, float16": "PyTorch, float16", "PyTorch, cut": "PyTorch, cut texts"}


def summaries(results):
    """Yields tower, head and rows of the table of the best of each group."""
    for tower in CAPTIONS:
        of_tower = [r for r in results if r["tower"] == tower]
        groups = list(dict.fromkeys(r["group"] for r in of_tower))
        head = ["", *(HEADS[g] for g in groups), "rounds"] + ["peak MB"] * (tower == "image")
        body = []
        for key, rows in cases(of_tower):
            bests = [best(rows, g) for g in groups]
            cells = [(ms(r["ms"]) + (f" ({ratio(r, rows)})" if ratio(r, rows) else "")) if r else "" for r in bests]
            cells.append(rounds(rows[0]))
            peaks = [" / ".join(f"{r['peak_mb']:.0f}" for r in bests if r)] * (tower == "image")
            body.append([title(*key), *cells, *peaks])
        if body:
            yield tower, head, body


def markdown(about, results):
    parts = []
    for tower, head, body in summaries(results):
        rule = ["---", *["---:"] * (len(head) - 1)]
        table = "\n".join("| " + " | ".join(r) + " |" for r in [head, rule, *body])
        parts.append(f"{CAPTIONS[tower]}:\n\n{table}\n")
    return "\n".join([*parts, about_line(about, results) + "\n"])
