"""The console beside a real Alertmanager: the same requests have the same answers, to the letter but for times and ids."""

import json
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from opsconsole.clock import SystemClock
from opsconsole.db import Database
from tests.support.alertmanager import AVAILABLE, KEYS, Alertmanager, Standing, amtool, standing

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="prometheus-alertmanager is not installed")

NAMES = ("a", "b", "c")
ROUTE: dict[str, Any] = {
    "receiver": "a",
    "group_by": ["alertname"],
    "group_wait": "30s",
    "group_interval": "5m",
    "routes": [{"matchers": ['team="x"'], "receiver": "b", "continue": True}, {"match_re": {"team": "x|y"}, "receiver": "c"}],
}
INHIBITION = [{"source_matchers": ["sev=crit"], "target_matchers": ["sev=warn"], "equal": ["dc"]}]
NOBODY_ID = "6f8f4a5e-3f6d-4a6a-8d36-0c9f1d7f0a11"


@dataclass(frozen=True)
class Ask:
    method: str
    path: str
    body: str | None = None
    headers: tuple[tuple[str, str], ...] = ()


def get(*paths: str) -> list[Ask]:
    return [Ask("GET", f"/api/v2/{path}") for path in paths]


def post(path: str, *bodies: str) -> list[Ask]:
    return [Ask("POST", f"/api/v2/{path}", body) for body in bodies]


def labelled(more: str) -> str:
    return f'[{{"labels":{{"a":"b"}},{more}}}]'


def silence(matchers: str, starts: str = "2000-01-01T10:00:00Z", ends: str = "2100-01-01T10:00:00.123Z", more: str = "") -> str:
    return f'{{{more}"matchers":{matchers},"startsAt":"{starts}","endsAt":"{ends}","createdBy":"me","comment":"x"}}'


def matcher(name: str, value: str, regex: bool = False, equal: bool | None = None) -> str:
    pairs: dict[str, Any] = {"name": name, "value": value, "isRegex": regex}
    return json.dumps([pairs if equal is None else {**pairs, "isEqual": equal}])


PLAIN = matcher("zz", "b")

