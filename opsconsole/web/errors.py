"""What pages raise, and the router that keeps their paths."""


class NotFound(Exception):
    """There is no such thing; the text says what was looked for."""
