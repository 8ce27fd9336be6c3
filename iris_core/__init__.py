"""The core of Iris MLOps Pipelines, without Airflow: finds owed work, and does it exactly once."""

import os

# For the allocator of polars, which reads it once: threads share two arenas. With one for each core and more,
# a task that reads a hundred odd tables keeps 40 MB more of what it has freed.
os.environ.setdefault("_RJEM_MALLOC_CONF", "narenas:2")
