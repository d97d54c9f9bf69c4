"""The README of a generated set."""

from __future__ import annotations

README = """# {name}

{banner}{anomalous} images with synthetic anomalies (severity {severity}) made from {images} images of {source}, and
a clean copy of each that went through the same codec. {storage}

{preview}

## Make it again

```
{command}
```

`NEW` must hold the same pixels: an image is a function of recipe, seed and its key alone, whatever the number of
workers or the order. Made by {generator} ({versions}).

```
python -m anomalies.verify FOLDER                              # hashes of all decoded pixels
python -m benchmarks.run --ind NAME --ood generated:FOLDER     # as an OoD set
```

## What is in it

- `{header}`: options, recipe, kinds, versions. `recipe.yaml`: the recipe. `{table}` and `{lines}`: a
  record per image, sorted by id. `statistics.csv`, `difficulty.csv`: the tables below; severity 0
  means all together.
- mask: 0 not anomalous, 1 anomalous (opacity >= 0.5), 255 to be ignored (0.05 <= opacity < 0.5, and void).
  Anomalies of the whole image have none; their records say `mask: global`.
- alpha: opacity x 255. kind: 0 none, else the index below. instances: 16 bit, an id per object. soiling: 0 clean,
  1 transparent, 2 semi-transparent, 3 opaque.
- labels: as in the source where nothing moved or covers them. An object pasted over them gets an id that
  evaluations ignore; the clean copy keeps the untouched label.

| index | kind |
|--:|---|
{kinds}

## Statistics

{statistics}

Means over images; objects and labels are sums. {retries} images were drawn again because the first drawing was not
valid (not visible where marked, visible elsewhere, on void, over a person).

## Difficulty

{difficulty}

AUROC of the best naive detector, which knows nothing of the scene: eleven global statistics and their Mahalanobis
distance per image; Lab colour, noise residual, JPEG error and gradient per pixel. trivial from .95, easy from .80,
medium from .65, hard below.

## Not made

{bad}

## Assets

{assets}
"""
