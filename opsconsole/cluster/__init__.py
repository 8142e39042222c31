"""A Prometheus-compatible cluster underneath: samples are remote-written to it, queries go to its API."""
