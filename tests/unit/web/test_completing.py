"""Where the cursor stands in a half-written expression, and what fits there."""

import pytest

from opsconsole.web.completing import MOST, Place, Suggestion, labels, place, values, words


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ("", Place("expression")),
        ("up", Place("expression", "up")),
        ("sum(ra", Place("expression", "ra")),
        ("sum by (job) (ra", Place("expression", "ra")),
        ("up + ", Place("expression")),
        ("sum by (", Place("label")),
        ("sum by (job, inst", Place("label", "inst")),
        ("a / on(jo", Place("label", "jo")),
        ("a / ON (jo", Place("label", "jo")),
        ("a * on(x) group_left(y", Place("label", "y")),
        ("up{", Place("label", metric="up", braces=True)),
        ("up{jo", Place("label", "jo", metric="up", braces=True)),
        ('up{job="a", in', Place("label", "in", metric="up", braces=True)),
        ("{", Place("label", braces=True)),
        ('up{job="', Place("value", "", '"', "up", "job")),
        ('up{job="air', Place("value", "air", '"', "up", "job")),
        ("up{job!~'air", Place("value", "air", "'", "up", "job")),
        ("up{job=`air", Place("value", "air", "`", "up", "job")),
        ("up{job=", Place("value", metric="up", label="job")),
        ('up{"odd name"="x', Place("value", "x", '"', "up", "odd name")),
        ('rate(up{job="a", x="b', Place("value", "b", '"', "up", "x")),
        ("up{job", Place("label", "job", metric="up", braces=True)),
        ("up[5", Place("nowhere")),
        ("up[5m", Place("nowhere")),
        ("up[", Place("nowhere")),
        ("5", Place("nowhere")),
        ("up # a remark", Place("nowhere")),
        ("up{job job", Place("nowhere")),
        ('label_replace(up, "', Place("nowhere")),
        ('up{job="a"} and o', Place("expression", "o")),
        ('up{job="a{b"', Place("nowhere")),
        ("))))", Place("expression")),
        ('"(" + u', Place("expression", "u")),
    ],
)
def test_the_cursors_place_is_known(before: str, expected: Place) -> None:
    assert place(before) == expected


def shown(found: list[Suggestion]) -> list[str]:
    return [one.text for one in found]


def test_what_begins_with_the_word_comes_before_what_holds_it() -> None:
    found = words(Place("expression", "rate"), ["airflow_rate", "corporate", "rate_limit", "other"])
    assert shown(found) == ["rate_limit", "rate", "airflow_rate", "corporate", "irate"]
    assert [one.insert for one in found if one.text == "rate"] == ["rate("]


def test_a_word_that_is_whole_already_is_not_offered_again() -> None:
    assert shown(words(Place("expression", "unless"), [])) == []


def test_case_does_not_matter_and_no_list_is_endless() -> None:
    metrics = [f"Metric_{n}" for n in range(1000)]
    assert len(words(Place("expression", "metric_"), metrics)) == MOST
    assert len(words(Place("expression"), metrics)) == MOST


def test_names_that_need_quotes_get_them() -> None:
    (found,) = words(Place("expression", "odd.me"), ["odd.metric"])
    assert (found.text, found.insert) == ("odd.metric", '{"odd.metric"}')
    (label,) = labels(Place("label", "odd", braces=True), ["odd label"])
    assert label.insert == '"odd label"="'
    (plain,) = labels(Place("label", "jo"), ["job"])
    assert plain.insert == "job"


def test_the_name_itself_is_offered_as_a_label_only_to_who_asks_for_it() -> None:
    assert shown(labels(Place("label", "", braces=True), ["__name__", "job"])) == ["job"]
    assert shown(labels(Place("label", "__", braces=True), ["__name__", "job"])) == ["__name__"]


@pytest.mark.parametrize(
    ("quoted", "value", "inserted"),
    [
        ("", "a", '"a"'),
        ('"', "a", 'a"'),
        ('"', 'say "x" \\ \n', 'say \\"x\\" \\\\ \\n"'),
        ("'", 'it\'s "x"', "it\\'s \"x\"'"),
        ("`", "a\\b", "a\\b`"),
    ],
)
def test_a_value_is_escaped_for_the_quotes_that_were_begun(quoted: str, value: str, inserted: str) -> None:
    (found,) = values(Place("value", "", quoted, "up", "job"), [value])
    assert (found.text, found.insert) == (value, inserted)


def test_a_value_with_a_backtick_cannot_stand_between_backticks() -> None:
    assert values(Place("value", "", "`", "up", "job"), ["a`b"]) == []


def test_among_very_many_values_those_that_begin_with_the_word_come_first() -> None:
    runs = [f"manual_{i}" for i in range(60_000)] + ["man", "al_7", "woman"]
    assert shown(values(Place("value", "al_7", '"', "up", "run_id"), runs))[0] == "al_7"
    found = shown(values(Place("value", "Man", '"', "up", "run_id"), runs))
    assert (len(found), found[0]) == (MOST, "manual_0")
    assert shown(values(Place("value", "oman", '"', "up", "run_id"), runs)) == ["woman"]
