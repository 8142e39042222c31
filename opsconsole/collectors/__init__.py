"""Pull collectors and push listeners, one file per source."""
