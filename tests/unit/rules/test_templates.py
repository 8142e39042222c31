"""Templates render as Prometheus renders them; the expected texts of the humanize functions are promtool's."""

import math
from collections.abc import Mapping, Sequence

import pytest

from opsconsole.rules.templates import Context, Element, TemplateError, Unanswered, compile_template, render

LABELS = {"deployment": "prod", "instance": "web.example.com:9090", "pool": "a b"}


def rendered(text: str, value: float = 1.0, url: str = "", answers: Mapping[str, Sequence[Element]] | None = None) -> str:
    return render(compile_template(text), Context(LABELS, value, url, answers=answers or {}))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain } text {", "plain } text {"),
        ("{{ $labels.deployment }}: down", "prod: down"),
        ("{{$labels.deployment}}{{ .Labels.missing }}!", "prod!"),
        ("{{ .Labels.deployment | toUpper }}", "PROD"),
        ('{{ "a\\tb" }}{{ `raw\\n` }}', "a\tbraw\\n"),
        ("a {{- /* gone */ -}} b", "ab"),
        ("a  {{- 1 -}}  b", "a1b"),
        ("{{ if eq $labels.deployment `prod` `test` }}yes{{ else }}no{{ end }}", "yes"),
        ("{{ if gt $value 0.5 }}high{{ else if gt $value 0.1 }}middle{{ else }}low{{ end }}", "high"),
        ("{{ if and (lt 1 2) (not false) }}both{{ end }}", "both"),
        ('{{ or "" "second" }}', "second"),
        ("{{ with $labels.missing }}never{{ else }}nothing{{ end }}", "nothing"),
        ("{{ range $name, $held := $labels }}{{ $name }}={{ len $held }};{{ end }}", "deployment=4;instance=20;pool=3;"),
        ("{{ range $labels }}{{ . }}{{ break }}{{ end }}", "prod"),
        ("{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ end }}{{ $x }}", "2"),
        ("{{ $x := 1 }}{{ if true }}{{ $x := 2 }}{{ end }}{{ $x }}", "1"),
        ('{{ define "t" }}<{{ . }}>{{ end }}{{ template "t" $value }}', "<1>"),
        ('{{ printf "%s is %.2f%% of %05d, %q, %v" "x" 12.345 42 `q"` true }}', 'x is 12.35% of 00042, "q\\"", true'),
        ('{{ printf "%d" $value }}', "%!d(float64=1)"),
        ('{{ printf "%s" }}', "%!s(MISSING)"),
        ("{{ $labels.instance | stripPort }} {{ stripDomain $labels.instance }}", "web.example.com web:9090"),
        ('{{ reReplaceAll "(.*):(.*)" "$2/${1}" $labels.instance }}', "9090/web.example.com"),
        ('{{ if match "^web" $labels.instance }}web{{ end }}', "web"),
        ('{{ "hello wide world" | title }}', "Hello Wide World"),
        ("{{ js `it's <b>` }} {{ urlquery `a b` }} {{ html `<a>` }}", "it\\'s \\u003Cb\\u003E a+b &lt;a&gt;"),
        ("{{ len $labels }} {{ index $labels `pool` }}", "3 a b"),
        ('{{ block "b" 1 }}<{{ . }}>{{ end }}{{ template "b" 2 }}', "<1><2>"),
        ("{{ with toTime 1435065584.128 }}{{ .Year }} {{ .Weekday }} {{ .Format `02 Jan 06 15:04:05.000 MST` }}{{ end }}",
         "2015 Tuesday 23 Jun 15 13:19:44.128 UTC"),
        ("{{ toDuration 5400.5 }} {{ (toDuration 90).Minutes }} {{ toDuration 0.0015 }}", "1h30m0.5s 1.5 1.5ms"),
        ("{{ now | humanizeTimestamp }} {{ urlQueryEscape `a b&` }}", "1970-01-01 00:00:00 +0000 UTC a+b%26"),
        ('{{ printf "%[2]*[1]d|%-6.2f|%x|%q" 42 5 }}', "   42|%!f(int=05    )|%!x(MISSING)|%!q(MISSING)"),
        ('{{ printf "%+q %#x %T %U" "é" 255 $labels 9731 }}', '"\\u00e9" 0xff map[string]string U+2603'),
        ("{{ range 3 }}{{ . }}{{ end }}", "012"),
        ("{{ externalURL }}|{{ $externalURL }}|{{ pathPrefix }}", "http://console/x|http://console/x|/x"),
    ],
)  # fmt: skip
def test_a_template_renders_as_in_prometheus(text: str, expected: str) -> None:
    assert rendered(text, url="http://console/x") == expected


