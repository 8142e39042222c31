"""Failed Dag runs and tasks as findings."""
