"""The delivery pipeline and the messages."""