BROKEN_JSON = post(
    "alerts",
    *(
        "",
        "{",
        "{}",
        "nope",
        "tru",
        '"str"',
        "[NaN]",
        "[1 2]",
        "[1,",
        "[1,]",
        '{"a":1,}',
        '[{"a":"\\x"}]',
        '["x"]',
        "[5]",
        "[[]]",
    ),
    *('[{"labels":{"a":"b"}', '[{"labels":{"a":"b"} x', '[{"labels":{"a" "b"}}]', "[{labels:{}}]", '[{"labels":{"a":"b"}},]'),
    *(
        '[{"labels":{"alertname":1}}]',
        '[{"labels":["a"]}]',
        '[{"labels":"x"}]',
        '[{"labels":{"a":true}}]',
        '[{"labels":{"a":{}}}]',
    ),
    *(labelled('"annotations":{"a":5}'), labelled('"annotations":[]'), labelled('"generatorURL":5'), labelled('"startsAt":5')),
)
NO_ALERTS = post(
    "alerts",
    *("[]", "null", "[{}]", '[{"labels":null}]', '[{"labels":{}}]', '[{"labels":{"a":null}}]', '[{"labels":{"a":""}}]'),
    *('[{"labels":{"a-b":"x"}},{"labels":{"alertname":"kept"}},{"labels":{"x":""}}]', '[{"labels":{"a":"b","é":"v"}}]'),
    *(labelled('"annotations":{"a-b":"x"}'), labelled('"startsAt":"2000-01-01T10:00:00Z","endsAt":"2000-01-01T09:00:00Z"')),
    *('[{"generatorURL":"nope"}]', '[{"labels":{"a":"c"}},{"generatorURL":"nope"}]'),
)
TIMES = post(
    "alerts",
    *(
        labelled(f'"endsAt":"{text}"')
        for text in (
            *("", "0001-01-01T00:00:00Z", "2100-11-21T00:00:00Z", "2100-11-21T00:00:00.5+05:30", "2100-11-21T00:00:00,5Z"),
            *("2100-11-21T00:00:00.500-0500", "2100-11-21T00:00:00.500000-0500", "2100-11-21T00:00:00.5-0500"),
            *(
                "2100-11-21T00:00Z",
                "2100-11-21T00:00",
                "2100-11-21T00:00:00",
                "2100-11-21 00:00:00",
                "2100-11-21T00:00:00.1234567",
            ),
            *(
                "tomorrow",
                "2100-11-21",
                "2100-11-21 25:00:00",
                "2100-13-21T00:00:00Z",
                "2100-02-30 20:00:00",
                "2100-11-31T10:00:00Z",
            ),
            *("2100-11-20 20:00:00x", "2100-11-20T10:00:00Zx", "2100-11-20 10:00", "2100"),
        )
    ),
)
LINKS = post(
    "alerts",
    *(
        labelled(f'"generatorURL":"{text}"')
        for text in (
            *("", "nope", "not a url", "http://a b", "/graph?x", "foo:bar", "http://x/%zz", "http://x/a b?c=d e#f", "//h/x"),
            *(
                "http://h:1:2/",
                "http://h:port/",
                "http://[::1]/x",
                "*",
                "http://prometheus:9090/graph?g0.expr=up+%3D%3D+0&g0.tab=1",
            ),
        )
    ),
)
TAKEN = post(
    "alerts",
    *('[{"labels":{"alertname":"x"}}] trailing', '[{"labels":{"alertname":"x"},"extra":1}]', '[{"Labels":{"a":"b"}}]'),
    *(labelled('"annotations":null'), labelled('"startsAt":null'), '[{"labels":{"alertname":"half \\ud800"}}]'),
    '[{"labels":{"a":"1\\t2\\n\\"é\\u2028<>"}},{"labels":{"__name__":"b"}}]',
    '[{"labels":{"team":"x","alertname":"T","job":"j2"},"annotations":{"s":"<b>&"}},{"labels":{"team":"x","alertname":"T","job":"j1"}},'
    '{"labels":{"team":"x","alertname":"T","instance":"i"}},{"labels":{"team":"x","alertname":"T","zone":"1"}},'
    '{"labels":{"team":"y","alertname":"U","sev":"crit","dc":"1"}},{"labels":{"team":"z","alertname":"U","sev":"warn","dc":"1"}}]',
    '[{"labels":{"alertname":"over"},"endsAt":"2001-01-01T00:00:00Z"}]',
)
KINDS = [
    *(
        Ask("POST", "/api/v2/alerts", "[]", (("content-type", kind),))
        for kind in ("text/plain", "", "application/json; charset=utf-8", "application/x-www-form-urlencoded", "garbage/")
    ),
    Ask("POST", "/api/v2/alerts", "[{}]", (("accept", "text/plain"),)),
    Ask("GET", "/api/v2/receivers", None, (("accept", "text/html"),)),
    Ask("GET", "/api/v2/receivers", None, (("accept", "text/html, */*;q=0.1"),)),
]
NOTHING_THERE = [
    *(Ask(method, "/api/v2/alerts") for method in ("PUT", "DELETE", "PATCH")),
    Ask("DELETE", "/api/v2/silences"),
    Ask("POST", "/api/v2/status"),
    *(Ask(method, f"/api/v2/silence/{name}") for method in ("GET", "DELETE") for name in ("abc", NOBODY_ID)),
    *get("nothing", "", "silence/", "silence"),
    Ask("GET", "/-/healthy"),
    Ask("GET", "/-/ready"),
]
LOOKS = get(
    *("receivers", "alerts", "alerts/", "alerts/groups"),
    *(f"alerts?{flags}" for flags in ("active=maybe", "active=false", "active=&active=yes", "silenced=no", "inhibited=0")),
    *(f"alerts?filter={text}" for text in ("nonsense", "a=~%22(%22", "a=%22b", "a=b%22c", "a=~b", "", "a!=", "a%3D", "a=~.%2B")),
    *("alerts?filter=team%3Dx&filter=job!%3Dj1", "alerts?filter=team=x,job=j1", "alerts?filter=%7Bteam=x%7D"),
    *(f"alerts?receiver={text}" for text in ("(", "b", "b|c", "", "none", "[bc]")),
    *(f"alerts/groups?{text}" for text in ("receiver=b", "receiver=b|c", "receiver=(", "active=false", "inhibited=false")),
    *("alerts/groups?filter=team=x", "alerts/groups?filter=x", "silences?filter=x"),
)
NO_SILENCES = post(
    "silences",
    *("", "null", "[]", "{}", '"x"', silence("[]"), silence("null"), silence("[{}]"), silence('[{"name":"a"}]')),
    *(silence('[{"name":"a","value":"b"}]'), silence(matcher("", "b")), silence(matcher("a", "")), silence(matcher("a-b", "c"))),
    *(silence(matcher("a", text, regex=True)) for text in ("(", "[z-a]", "a**", "a{1001}", "\\", "", ".*")),
    *(silence(matcher("a", "(", regex=True, equal=False)), silence(PLAIN, more='"id":"nope",')),
    *(silence(PLAIN, more=f'"id":"{NOBODY_ID}",'), silence(PLAIN, more='"id":5,'), silence('["a"]'), silence('"a"')),
    *(silence('[{"name":"a","value":"b","isRegex":"no"}]'), silence('[{"name":"a","value":5,"isRegex":false}]')),
    *(silence(PLAIN, ends="2000-01-01T10:00:00Z"), silence(PLAIN, ends="2001-01-01T10:00:00Z"), silence(PLAIN, starts="soon")),
    *(f'{{"matchers":{PLAIN}}}', f'{{"matchers":{PLAIN},"comment":5}}'),
)
SILENCES = [
    *post("silences", silence(PLAIN), silence(matcher("a", "a", equal=False), ends="2100-01-02T10:00:00Z")),
    *post("silences", silence(matcher("team", "x|y", regex=True), starts="2099-01-01T00:00:00Z", ends="2100-02-02T00:00:00Z")),
    *post("silences", silence(matcher("team", "x"), ends="2100-01-03T10:00:00Z").replace('"me"', '"<é>"')),
    *get("silences", "silences?filter=zz=b", "silences?filter=zz=~b", "silences?filter=team=~%22x|y%22", "alerts"),
    *get("alerts?silenced=false", "alerts/groups?silenced=false", "alerts?active=false&inhibited=false"),
]


