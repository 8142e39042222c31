from opsconsole.model import Labels


def test_an_empty_value_is_no_label() -> None:
    assert Labels({"a": "1", "b": ""}) == Labels({"a": "1"})


def test_the_order_of_giving_does_not_matter() -> None:
    assert Labels(b="2", a="1") == Labels(a="1", b="2")
    assert hash(Labels(b="2", a="1")) == hash(Labels(a="1", b="2"))


def test_labels_equal_any_mapping_that_says_the_same() -> None:
    assert Labels(a="1") == {"a": "1"}
    assert Labels(a="1") != {"a": "2"}


def test_it_is_written_as_prometheus_writes_it() -> None:
    assert repr(Labels(path='C:\\"x"\n')) == '{path="C:\\\\\\"x\\"\\n"}'


def test_the_fingerprint_is_fnv_1a_64() -> None:
    # The offset basis is the fingerprint of the empty set; the other is reckoned from the definition by hand.
    assert Labels().fingerprint() == "cbf29ce484222325"
    digest = 0xCBF29CE484222325
    for byte in b"a\xff1\xff":
        digest = ((digest ^ byte) * 0x100000001B3) % 2**64
    assert Labels(a="1").fingerprint() == f"{digest:016x}"


def test_labels_can_be_laid_over_and_taken_away() -> None:
    labels = Labels(a="1", b="2")
    assert labels.merged({"b": "3", "c": "4"}) == {"a": "1", "b": "3", "c": "4"}
    assert labels.without("a") == {"b": "2"}
    assert labels.only("a", "z") == {"a": "1"}
