"""What differs between tasks for probes and methods: one file per task, found by name."""

from lsood.registry import Registry

TASKS = Registry("task", ("lsood.tasks",), group="lsood.tasks", key="task")
