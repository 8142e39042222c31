"""Our own API and the compatible ones."""
