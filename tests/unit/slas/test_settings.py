from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from opsconsole.slas.settings import Sla, twice

PLAIN = {"name": "orders by seven", "deployment": "prod", "dags": ["orders_*"]}


def test_the_contract_s_example_is_read() -> None:
    promises = {"deadline": "07:00 Europe/Paris", "max_duration": "45m", "max_start_delay": "10m", "freshness": "26h"}
    sla = Sla.model_validate(PLAIN | promises)
    assert str(sla.deadline) == "07:00 Europe/Paris"
    assert (sla.max_duration, sla.freshness) == (timedelta(minutes=45), timedelta(hours=26))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({}, "at least one of deadline, max_duration"),
        ({"deadline": "25:00"}, "not a deadline"),
        ({"deadline": "7 o'clock"}, "not a deadline"),
        ({"deadline": 420}, "deadline"),
        ({"deadline": "07:00 Europe/Nowhere"}, "not a time zone"),
        ({"max_duration": "0"}, "more than 0"),
        ({"max_duration": "45"}, "not a duration"),
        ({"max_duration": "45m", "dags": []}, "at least 1 item"),
        ({"max_duration": "45m", "name": ""}, "at least 1 character"),
        ({"max_duration": "45m", "window": "1h"}, "Extra inputs"),
    ],
)
def test_what_promises_nothing_or_nonsense_is_refused(more: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Sla.model_validate(PLAIN | more)


def test_two_slas_of_one_deployment_may_not_share_a_name() -> None:
    one = Sla.model_validate(PLAIN | {"max_duration": "45m"})
    assert twice((one, one)) == "orders by seven"
    assert twice((one, one.model_copy(update={"deployment": "test"}))) is None
