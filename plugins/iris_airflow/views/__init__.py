"""The page in Airflow's UI: shows a project's state from ledger and store, and takes a person's decisions."""
