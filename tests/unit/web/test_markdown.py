from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsconsole.web.markdown import html
from opsconsole.web.runbooks import Runbook, find, name_in, rendered

RUNBOOK = """
## What it means

The scheduler is **silent**.

## First steps

1. Is it there? `kubectl get pods`
2. Look at its log:

   ```sh
   kubectl logs scheduler <pod> --tail 50
   ```

   Then read on.
3. Restart it.

## How to see that it is over

The incident resolves.
"""


def test_a_runbooks_first_steps_are_one_list_with_its_code() -> None:
    steps = Runbook("x", "X", RUNBOOK).first_steps
    assert steps.count("<li>") == 3
    assert steps.count("<ol>") == 1
    assert "<code>kubectl get pods</code>" in steps
    assert "<pre><code>kubectl logs scheduler &lt;pod&gt; --tail 50</code></pre>" in steps
    assert "How to see" not in steps


def test_what_markdown_can_say() -> None:
    made = html(
        "# A\n\ntext *soft* **hard** <https://a.b/c>\nmore\n\n- one\n  - two\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n> said\n"
    )
    for part in (
        "<h1>A</h1>",
        "<em>soft</em>",
        "<strong>hard</strong>",
        '<a href="https://a.b/c">https://a.b/c</a>',
        "<ul><li>one",
        "<ul><li>two</li></ul>",
        "<td>2</td>",
        "<blockquote><p>said</p></blockquote>",
    ):
        assert part in made, part


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "[x](javascript:alert(1))",
        "[x](JaVaScript:alert(1))",
        "[x](data:text/html,x)",
        "[x](//evil.example)",
        '[x](https://a" onmouseover="alert(1))',
        "`<b>`",
        "# <img src=x onerror=y>",
        "|<b>|\n|---|\n|<i>|",
    ],
)
def test_nothing_active_comes_through(text: str) -> None:
    made = html(text)
    for wrong in ("<script", "<img", "<b>", "<i>", "javascript:alert", 'href="data:', 'href="//', '" onmouseover'):
        assert wrong not in made.replace("(javascript:alert", "") or (wrong == "javascript:alert" and "href" not in made)


@given(st.text(alphabet="#*-_`>|[]()1. \n\tab<&\"'~", max_size=300))
def test_any_text_is_rendered_and_stays_harmless(text: str) -> None:
    made = html(text)
    assert "<a<" not in made
    assert made.count("<pre>") == made.count("</pre>")


def test_a_link_to_another_runbook_leads_to_its_page() -> None:
    assert '<a href="scheduler-down">' in rendered("[see](scheduler-down.md)")
    assert '<a href="https://a.b/c.md">' in rendered("[see](https://a.b/c.md)")


def test_runbooks_are_found_by_their_address_and_nothing_else_is(tmp_path: Path) -> None:
    (tmp_path / "scheduler-down.md").write_text("# Scheduler down\n\n" + RUNBOOK)
    (tmp_path.parent / "secret.md").write_text("# secret")
    assert name_in("docs/runbooks/scheduler-down.md") == "scheduler-down"
    assert name_in("https://wiki/x.md") == ""
    found = find(tmp_path, "scheduler-down.md")
    assert found
    assert found.title == "Scheduler down"
    assert find(tmp_path, "../secret") is None
    assert find(tmp_path, "nope") is None
    assert find(None, "scheduler-down") is None
