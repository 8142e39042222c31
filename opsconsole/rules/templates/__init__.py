"""Go's text/template as Prometheus uses it in rules' labels and annotations: a small, bounded, pure implementation."""

from opsconsole.rules.templates.parser import Template, compile_template
from opsconsole.rules.templates.render import Unanswered, render
from opsconsole.rules.templates.tokens import TemplateError
from opsconsole.rules.templates.values import Context, Element

__all__ = ["Context", "Element", "Template", "TemplateError", "Unanswered", "compile_template", "render"]
