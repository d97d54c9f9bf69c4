"""What differs between tasks for the benchmark: one file per task, found by name."""

from lsood.registry import Registry

TASKS = Registry("task", ("benchmarks.tasks",), group="lsood.benchmark_tasks", key="task")
