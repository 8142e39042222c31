"""The observability and operations console for Apache Airflow deployments."""

__version__ = "0.1.0"
