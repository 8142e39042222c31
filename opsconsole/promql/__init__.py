"""The query language: parsing is pure, evaluation is numpy over samples that a `SeriesSource` hands over."""

from opsconsole.promql.engine import Engine, check
from opsconsole.promql.layout import pretty
from opsconsole.promql.nodes import matchers_of, metric_names
from opsconsole.promql.parser import parse, parse_selector
from opsconsole.promql.printer import show
from opsconsole.promql.settings import Limits, Settings

__all__ = ["Engine", "Limits", "Settings", "check", "matchers_of", "metric_names", "parse", "parse_selector", "pretty", "show"]
