"""Message queues, for Airflow's common messaging provider."""
