"""Tables of a comparison's results."""

# If other processes used more cores than this during the turns, the figures are not reliable.
BUSY = 0.1


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


def ratio(row, ours):
    return f"{row['ms'] / ours['ms']:.2f}x" if row and ours and row is not ours else ""


def aligned(head, rows):
    widths = [max(len(str(r[i])) for r in [head, *rows]) for i in range(len(head))]
    return "\n".join("  ".join(
        str(c).ljust(w) if i == 0 else str(c).rjust(w) for i, (c, w) in enumerate(zip(r, widths))).rstrip() for r in [head, *rows])


def title(tower, model, batch, threads):
    what = f"image tower, batch {batch}" if tower == "image" else "text tower"
    return f"{model} {what}, {threads} thread{'s' if threads > 1 else ''}"


def about_line(about, results):
    versions = dict.fromkeys(r["version"] for r in results)
    return f"{about['cpu']}, {about['cores']} cores; {', '.join(versions)}; commit {about['commit']}; {about['date']}"


def text(about, results):
    parts = [about_line(about, results)]
    for key, rows in cases(results):
        unit = "image" if key[0] == "image" else "text"
        ours = best(rows, "clipnh")
        head = ["", f"ms/{unit}", "range", "to ours", "CPU-ms", "lowest", "error", "batch", "peak MB", "running MB"]
        body = [[
            r["runner"], ms(r["ms"]), f"{ms(r['lowest_ms'])}-{ms(r['highest_ms'])}", ratio(r, ours), ms(r["cpu_ms"]), ms(r["lowest_cpu_ms"]),
            f"{r['error']:.1e}", r["units"], f"{r['peak_mb']:.0f}", f"{r['running_peak_mb']:.0f}"] for r in rows]
        parts.append(title(*key) + "\n" + aligned(head, body))
    for tower, head, body in summaries(results):
        parts.append(CAPTIONS[tower] + "\n" + aligned(head, body))
    others = max(r["others_cores"] for r in results)
    if others > BUSY:
        parts.append(f"warning: other processes used up to {others:.2f} cores during the turns; repeat on an idle machine")
    return "\n\n".join(parts)


CAPTIONS = {
    "image": "Medians in ms per image, a peer's as a multiple of ours too; peak MB of each, in this order",
    "text": "Medians in ms per text, a peer's as a multiple of ours too",
}
HEADS = {"clipnh": "clipnh", "clipnh, bf16": "clipnh, bf16", "ONNX Runtime": "ONNX Runtime", "PyTorch": "PyTorch, best mode", "PyTorch, cut": "PyTorch, cut texts"}


def summaries(results):
    """Yields tower, head and rows of the table of the best of each group."""
    for tower in CAPTIONS:
        of_tower = [r for r in results if r["tower"] == tower]
        groups = list(dict.fromkeys(r["group"] for r in of_tower))
        head = ["", *(HEADS[g] for g in groups)] + ["peak MB"] * (tower == "image")
        body = []
        for key, rows in cases(of_tower):
            ours = best(rows, "clipnh")
            bests = [best(rows, g) for g in groups]
            cells = [ms(r["ms"]) + (f" ({ratio(r, ours)})" if ratio(r, ours) else "") for r in bests]
            peaks = [" / ".join(f"{r['peak_mb']:.0f}" for r in bests)] * (tower == "image")
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