@pytest.mark.parametrize(
    "text",
    [
        "{{ nil }}",
        "{{ 1 2 }}",
        "{{ $x = 1 }}",
        "{{ call 1 }}",
        "{{ 9223372036854775808 }}",
        "{{ (toTime 1).Nope }}",
        "{{ toTime `x` }}",
    ],
)
def test_a_mistake_that_shows_when_it_is_rendered(text: str) -> None:
    with pytest.raises(TemplateError):
        rendered(text)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1.0, "1"),
        (0.1, "0.1"),
        (123456.789, "123456.789"),
        (1234567.0, "1.234567e+06"),
        (1e21, "1e+21"),
        (1.5e-7, "1.5e-07"),
        (-0.0001, "-0.0001"),
        (math.inf, "+Inf"),
        (math.nan, "NaN"),
    ],
)
def test_a_value_prints_in_gos_shortest_form(value: float, expected: str) -> None:
    assert rendered("{{ $value }}", value) == expected


@pytest.mark.parametrize(
    ("function", "value", "expected"),
    [
        ("humanize", 0.0, "0"),
        ("humanize", 1234567.0, "1.235M"),
        ("humanize", 0.0123, "12.3m"),
        ("humanize", -15.0, "-15"),
        ("humanize1024", 1048576.0, "1Mi"),
        ("humanize1024", 0.5, "0.5"),
        ("humanizeDuration", 0.0, "0s"),
        ("humanizeDuration", 0.0035, "3.5ms"),
        ("humanizeDuration", 59.5, "59.5s"),
        ("humanizeDuration", 61.9, "1m 1s"),
        ("humanizeDuration", 3600.0, "1h 0m 0s"),
        ("humanizeDuration", -90061.0, "-1d 1h 1m 1s"),
        ("humanizeDuration", math.inf, "+Inf"),
        ("humanizePercentage", 0.12345, "12.35%"),
        ("humanizeTimestamp", 1435065584.128, "2015-06-23 13:19:44.128 +0000 UTC"),
        ("humanizeTimestamp", 0.0, "1970-01-01 00:00:00 +0000 UTC"),
    ],
)
def test_a_number_is_humanized(function: str, value: float, expected: str) -> None:
    assert rendered(f"{{{{ $value | {function} }}}}", value) == expected


def test_a_query_is_asked_once_and_its_answer_can_be_walked() -> None:
    text = '{{ with printf "up{a=%q}" $labels.deployment | query }}{{ . | first | value }} {{ . | first | label "b" }}{{ end }}'
    with pytest.raises(Unanswered) as asked:
        rendered(text)
    assert asked.value.expr == 'up{a="prod"}'
    assert rendered(text, answers={asked.value.expr: [Element({"b": "c"}, 3.0)]}) == "3 c"
    assert rendered(text, answers={asked.value.expr: []}) == ""


@pytest.mark.parametrize(
    "text",
    [
        "{{ $labels.deployment",
        "{{ nosuch }}",
        "{{ $nosuch }}",
        "{{ if true }}",
        "{{ end }}",
        "{{ }}",
        "{{ else }}",
        "{{ (1 }}",
        "{{ 1 | 2 }}",
        "{{ break }}",
        "{{ /* open }}",
        '{{ "open }}',
        "{{ 1 := 2 }}",
        "{{ # }}",
        "{{ if true }}" * 60,
        "{{ " + "(" * 60 + "1" + ")" * 60 + " }}",
        "x" * 70_000,
    ],
)
def test_a_mistake_in_a_template_is_found_when_it_is_read(text: str) -> None:
    with pytest.raises(TemplateError):
        compile_template(text)


@pytest.mark.parametrize(
    "text",
    [
        "{{ eq 1 1.0 }}",
        "{{ .Nothing }}",
        "{{ index $labels 1 }}",
        "{{ humanizeTimestamp 1e30 }}",
        '{{ humanize "words" }}',
        '{{ template "absent" }}',
        "{{ query }}",
        '{{ "a" | match "(" }}',
        '{{ printf "%100000d" 1 }}',
        '{{ define "loop" }}{{ template "loop" . }}{{ end }}{{ template "loop" . }}',
        '{{ $x := "xxxxxxxx" }}{{ range $labels }}' + "{{ $x = print $x $x }}" * 30 + "{{ end }}{{ $x }}",
        "{{ toUpper 5 }}",
        "{{ first 1 }}",
    ],
)
def test_what_goes_wrong_in_rendering_is_a_template_error(text: str) -> None:
    with pytest.raises(TemplateError):
        rendered(text)
