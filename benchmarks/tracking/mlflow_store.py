"""MLflow: the server that MLFLOW_TRACKING_URI names, else a local store ``mlflow.db`` in the output folder."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.tracking.base import Tracker, named

EXPERIMENT = "lsood-bench"
LONGEST, AT_ONCE = 500, 100


class MlflowTracker(Tracker):
    """A run of the experiment "lsood-bench"."""

    def __init__(self, out: Path, title: str) -> None:
        from mlflow import MlflowClient

        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.ERROR)  # they tell of every table they make
        uri = os.environ.get("MLFLOW_TRACKING_URI")
        place: dict[str, Any] = {}
        if not uri:
            out.mkdir(parents=True, exist_ok=True)
            uri = f"sqlite:///{(out / 'mlflow.db').absolute().as_posix()}"
            place = {"artifact_location": (out / "mlflow-artifacts").absolute().as_uri()}
        self._client = MlflowClient(tracking_uri=uri)
        found = self._client.get_experiment_by_name(EXPERIMENT)
        number = self._client.create_experiment(EXPERIMENT, **place) if found is None else found.experiment_id
        self._run = self._client.create_run(number, run_name=title).info.run_id

    def parameters(self, values: Mapping[str, Any]) -> None:
        from mlflow.entities import Param

        said = [Param(named(name), str(value)[:LONGEST]) for name, value in values.items()]
        for first in range(0, len(said), AT_ONCE):
            self._client.log_batch(self._run, params=said[first : first + AT_ONCE])

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        from mlflow.entities import Metric

        now = int(1000 * time.time())
        found = [Metric(name, value, now, step) for name, value in values.items()]
        for first in range(0, len(found), AT_ONCE):
            self._client.log_batch(self._run, metrics=found[first : first + AT_ONCE])

    def close(self, failed: bool) -> None:
        self._client.set_terminated(self._run, "FAILED" if failed else "FINISHED")
