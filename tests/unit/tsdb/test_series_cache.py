"""The cache of series by the bytes that name them."""

from opsconsole.tsdb.series_cache import TURN_MS, SeriesCache


def test_what_is_asked_for_survives_any_number_of_names_that_never_come_again() -> None:
    cache: SeriesCache[bytes, int] = SeriesCache(10)
    cache.put(b"kept", 1)
    for number in range(100):
        cache.put(b"%d" % number, number)
        assert cache.find(b"kept") == 1
        assert len(cache) <= 11
    assert cache.find(b"3") is None


def test_the_dictionary_is_the_same_object_for_ever() -> None:
    cache: SeriesCache[bytes, int] = SeriesCache(4)
    get = cache.known.get
    for number in range(9):
        cache.put(b"%d" % number, number)
        assert get(b"%d" % number) == number


def test_a_name_that_nobody_asks_for_is_forgotten_in_two_turns() -> None:
    cache: SeriesCache[bytes, int] = SeriesCache()
    cache.put(b"gone", 1)
    cache.put(b"kept", 2)
    for turn in range(3):
        cache.tick(turn * TURN_MS)
        assert cache.find(b"kept") == 2
    assert cache.find(b"gone") is None
    cache.clear()
    assert len(cache) == 0


def test_there_is_room_for_every_series_however_many_there_are() -> None:
    cache: SeriesCache[bytes, int] = SeriesCache(10)
    for number in range(1000):
        cache.tick(0, series=number)
        cache.put(b"%d" % number, number)
    assert all(b"%d" % number in cache.known for number in range(1000))
    for number in range(10_000):
        cache.put(b"again %d" % number, number)
    assert len(cache) <= 3000
