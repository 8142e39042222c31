"""Pages of metrics are read as their formats say, strictly, and the same whether their lines are known or not."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsconsole.collectors.formats.exposition import OPENMETRICS, TEXT, Grammar, Told, labels, millis
from opsconsole.collectors.formats.page import Page, PageError, read

Read = dict[bytes, float]


def series(page: Page, known: dict[bytes, int] | None = None) -> list[tuple[bytes, float]]:
    names = {ref: key for key, ref in (known or {}).items()}
    refs = page.refs.tolist()
    return [(names[r] if r > 0 else page.keys[-1 - r], v) for r, v in zip(refs, page.values.tolist(), strict=True)]


def numbered(page: Page) -> dict[bytes, int]:
    return {key: ref for ref, key in enumerate(page.keys, 1)}


def text(page: str, grammar: Grammar = TEXT) -> dict[str, float]:
    found = read(page.encode(), grammar, {})
    return {repr(labels(key, grammar)): value for key, value in series(found)}


@pytest.mark.parametrize(
    ("line", "said", "value"),
    [
        ("up 1", {"__name__": "up"}, 1),
        ("a:b_c9{} -1.5e3", {"__name__": "a:b_c9"}, -1500),
        ('m{a="x",b="y"} .5', {"__name__": "m", "a": "x", "b": "y"}, 0.5),
        ('m { a = "x" , } 2', {"__name__": "m", "a": "x"}, 2),
        ('m{a="x"}3', {"__name__": "m", "a": "x"}, 3),
        ('\tm\t{a="x"}\t4.\t', {"__name__": "m", "a": "x"}, 4),
        ('m{a="\\"\\\\\\n\\x"} +Inf', {"__name__": "m", "a": '"\\\n\\x'}, math.inf),
        ('m{a="} 1 {"} -inf', {"__name__": "m", "a": "} 1 {"}, -math.inf),
        ('m{a="# {"} 1', {"__name__": "m", "a": "# {"}, 1),
        ('{"süß.metric","ein name"="ü"} 1', {"__name__": "süß.metric", "ein name": "ü"}, 1),
        ('{a="b","m"} 1', {"__name__": "m", "a": "b"}, 1),
        ("m 0x", None, 0),
        ("m 1_0", None, 0),
        ("m 0x1p-2", None, 0),
        ("m 1e999", None, 0),
        ("m +nan", None, 0),
        ("m", None, 0),
        ("m ", None, 0),
        ("9m 1", None, 0),
        ("m{a=1} 1", None, 0),
        ("m{a='x'} 1", None, 0),
        ('m{a="x"', None, 0),
        ('m{a="x} 1', None, 0),
        ("m{,} 1", None, 0),
        ('m{a="x",,} 1', None, 0),
        ('m{a="x" b="y"} 1', None, 0),
        ('m{9="x"} 1', None, 0),
        ('m{a:b="x"} 1', None, 0),
        ("m{a} 1", None, 0),
        ("m 1 x", None, 0),
        ("m 1 1.5", None, 0),
        ("m 1 2 3", None, 0),
        ("m 1\r", None, 0),
        ("{} 1", None, 0),
        ('m{a="x",a="y"} 1', None, 0),
        ('m{"n"} 1', None, 0),
        ('m{__name__="n"} 1', None, 0),
        ('m{""="n"} 1', None, 0),
        ("# TYPE m nonsense", None, 0),
        ("# TYPE m", None, 0),
        ("# TYPE 9 gauge", None, 0),
    ],
)
def test_a_line_of_text_is_read_or_refused(line: str, said: dict[str, str] | None, value: float) -> None:
    page = f"# HELP m Something.\n\nother 7\n{line}\n".encode()
    if said is None:
        with pytest.raises(ValueError, match=r"."):
            [labels(key, TEXT) for key, _ in series(read(page, TEXT, {}))]
        return
    found = read(page, TEXT, {})
    again = read(page, TEXT, numbered(found))
    for got in (series(found), series(again, numbered(found))):
        assert [(labels(key, TEXT), number) for key, number in got[1:]] == [(said, value)]


def test_an_error_names_its_line() -> None:
    for broken, line in (("a 1\nb x\n", 2), ("a 1\n\n# x\nb\n", 4), ("a 1\nb{ 2\n", 2)):
        with pytest.raises(PageError, match=f"line {line}: "):
            read(broken.encode(), TEXT, {})
    with pytest.raises(PageError, match="line 2: 'x' is no value"):
        read(b"a 1\nb x\n", TEXT, {b"a": 1, b"b": 2})


def test_comments_tell_of_families_and_the_rest_of_them_nothing() -> None:
    page = "# HELP m Tells \\\\ and\\n more.\n# TYPE m counter\n#TYPE m nothing\n# remark\n# HELPING m x\n# HELP\nm 1\n"
    assert read(page.encode(), TEXT, {}).told == [Told("HELP", "m", "Tells \\ and\n more."), Told("TYPE", "m", "counter")]


def test_times_of_lines_are_milliseconds_in_text_and_seconds_in_openmetrics() -> None:
    page = read(b"a 1 1772366400000\nb 2\n", TEXT, {})
    assert page.times is not None
    assert page.dated is not None
    assert (page.times.tolist(), page.dated.tolist(), page.shape) == ([1772366400000, 0], [True, False], None)
    page = read(b"a 1 -1.5\nb 2 1772366400.123\n# EOF\n", OPENMETRICS, {})
    assert page.times is not None
    assert page.times.tolist() == [-1500, 1772366400123]
    for wrong in (b"nan", b"inf", b"1e300"):
        with pytest.raises(ValueError, match="is no"):
            millis(wrong, OPENMETRICS)


@pytest.mark.parametrize(
    ("page", "why"),
    [
        ("a 1\n", "behind line 1: the page does not end with # EOF"),
        ("", "behind line 0: the page does not end with # EOF"),
        ("a 1\n# EOF\nb 1\n", "does not end with # EOF"),
        ("a 1\n# EOF\n# EOF\n", "line 2: there is more behind"),
        ("a 1\n\n# EOF\n", "line 2: a line is empty"),
        ("# remark\n# EOF\n", "line 1: this is neither"),
        ("#TYPE a gauge\n# EOF\n", "line 1: this is neither"),
        ("a  1\n# EOF\n", "line 1: "),
        ('a{b="c", d="e"} 1\n# EOF\n', "line 1: "),
        ("a\t1\n# EOF\n", "line 1: "),
        (" a 1\n# EOF\n", "line 1: "),
        ("# TYPE a untyped\n# EOF\n", "line 1: 'untyped' is no type"),
        ("# UNIT a_seconds minutes\n# EOF\n", "line 1: the unit"),
        ("a 1 # {} x\n# EOF\n", "line 1: 'x' is no value"),
        ("a 1 # x\n# EOF\n", "line 1: "),
        ('a 1 # {b="c"}\n# EOF\n', "is no exemplar"),
        ("a 1 # {} 1 1 # {} 1\n# EOF\n", "is no exemplar"),
    ],
)
def test_openmetrics_is_read_more_strictly(page: str, why: str) -> None:
    with pytest.raises(PageError, match=why):
        read(page.encode(), OPENMETRICS, {})


def test_openmetrics_has_units_exemplars_and_created_times() -> None:
    page = (
        '# TYPE a_seconds counter\n# UNIT a_seconds seconds\n# HELP a_seconds A \\"quoted\\" help.\n'
        'a_seconds_total{b="c"} 5 # {trace="x # y"} 0.5 1.25\na_seconds_created{b="c"} 1.5e9\n'
        'h_bucket{le="+Inf"} 3 1.5 # {} 1\nempty 1 # {} 2\n# EOF'
    )
    found = read(page.encode(), OPENMETRICS, {})
    assert [value for _, value in series(found)] == [5, 1.5e9, 3, 1]
    assert found.told == [
        Told("TYPE", "a_seconds", "counter"),
        Told("UNIT", "a_seconds", "seconds"),
        Told("HELP", "a_seconds", 'A "quoted" help.'),
    ]


def test_a_page_of_the_same_shape_is_known_as_a_whole_and_any_change_is_seen() -> None:
    page = '# TYPE a gauge\na{b="1"} 1\na{b="2"} 2\n# a remark\n'
    first = read(page.encode(), TEXT, {})
    known = numbered(first)
    second = read(page.encode(), TEXT, known)
    assert second.shape is not None
    again = read(page.replace(" 2", " 333").replace("1\na", "-5e9\na").encode(), TEXT, known, second.shape)
    assert again.shape is second.shape
    assert again.values.tolist() == [-5e9, 333]
    for old, new in (("gauge", "counter"), ("remark", "Remark"), ('"2"', '"3"'), ("a{", "aa{"), ("# a remark\n", "")):
        other = read(page.replace(old, new).encode(), TEXT, known, second.shape)
        assert other.shape is not second.shape
        assert series(other, known) == series(read(page.replace(old, new).encode(), TEXT, {}))


def test_a_page_that_returned_is_told_from_every_other_one() -> None:
    page = '# TYPE a gauge\na{b="12345678"} 1\nup 2\nlong_enough_a_name{b="2"} -0.25\n# a remark\n'
    known, shape = numbered(read(page.encode(), TEXT, {})), None
    for _ in range(3):
        shape = read(page.encode(), TEXT, known, shape).shape
    assert shape is not None
    assert shape.pattern is not None
    moved = page.replace(" 1\n", " 0.1\n").replace(" 2\n", " +Inf\n").replace("-0.25", "123456789012345678")
    again = read(moved.encode(), TEXT, known, shape)
    assert (again.shape, again.values.tolist()) == (shape, [0.1, math.inf, 123456789012345678.0])
    for place in range(len(page)):
        for more in (page[:place] + page[place + 1 :], page[:place] + "~" + page[place + 1 :], page[:place] + "1" + page[place:]):
            try:
                plainly = read(more.encode(), TEXT, {})
            except PageError:
                with pytest.raises(PageError):
                    read(more.encode(), TEXT, known, shape)
            else:
                assert series(read(more.encode(), TEXT, known, shape), known) == series(plainly), more


names = st.sampled_from(["m", "n:x", "up", "a_total"])
values = st.one_of(
    st.floats(), st.integers(-(10**20), 10**20), st.sampled_from(["NaN", "+Inf", "-Inf", "0", "-0", "1e5", "007", ".5"])
)
pairs = st.lists(st.tuples(st.sampled_from(["a", "b", "__x"]), st.text(max_size=6)), max_size=3, unique_by=lambda pair: pair[0])
pages = st.lists(st.tuples(names, pairs, values, st.sampled_from(["", "", " 5", " # {} 1"])), max_size=8)


ESCAPED = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


def line(name: str, said: list[tuple[str, str]], value: object, more: str) -> str:
    inner = ",".join(f'{k}="{v.translate(ESCAPED)}"' for k, v in said)
    return f"{name}{{{inner}}} {value}{more}" if said else f"{name} {value}{more}"


@given(pages, st.integers(0, 10))
@settings(max_examples=300)
def test_pages_that_return_are_read_as_they_were_written(
    written: list[tuple[str, list[tuple[str, str]], object, str]], seed: int
) -> None:
    dice, known, shape = random.Random(seed), dict[bytes, int](), None
    for _ in range(5):
        body = "".join(line(*one) + "\n" for one in written) + "# EOF\n"
        page = read(body.encode(), OPENMETRICS, known, shape)
        if page.shape is not None and page.shape is not shape:
            fresh = numbered(page)
            page.refs[page.refs < 0] = [fresh[page.keys[-1 - ref]] + len(known) for ref in page.refs[page.refs < 0].tolist()]
            known |= {key: ref + len(known) for key, ref in fresh.items()}
        shape = page.shape
        got = [(labels(key, OPENMETRICS), repr(value)) for key, value in series(page, known)]
        assert got == [({"__name__": n, **dict(p)}, repr(float(str(v)))) for n, p, v, _ in written]
        written = [
            (n, p, dice.choice([v, 1, "NaN", 0.1, "-12.5", f"{dice.random() * 1e6:.{dice.randint(0, 12)}f}"]), more)
            for n, p, v, more in written
        ]


@given(st.binary(max_size=60) | st.text('m{}"=, \\#1\n\t', max_size=60).map(str.encode), st.sampled_from([TEXT, OPENMETRICS]))
@settings(max_examples=500)
def test_noise_is_refused_or_read_and_never_worse(body: bytes, grammar: Grammar) -> None:
    try:
        page = read(body, grammar, {})
        [labels(key, grammar) for key in page.keys]
    except ValueError:
        return
    again = read(body, grammar, numbered(page), page.shape)
    assert [repr(one) for one in series(again, numbered(page))] == [repr(one) for one in series(page)]
