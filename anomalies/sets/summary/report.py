"""The files beside a complete set: README with statistics and difficulty, recipe, preview."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from anomalies.base import SEVERITIES
from anomalies.difficulty.table import FEWEST, TOO_FEW
from anomalies.sets.arrays import arrays_are_whole, write_arrays
from anomalies.sets.codec import Codec
from anomalies.sets.manifest import LINES, TABLE, Record
from anomalies.sets.plan import HEADER, read_header
from anomalies.sets.stored import StoredSet
from anomalies.sets.summary.readme import README
from anomalies.sets.summary.sheet import outlined, sheet
from anomalies.sets.summary.tables import DIFFICULTY, difficulty, numbers
from lsood.io import write_bytes
from lsood.text import markdown_cell, short_names, shown

PREVIEW, STATISTICS, HARDNESS = "preview.jpg", "statistics.csv", "difficulty.csv"
RECIPE, TEXT = "recipe.yaml", "README.md"
THUMBNAIL, LISTED = 200, 50
Watch = Callable[[int, int], None]
BANNER = (
    "> **MINIATURE.** Generated look-alikes stand in for the real images: results on this set say nothing about "
    "the real data.\n\n"
)
NO_PREVIEW = "No preview: the set holds no images."
STORAGE = {
    "all": "Images, masks and labels are files.",
    "masks": "Masks and labels are files; images are drawn from the clean ones when they are read.",
    "none": (
        "The set is its manifest: images and masks are drawn from the clean images when they are read, and checked "
        "against the hash of their pixels. It holds no pixel of the source."
    ),
}
ARRAYS = "Images are arrays in the layout of CIFAR-10-C: five severities stacked in each `<kind>.npy`."
COLUMNS = {
    "kind": ("kind", "s"),
    "severity": ("severity", "d"),
    "images": ("images", "d"),
    "area": ("marked", ".1%"),
    "covered": ("touched", ".1%"),
    "mean_abs_diff": ("mean change (levels)", ".2f"),
    "psnr": ("PSNR (dB)", ".1f"),
    "objects": ("objects", "d"),
    "labels_changed": ("labels changed (px)", "d"),
    "retried": ("drawn again", "d"),
}
HARD = {
    "kind": ("kind", "s"),
    "severity": ("severity", "s"),
    "image_auroc": ("image AUROC", ".3f"),
    "image_detector": ("by", "s"),
    "pixel_auroc": ("pixel AUROC", ".3f"),
    "pixel_detector": ("by ", "s"),
    "level": ("level", "s"),
}


def finish(
    out: Path, per_cell: int = 40, workers: int = 1, how: str = "local", watch: Watch | None = None
) -> dict[str, str]:
    """Write the files that describe a complete set: ``README.md``, ``statistics.csv``, ``difficulty.csv``,
    ``recipe.yaml``, ``preview.jpg`` where the set holds images, the arrays of layout "cifar10-c".

    Args:
        out: folder of the set.
        per_cell: images per kind and severity that the naive detectors see; 0 leaves the difficulty out.
        workers: processes. how: "local" or "ray".
        watch: called with (images measured, images to measure).

    Returns:
        {name: why} of arrays of layout "cifar10-c" that cannot be written.
    """
    stored = StoredSet(out)
    unstacked = {}
    if stored.header["identity"]["layout"] == "cifar10-c":
        unstacked = write_arrays(out, workers, how, watch)
    table = numbers(stored.records)
    hard = pd.DataFrame()
    if per_cell and not table.empty:
        hard = difficulty(out, per_cell, workers, how, watch)
        table = table.merge(hard[DIFFICULTY], how="left")
        write_bytes(out / HARDNESS, hard.to_csv(index=False, float_format="%.6g").encode())
    write_bytes(out / STATISTICS, table.to_csv(index=False, float_format="%.6g").encode())
    write_bytes(out / RECIPE, recipe_text(stored.header["entries"]).encode())
    pictured = any(record["out_path"] is not None and record["kind"] for record in stored.records)
    if pictured:
        write_bytes(out / PREVIEW, preview_of(stored))
    write_bytes(out / TEXT, _readme(stored, table, hard, pictured).encode())
    return unstacked


def described(out: Path) -> bool:
    """Whether the files that :func:`finish` writes are there; of arrays, with their whole size."""
    if any(
        not (out / name).is_file() or not (out / name).stat().st_size for name in (TEXT, STATISTICS, RECIPE)
    ):
        return False
    return read_header(out)["identity"]["layout"] != "cifar10-c" or arrays_are_whole(out)


def recipe_text(entries: Sequence[dict[str, Any]]) -> str:
    """The YAML of a recipe's entries."""
    items = []
    for entry in entries:
        item = {"kind": entry["kind"], "weight": entry["weight"], "severity": list(entry["severities"])}
        params = dict(entry["params"])
        items.append(item | ({"params": params} if params else {}))
    return yaml.safe_dump(items, sort_keys=False)


