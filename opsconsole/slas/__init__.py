"""What each Dag has promised, and whether it holds."""
