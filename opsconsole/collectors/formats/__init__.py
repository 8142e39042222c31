"""Pure parsers of what arrives."""