def preview_of(stored: StoredSet) -> bytes:
    """A JPEG with an example of every kind and severity, anomalous pixels outlined."""
    cells, rows = {}, dict[str, None]()
    for record in stored.records:
        at = (str(record["kind"]), str(record["severity"]))
        if record["kind"] is None or record["out_path"] is None or at in cells:
            continue
        found = stored.read(record)
        cells[at] = outlined(found.image, found.maps.get("mask"), THUMBNAIL)
        rows[at[0]] = None
    page = sheet(cells, sorted(rows), [str(severity) for severity in SEVERITIES], THUMBNAIL)
    return Codec("jpg").encode(page)


def _readme(stored: StoredSet, table: pd.DataFrame, hard: pd.DataFrame, pictured: bool) -> str:
    header = stored.header
    identity = header["identity"]
    made = [record for record in stored.records if not record["is_clean_copy"]]
    return README.format(
        name=markdown_cell(shown(stored.folder.resolve().name)),
        banner=BANNER if header["origin"] == "miniature" else "",
        source=markdown_cell(f"{identity['source']} {identity['split']}".strip()),
        images=header["images"],
        anomalous=len(made),
        severity=identity["severity"],
        generator=header["generator"],
        versions=", ".join(f"{name} {number}" for name, number in header["versions"].items()),
        command=command(header),
        preview=f"![one example per kind and severity, masks outlined]({PREVIEW})"
        if pictured
        else NO_PREVIEW,
        storage=ARRAYS if identity["layout"] == "cifar10-c" else STORAGE[identity["materialize"]],
        header=HEADER,
        lines=LINES,
        table=TABLE,
        statistics=_markdown(table, COLUMNS),
        difficulty=_difficulty(hard),
        kinds="\n".join(f"| {index} | {markdown_cell(kind)} |" for kind, index in header["kinds"].items()),
        retries=int(table["retried"].sum()) if len(table) else 0,
        bad=_bad(stored.bad),
        assets=_assets(stored.records),
    )


def command(header: dict[str, Any]) -> str:
    """The command that makes a set again, from the recipe beside it."""
    identity, spec = header["identity"], header["source"]
    words = ["python", "-m", "anomalies.generate"]
    if spec["ind"] is not None:
        words += ["--ind", short_names([spec["ind"]])[spec["ind"]], "--split", spec["split"]]
        words += ["--data-root", "DATA"] if spec["data_root"] else []
        words += ["--keep-together", spec["keep_together"]] if spec.get("keep_together") else []
    else:
        words += ["--images", "FOLDER"]
    words += ["--recipe", RECIPE, "--severity", identity["severity"], "--seed", str(identity["seed"])]
    words += ["--every-kind"] if identity["every_kind"] else []
    words += ["--limit", str(spec["limit"])] if spec["limit"] is not None else []
    for option in ("format", "materialize", "layout"):
        words += [f"--{option}", identity[option]]
    return shlex.join([*words, "--out", "NEW"])


def _markdown(table: pd.DataFrame, columns: dict[str, tuple[str, str]]) -> str:
    lines = ["| " + " | ".join(title for title, _ in columns.values()) + " |"]
    lines.append("|" + "|".join("---" if form == "s" else "--:" for _, form in columns.values()) + "|")
    for _, row in table.iterrows():
        lines.append("| " + " | ".join(_cell(row[name], form) for name, (_, form) in columns.items()) + " |")
    return "\n".join(lines)


def _difficulty(hard: pd.DataFrame) -> str:
    if hard.empty:
        return "Not measured."
    known = hard[hard["level"] != TOO_FEW]
    if known.empty:
        return f"Not known: {FEWEST} images of a kind are needed."
    return _markdown(known.assign(severity=known["severity"].replace({0: "all"}).astype(str)), HARD)


def _cell(value: Any, form: str) -> str:
    if pd.isna(value) or value == "":
        return "-"
    return markdown_cell(str(value)) if form == "s" else format(int(value) if form == "d" else value, form)


def _bad(records: list[Record]) -> str:
    if not records:
        return "None."
    lines = list(
        dict.fromkeys(markdown_cell(f"- {record['status']}: {record['error']}") for record in records)
    )
    more = [f"- and {len(lines) - LISTED} more, in the manifest"] if len(lines) > LISTED else []
    return "\n".join(lines[:LISTED] + more)


def _assets(records: list[Record]) -> str:
    used = sorted({(r["asset_id"], r["asset_licence"] or "not stated") for r in records if r["asset_id"]})
    lines = [markdown_cell(f"- {name}: {licence}") for name, licence in used]
    return "\n".join(lines) or "None: everything is drawn by code."