def told(response: httpx.Response) -> tuple[int, str, str, str]:
    text = re.sub(r'"\d{4}-\d\d-\d\dT[0-9:.]+(?:Z|[+-]\d\d:\d\d)"', '"TIME"', response.text)
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}", "ID", text)
    text = re.sub(r"(?<=but \[)[A-Z,]+", _sorted, text)  # which of two methods goes first is left to chance there
    allowed = ",".join(sorted(response.headers.get("allow", "").split(",")))
    return response.status_code, response.headers.get("content-type", ""), allowed, text


def _sorted(found: re.Match[str]) -> str:
    return ",".join(sorted(found[0].split(",")))


async def answer(http: httpx.AsyncClient, ask: Ask) -> tuple[int, str, str, str]:
    headers = dict(ask.headers)
    if ask.body is not None and "content-type" not in headers:
        headers["content-type"] = "application/json"
    if headers.get("content-type") == "":
        del headers["content-type"]
    content = None if ask.body is None else ask.body.encode()
    return told(await http.request(ask.method, ask.path.lstrip("/"), content=content, headers=headers))


@pytest.fixture
def real(tmp_path: Path) -> Iterator[Alertmanager]:
    configuration = {"route": ROUTE, "receivers": [{"name": name} for name in NAMES], "inhibit_rules": INHIBITION}
    alertmanager = Alertmanager(tmp_path / "alertmanager", configuration)
    try:
        yield alertmanager.start()
    finally:
        alertmanager.stop()


@pytest.fixture
async def ours(db: Database) -> AsyncIterator[Standing]:
    receivers: list[Any] = [{"name": name} for name in NAMES]
    async with standing(db, SystemClock(), receivers, route=ROUTE, inhibit_rules=INHIBITION) as console:
        yield console


def clients(real: Alertmanager, ours: Standing) -> tuple[httpx.AsyncClient, httpx.AsyncClient]:
    key = {"X-Api-Key": KEYS["operator"]}
    return (
        httpx.AsyncClient(base_url=real.url, timeout=60, trust_env=False),
        httpx.AsyncClient(base_url=ours.url, timeout=60, trust_env=False, headers=key),
    )


async def test_every_request_has_the_answer_that_an_alertmanager_gives(real: Alertmanager, ours: Standing) -> None:
    their_client, our_client = clients(real, ours)
    differing = []
    async with their_client, our_client:
        every: Sequence[Ask] = [
            *BROKEN_JSON,
            *NO_ALERTS,
            *TIMES,
            *LINKS,
            *TAKEN,
            *KINDS,
            *NOTHING_THERE,
            *LOOKS,
            *NO_SILENCES,
            *SILENCES,
        ]
        for ask in every:
            theirs, mine = await answer(their_client, ask), await answer(our_client, ask)
            if theirs != mine:
                differing.append((ask, theirs, mine))
    assert differing == []


def tool(said: Any) -> tuple[int, str]:
    """What was printed, without times and ids."""
    text = re.sub(r"\d{4}-\d\d-\d\d[T ][0-9:.]+ ?(?:Z|UTC|[+-]\d\d:\d\d)?", "TIME", said.out + said.err)
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}", "ID", text)
    return said.status, "\n".join(line.rstrip() for line in text.splitlines())


