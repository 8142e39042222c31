"""Pages and APIs; the app starts no loops."""
