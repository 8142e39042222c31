"""Names that go late: what an operation takes a series' name from keeps it, marked, until the answer is made.

So `label_replace` can still read it, and series that differ in name only do not collide on the way (Prometheus'
`promql-delayed-name-removal`).
"""

from collections.abc import Mapping, Sequence

from opsconsole.model import Labels

NAMING = ("__name__", "__type__", "__unit__")
"""The name, and type and unit, which tell about a name and go with it."""


class Fading(Labels):
    """Equal to any labels with the same pairs; `faded` says that the name is gone but for the answer."""

    __slots__ = ("faded",)

    faded: bool

    @classmethod
    def of(cls, labels: Labels, *, faded: bool = False) -> "Fading":
        made = cls.of_pairs(labels.pairs)
        made.faded = faded
        return made

    def merged(self, more: Mapping[str, str]) -> "Labels":
        """A name that is laid over is there to stay."""
        return Fading.of(super().merged(more), faded=self.faded and "__name__" not in more)

    def without(self, *names: str) -> "Labels":
        return Fading.of(super().without(*names), faded=self.faded)

    def only(self, *names: str) -> "Labels":
        return Fading.of(super().only(*names), faded=self.faded)


def nameless(labels: Labels) -> Labels:
    """Without what names it, or marked so."""
    if not any(name in labels for name in NAMING):
        return labels
    return Fading.of(labels, faded=True) if isinstance(labels, Fading) else labels.without(*NAMING)


def fading(labels: Labels) -> Labels:
    return labels if isinstance(labels, Fading) else Fading.of(labels)


def settled(labels: Labels) -> Labels:
    """As the answer shows them."""
    return Labels.of_pairs(labels.pairs).without(*NAMING) if isinstance(labels, Fading) and labels.faded else labels


def shared(key: Labels, members: Sequence[Labels]) -> Labels:
    """A group's labels: its name is gone if it is for any of its members."""
    fading = [one for one in members if isinstance(one, Fading)]
    return Fading.of(key, faded=any(one.faded for one in fading)) if fading else key


def told_name(labels: Labels) -> str:
    """The name that an annotation tells: only where names go late is there one."""
    return labels.get("__name__", "") if isinstance(labels, Fading) else ""
