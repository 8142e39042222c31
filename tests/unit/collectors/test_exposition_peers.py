"""Our reading of pages is held against prometheus-client's, where the two formats leave no doubt."""

import math

import pytest
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from opsconsole.collectors.formats.exposition import OPENMETRICS, TEXT, Grammar, labels
from opsconsole.collectors.formats.page import read

Found = list[tuple[dict[str, str], float]]

TEXT_PAGES = [
    "# HELP a A.\n# TYPE a counter\na_total 1\n",
    'a{b="c\\\\d\\"e\\nf",g="\\\\n"} 1e-3\n',
    'a{b="} 1 #",c=","} +Inf\na{b="x"} -Inf\n',
    "a NaN\nb 0\nc -0.0\nd 123456789012345678\n",
    '# TYPE h histogram\nh_bucket{le="0.1"} 1\nh_bucket{le="+Inf"} 2\nh_sum 0.3\nh_count 2\n',
    '# TYPE s summary\ns{quantile="0.5"} 0.25\ns_sum 1\ns_count 4\n',
    "a{} 1\n\n# a remark\nb 2\n",
]
OPENMETRICS_PAGES = [
    "# TYPE a counter\n# HELP a A.\na_total 1\na_created 1.5e9\n# EOF\n",
    "# TYPE a_seconds gauge\n# UNIT a_seconds seconds\na_seconds 1.5 1772366400.123\n# EOF\n",
    '# TYPE h histogram\nh_bucket{le="1.0"} 1 # {t="x y"} 0.5 1.5\nh_bucket{le="+Inf"} 2 # {} 3\nh_count 2\nh_sum 4\n# EOF\n',
    '# TYPE i info\ni_info{version="1 \\"two\\""} 1\n# EOF\n',
    '# TYPE s stateset\ns{s="a"} 1\ns{s="b"} 0\n# EOF\n',
    "# EOF\n",
]
REFUSED_BY_BOTH = [
    "",
    "a 1\n",
    "a 1\n\n# EOF\n",
    "a x\n# EOF\n",
    "a{b=c} 1\n# EOF\n",
    'a{b="c} 1\n# EOF\n',
    'a{b="c"}\n# EOF\n',
    "a 1 x\n# EOF\n",
    "# TYPE a nonsense\n# EOF\n",
    "# UNIT a seconds\na 1\n# EOF\n",
    "a 1\n# EOF\nb 1\n",
    "9a 1\n# EOF\n",
]


def ours(page: str, grammar: Grammar) -> Found:
    found = read(page.encode(), grammar, {})
    return sorted(
        ((labels(found.keys[-1 - ref], grammar), value) for ref, value in zip(found.refs, found.values.tolist(), strict=True)),
        key=str,
    )


def same(one: Found, other: Found) -> bool:
    alike = [a == b or (math.isnan(a) and math.isnan(b)) for (_, a), (_, b) in zip(one, other, strict=True)]
    return [said for said, _ in one] == [said for said, _ in other] and all(alike)


@pytest.mark.parametrize("page", TEXT_PAGES)
def test_text_is_read_as_prometheus_client_reads_it(page: str) -> None:
    families = text_string_to_metric_families(page)
    theirs = [({"__name__": one.name, **one.labels}, float(one.value)) for family in families for one in family.samples]
    assert same(ours(page, TEXT), sorted(theirs, key=str))


@pytest.mark.parametrize("page", OPENMETRICS_PAGES)
def test_openmetrics_is_read_as_prometheus_client_reads_it(page: str) -> None:
    families = openmetrics.text_string_to_metric_families(page)
    theirs = [({"__name__": one.name, **one.labels}, float(one.value)) for family in families for one in family.samples]
    assert same(ours(page, OPENMETRICS), sorted(theirs, key=str))


@pytest.mark.parametrize("page", REFUSED_BY_BOTH)
def test_what_prometheus_client_refuses_we_refuse(page: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        list(openmetrics.text_string_to_metric_families(page))
    with pytest.raises(ValueError, match=r"."):
        ours(page, OPENMETRICS)
