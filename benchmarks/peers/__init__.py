"""A real Prometheus beside the console, given the same samples, and both's figures."""
