"""Groups of tasks that a DAG takes in as one."""
