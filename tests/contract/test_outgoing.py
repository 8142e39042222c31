"""Where notices may be posted."""

import httpx
import pytest

from opsconsole.notify.outgoing import guarded, refused
from tests.support.webhook import hook_at


@pytest.mark.parametrize(
    "address",
    ["169.254.169.254", "fe80::1%eth0", "fd00:ec2::254", "::ffff:169.254.169.254", "100.100.100.200", "224.0.0.1"],
)
def test_credentials_of_clouds_are_out_of_reach(address: str) -> None:
    assert refused(address)


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "192.168.0.1", "::1", "93.184.216.34"])
def test_other_addresses_are_the_administrators_choice(address: str) -> None:
    assert not refused(address)


async def test_the_very_address_that_was_looked_at_is_connected_to() -> None:
    asked: list[str] = []

    async def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["169.254.169.254", "127.0.0.1"]

    async with hook_at() as hook, guarded(httpx.AsyncClient(trust_env=False), resolve) as http:
        answer = await http.post(hook.url.replace("127.0.0.1", "hooks.test"), json={})
        assert answer.status_code == 200
        assert asked == ["hooks.test"]


async def test_a_name_that_leads_to_credentials_is_refused() -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return ["169.254.169.254"]

    async with guarded(httpx.AsyncClient(trust_env=False), resolve) as http:
        with pytest.raises(httpx.ConnectError, match="nothing is posted"):
            await http.post("http://hooks.test/", json={})
