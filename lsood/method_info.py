"""What the runner must know of a method, apart from how it scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar


class MethodInfo:
    """Literal class attributes, so that lists of methods need not import them.

    Attributes:
        name: unique, as typed after ``--methods``.
        paper: authors, venue, year; where there is none, "none: " and why.
        formula: of the score, one line of plain text, in the notation of docs/methods.md.
        fitted_on: images that it learns from: "fit set", "fit set, labels", "validation", ...; "": none.
        cost: what it adds to the one pass over an image, beyond milliseconds: "1 step", "16 passes", ...; "": nothing.
        checked: what its scores are compared with by a test: another library's implementation, a float64 formula, ...
        group: under which heading of `lsood.method_table.HEADINGS` lists show it; "": by the folder of its file.
        protocols: supported ones of "no-ood", "fgsm-val" and "oracle-val"; the first is the default.
        fixed_threshold: the score above which the method itself says OoD; None: the threshold comes from validation
            scores.
        unsupported_tasks: {task: why the method does not apply to networks of that task}.
        argument: the constructor argument that follows an "@" in a typed name.
        auxiliary_networks: which further networks it needs ("ensemble", "outlier-exposure", "mc-dropout", "vmdls"),
            trained by the runner and passed to the constructor as (networks, hash of their weights); None: none.
        levels: levels at which the method can score rows: "image", "pixel", "object".
        needs_labels: whether the fit or validation images must have true classes, where every image has one.
        logit_score: name of the method's score in `lsood.probes.logit_scores`, where it is one of logits alone: pixels
            and detections are scored by it, and their images by its mean; None: it is not.
    """

    name: ClassVar[str]
    paper: ClassVar[str] = ""
    formula: ClassVar[str] = ""
    fitted_on: ClassVar[str] = ""
    cost: ClassVar[str] = ""
    checked: ClassVar[str] = ""
    group: ClassVar[str] = ""
    protocols: ClassVar[tuple[str, ...]] = ("no-ood",)
    fixed_threshold: ClassVar[float | None] = None
    unsupported_tasks: ClassVar[Mapping[str, str]] = {}
    argument: ClassVar[str] = "layer"
    auxiliary_networks: ClassVar[str | None] = None
    levels: ClassVar[tuple[str, ...]] = ("image", "object")
    needs_labels: ClassVar[bool] = False
    logit_score: ClassVar[str | None] = None
