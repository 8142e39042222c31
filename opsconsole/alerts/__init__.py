"""Findings into state over time: lifecycle, grouping, routing, inhibition."""