async def test_amtool_cannot_tell_the_console_from_an_alertmanager(real: Alertmanager, ours: Standing, tmp_path: Path) -> None:
    console = ours.url.replace("http://", f"http://ci:{KEYS['operator']}@")

    async def both(*arguments: str) -> str:
        theirs, mine = await amtool(real.url, *arguments), await amtool(console, *arguments)
        assert tool(mine) == tool(theirs)
        return mine.out

    await both(
        "alert", "add", "alertname=Disk", "instance=a", "team=x", "--annotation=summary=full", "--generator-url=http://p/graph"
    )
    await both("alert", "add", "Memory", "sev=crit", "dc=1")
    await both("alert", "add", "Swap", "sev=warn", "dc=1", "--start=2000-01-01T00:00:00Z", "--end=2100-01-01T00:00:00Z")
    await both("alert", "add", "Gone", "--end=2001-01-01T00:00:00Z", "--start=2000-01-01T00:00:00Z")
    await both("alert", "add", "alertname=bad", "a-b=c")
    for output in ("simple", "extended", "json"):
        await both("-o", output, "alert", "query")
    await both("alert", "query", "team=x")
    await both("alert", "query", "--inhibited")
    await both("alert", "query", "--active", "alertname=~D.*|Swap")
    await both("alert", "query", "--receiver=c")
    await both("alert", "query", "--unprocessed")
    await both("alert", "query", 'alertname="')
    await both("silence", "add", "--duration=1h", "alertname=Disk")  # without a comment
    assert re.fullmatch(r"ID\n", re.sub(r"[0-9a-f-]{36}", "ID", await both("silence", "add", "-c", "why", "-a", "me", "Disk")))
    await both("silence", "add", "-c", "later", "-a", "me", "--start=2099-01-01T00:00:00Z", "-d", "2h", "team=~x|y", 'dc!="1"')
    for output in ("simple", "extended", "json"):
        await both("-o", output, "silence", "query")
    await both("silence", "query", "alertname=Disk")
    await both("silence", "query", "team=~x|y", "-q")
    await both("alert", "query", "--silenced")
    theirs = (await amtool(real.url, "silence", "query", "-q", "alertname=Disk")).out.strip()
    mine = (await amtool(console, "silence", "query", "-q", "alertname=Disk")).out.strip()
    for arguments in (("update", "-d", "3h", "-c", "longer"), ("expire",), ("expire",)):
        said = [await amtool(real.url, "silence", *arguments, theirs), await amtool(console, "silence", *arguments, mine)]
        assert tool(said[1]) == tool(said[0])
    await both("silence", "expire", NOBODY_ID)
    await both("silence", "query")
    await both("silence", "query", "--expired")
    exported = tmp_path / "silences.json"
    exported.write_text((await amtool(console, "-o", "json", "silence", "query")).out)
    await both("silence", "import", str(exported))
    await both("config", "routes", "show")
    for labels in (("team=x",), ("team=y",), ("team=z", "alertname=A"), ()):
        await both("config", "routes", "test", *labels)
        await both("config", "routes", "test", "--tree", *labels)
    await both("config", "routes", "test", "--verify.receivers=b,c", "team=x")
    await both("config", "routes", "test", "--verify.receivers=a", "team=x")
    await both("cluster", "show")


async def test_the_shown_configuration_is_one_that_amtool_accepts(ours: Standing, tmp_path: Path) -> None:
    shown = await amtool(ours.url.replace("http://", f"http://ci:{KEYS['viewer']}@"), "config", "show")
    file = tmp_path / "shown.yml"
    file.write_text(shown.out)
    checked = await amtool(ours.url, "check-config", str(file))
    assert (checked.status, "SUCCESS" in checked.out) == (0, True), checked


async def test_who_may_only_look_changes_nothing_and_a_stranger_sees_nothing(ours: Standing) -> None:
    viewer, stranger = ours.url.replace("http://", f"http://ci:{KEYS['viewer']}@"), ours.url
    assert (await amtool(viewer, "alert", "query")).status == 0
    assert (await amtool(viewer, "alert", "add", "Disk")).status == 1
    assert (await amtool(viewer, "silence", "add", "-c", "why", "Disk")).status == 1
    for arguments in (("alert", "query"), ("silence", "query"), ("config", "show"), ("cluster", "show")):
        assert (await amtool(stranger, *arguments)).status == 1
    assert (ours.keeper.alerts(), ours.silences.every()) == ([], [])
