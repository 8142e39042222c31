import pytest

from opsconsole.documents import parse
from opsconsole.model import ConfigError

TEXT = """\
server:
  listen: 127.0.0.1:8600
slas:
  - name: a
    deadline: 7:00
  - name: b
"""


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        parse(text, "c.yaml")
    return raised.value.problems


def test_every_value_knows_its_line() -> None:
    document = parse(TEXT, "c.yaml")
    assert document.line(("server", "listen")) == 2
    assert document.line(("slas", 1, "name")) == 6
    assert document.problem(("slas", 0, "deadline"), "no") == "c.yaml:5: no"


def test_a_place_that_the_file_lacks_is_told_at_the_nearest_line() -> None:
    assert parse(TEXT, "c.yaml").line(("slas", 1, "deadline", 3)) == 6


def test_a_time_of_day_is_text_and_not_a_sexagesimal_number() -> None:
    assert parse("7:00", "c.yaml").value == "7:00"


def test_a_date_is_text() -> None:
    assert parse("d: 2026-01-01", "c.yaml").value == {"d": "2026-01-01"}


@pytest.mark.parametrize(("text", "value"), [("1", 1), ("1.5", 1.5), ("-3", -3), ("1e3", 1000.0), ("0x10", 16), (".5", 0.5)])
def test_numbers_are_numbers(text: str, value: float) -> None:
    assert parse(text, "c.yaml").value == value


def test_an_empty_document_is_none() -> None:
    assert parse("# nothing\n", "c.yaml").value is None


def test_a_key_given_twice_is_told_with_its_line() -> None:
    assert problems("a: 1\nb: 2\na: 3\n") == ["c.yaml:3: 'a' is given twice"]


def test_broken_yaml_is_told_with_its_line() -> None:
    (problem,) = problems("a: 1\nb: [1, 2\nc: 3\n")
    assert problem.startswith("c.yaml:3: not YAML:")


def test_a_tag_that_would_run_code_is_refused() -> None:
    (problem,) = problems("a: !!python/object/apply:os.system ['true']\n")
    assert "c.yaml:1: not YAML" in problem


def test_bytes_that_are_no_text_are_refused() -> None:
    (problem,) = problems("a: \x00")
    assert problem.startswith("c.yaml:1: not YAML")


def test_a_document_nested_without_end_is_refused() -> None:
    (problem,) = problems("[" * 100_000)
    assert "nested too deeply" in problem or "not YAML" in problem


def test_aliases_that_multiply_are_told_and_not_written_out() -> None:
    ten = ", ".join(["*{}"] * 10)
    layers = "".join(
        f"{name}: &{name} [{ten.replace('{}', before)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    assert "with its aliases written out" in problems(f"a: &a [x]\n{layers}")[0]


def test_bare_numbers_and_booleans_are_kept_as_they_were_written() -> None:
    value = parse("on: yes\na: &a {x: 0x10, y: 1.50}\nb: {<<: *a, y: 1e3}\nc: ~\nd: '0x1'\n5: [1_0]\n", "c.yaml").value
    assert value == {True: True, "a": {"x": 16, "y": 1.5}, "b": {"x": 16, "y": 1000.0}, "c": None, "d": "0x1", 5: [10]}
    assert value.written == {"on": "yes", "a": value["a"], "b": value["b"], "c": None, "d": "0x1", "5": [10]}
    assert value["b"].written == {"x": "0x10", "y": "1e3"}


@pytest.mark.parametrize("more", ["b: 2\n", "{{{\n", "a: *nothing\n"])
def test_of_several_documents_the_first_can_be_read_alone(more: str) -> None:
    first = parse(f"---\na: 1\n---\n{more}", "c.yaml", first=True)
    assert (first.value, first.followed) == ({"a": 1}, True)
    assert problems(f"---\na: 1\n---\n{more}")[0].startswith("c.yaml:3: not YAML")


@pytest.mark.parametrize("text", ["", "a: 1\n", "---\na: 1\n...\n"])
def test_a_document_alone_is_followed_by_none(text: str) -> None:
    assert not parse(text, "c.yaml", first=True).followed
