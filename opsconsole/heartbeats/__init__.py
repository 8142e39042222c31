"""Checks whose silence is the alarm."""
