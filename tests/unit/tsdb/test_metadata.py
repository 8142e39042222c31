"""What is told of metrics besides samples is kept, and bounded."""

from opsconsole.tsdb.metadata import LONGEST, MOST_EACH, Description, Metadata


def test_the_newest_description_of_a_family_stands_last_and_none_twice() -> None:
    metadata = Metadata()
    for text in ("old", "new", "old"):
        metadata.note("jobs_total", Description("counter", text))
    assert metadata.of("jobs_total") == [Description("counter", "new"), Description("counter", "old")]
    assert metadata.of("unheard_of") == []


def test_families_are_in_order_of_name() -> None:
    metadata = Metadata()
    for name in ("b", "a"):
        metadata.note(name, Description("", "", "seconds"))
    assert list(metadata.all().items()) == [(name, [Description("unknown", "", "seconds")]) for name in ("a", "b")]


def test_whoever_tells_more_and_longer_things_than_fit_costs_no_more_memory() -> None:
    metadata = Metadata(most=3)
    for number in range(10):
        metadata.note(f"m{number}", Description("gauge", "x" * 2 * LONGEST))
        metadata.note("m0", Description("gauge", str(number)))
    assert sorted(metadata.all()) == ["m0", "m8", "m9"]
    assert [one.help for one in metadata.of("m0")] == [str(number) for number in range(10 - MOST_EACH, 10)]
    assert len(metadata.of("m9")[0].help) == LONGEST
