"""Addresses: which district is meant when streets of several districts bear one name."""

import pytest

from salus.kernel.models import District
from salus.record.identity import golden

pytestmark = pytest.mark.django_db(databases=["default"])


@pytest.fixture(autouse=True)
def districts() -> None:
    city = District.objects.create(code="990000", name="临江市", level="city")
    east = District.objects.create(code="990102", name="东城区", parent=city)
    west = District.objects.create(code="990103", name="西城区", parent=city)
    for code, name, parent in (
        ("990102001", "永安街道", east),
        ("990103001", "永安街道", west),
        ("990103002", "湖滨街道", west),
    ):
        District.objects.create(code=code, name=name, parent=parent, level="street")
    golden.forget_districts()


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ({"text": "临江市西城区永安街道花园路96号"}, "990103001"),
        ({"text": "东城区永安街道花园路96号"}, "990102001"),
        ({"district": "西城区", "line": ["永安街道花园路96号"]}, "990103001"),
        ({"district": "990102", "line": ["永安街道"]}, "990102"),
        ({"text": "湖滨街道1号"}, "990103002"),
        ({"text": "临江市永安街道1号"}, "990000"),
        ({"text": "永安街道1号"}, "990000"),
        ({"text": "别处1号"}, ""),
    ],
)
def test_the_district_that_the_address_names(address: dict[str, object], code: str) -> None:
    assert golden.district_of(address) == code
