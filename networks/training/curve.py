"""The training curve: a row per epoch, in a file beside the training state that is whole at any moment."""

from __future__ import annotations

import csv
import io
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from torch import Tensor

from lsood.io import write_text

CURVE = "curve.csv"
Row = dict[str, float]
_observer: ContextVar[Callable[[Row], None] | None] = ContextVar("training_curve_observer", default=None)


@contextmanager
def observed(by: Callable[[Row], None]) -> Iterator[None]:
    """Inside the block every epoch of a training is also told to a function, as the row of its curve."""
    token = _observer.set(by)
    try:
        yield
    finally:
        _observer.reset(token)


def read_curve(folder: Path) -> list[Row]:
    """The rows of the curve in a folder of `networks.fit`, without the values that an epoch does not have; [] where
    there is none. What cannot be read, and what follows it, is left out.
    """
    rows: list[Row] = []
    with (
        suppress(OSError, ValueError, csv.Error),
        (folder / CURVE).open(encoding="utf-8", newline="") as file,
    ):
        for text in csv.DictReader(file):
            row = {name: float(value) for name, value in text.items() if value}
            if not row.get("epoch", 0.5).is_integer():
                break
            rows.append(row)
    return rows


class Curve(Callback):
    """Writes `CURVE`: epoch (from 1), train_loss (mean over the epoch's batches), val_loss and figures (empty where an
    epoch was not validated), lr (of the epoch's last step), seconds (of the epoch, validation included).

    A training that resumes goes on after the rows of the epochs that its state holds.
    """

    def __init__(self, folder: Path, figures: Sequence[str]) -> None:
        self.folder = folder
        self.columns = ("epoch", "train_loss", "val_loss", *figures, "lr", "seconds")
        self._rows: list[Row] | None = None
        self._start = 0.0
        self._losses: list[Tensor] = []
        self._lr = math.nan
        self._validated = False

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Drop rows of epochs that are trained again."""
        known = read_curve(self.folder) if self._rows is None else self._rows
        self._rows = [row for row in known if row["epoch"] <= trainer.current_epoch]
        self._start, self._losses, self._validated = time.perf_counter(), [], False

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """The learning rate, before the schedule moves it on."""
        self._lr = float(trainer.optimizers[0].param_groups[0]["lr"])

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """The loss, left on its device."""
        self._losses.append(outputs["loss"].detach())

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Figures of this epoch exist."""
        self._validated = True

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Runs after the validation of the epoch and before its state is saved."""
        assert self._rows is not None
        losses = [float(loss) for loss in self._losses]
        values: Row = {
            "epoch": trainer.current_epoch + 1,
            "train_loss": sum(losses) / max(len(losses), 1),
            "lr": self._lr,
            "seconds": time.perf_counter() - self._start,
        }
        for name in self.columns if self._validated else ():
            if (found := trainer.callback_metrics.get(f"val_{name.removeprefix('val_')}")) is not None:
                values[name] = float(found)
        row = {name: values[name] for name in self.columns if name in values and math.isfinite(values[name])}
        self._rows.append(row)
        text = io.StringIO()
        writer = csv.DictWriter(text, self.columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: f"{value:.7g}" for name, value in one.items()} for one in self._rows)
        write_text(self.folder / CURVE, text.getvalue())
        if (observer := _observer.get()) is not None:
            observer(row)
