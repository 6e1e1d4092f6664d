"""The catalogue: entered once from a table, refused whole for a bad row, named in the reader's language."""

from dataclasses import replace
from random import Random

import pyarrow as pa
import pytest
from django.test import Client

from salus.city.insurance.catalogue import catalogue
from salus.insurance.models import CatalogueItem
from salus.insurance.services import claims
from salus.insurance.services.catalogue import enter_catalogue
from salus.kernel.errors import Invalid, NotAllowed
from salus.kernel.policy import Principal
from tests.insurance.claims import world
from tests.insurance.claims.world import NOW, SYSTEM, City
from tests.web.conftest import PASSWORD, make_account

pytestmark = pytest.mark.django_db(databases=["default", "audit"])


def changed(table: pa.Table, name: str, value: object) -> pa.Table:
    """Return the table with another value in the first row of a column."""
    place, column = table.column_names.index(name), table.column(name).to_pylist()
    return table.set_column(place, name, pa.array([value, *column[1:]], table.schema.field(name).type))


def test_a_city_s_catalogue_is_entered_once() -> None:
    table = catalogue().table()
    assert enter_catalogue(SYSTEM, table) == table.num_rows == CatalogueItem.objects.count()
    assert enter_catalogue(SYSTEM, table) == 0
    first = table.slice(0, 1).to_pylist()[0]
    item = CatalogueItem.objects.get(item=first["item"])
    assert (item.name, item.name_en, item.payment_class) == (first["name"], first["name_en"], first["class"])
    assert not CatalogueItem.objects.filter(name_en="").exists()


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("name", "", "catalogue-value"),
        ("valid_from", None, "catalogue-value"),
        ("name_en", "x" * 201, "catalogue-text"),
        ("item", catalogue().items[1].code, "catalogue-repeated"),
    ],
)
def test_a_bad_row_keeps_the_whole_table_out(name: str, value: object, code: str) -> None:
    with pytest.raises(Invalid) as caught:
        enter_catalogue(SYSTEM, changed(catalogue().table().slice(0, 5), name, value))
    assert caught.value.code == code
    assert not CatalogueItem.objects.exists()


def test_a_table_without_english_names_or_with_a_column_too_few() -> None:
    table = catalogue().table().slice(0, 5)
    with pytest.raises(Invalid) as caught:
        enter_catalogue(SYSTEM, table.drop(["self_share"]))
    assert (caught.value.code, caught.value.where) == ("catalogue-column", "self_share")
    with pytest.raises(NotAllowed):
        enter_catalogue(Principal(name="planner", roles=frozenset({"planner"})), table)
    assert enter_catalogue(SYSTEM, table.drop(["name_en"])) == 5
    assert set(CatalogueItem.objects.values_list("name_en", flat=True)) == {""}


def test_a_claim_names_its_items_in_the_reader_s_language(city: City) -> None:
    CatalogueItem.objects.filter(item="X1").update(name_en="Chest radiograph")
    place, asked = world.claim(Random(1), city, 1)
    lines = [replace(asked.lines[0], line_no=n, item=item) for n, item in ((1, "X1"), (2, "X2"))]
    asked = replace(asked, lines=lines, charge=sum(line.charge for line in lines))
    claim = claims.settle(city.sources[place], city.institutions[place], asked, now=NOW)
    make_account("officer", "fund_officer")
    client = Client()
    assert client.login(username="officer", password=PASSWORD)
    for language, there, other in (
        ("en", "Chest radiograph", "项目1"),
        ("zh-hans", "项目1", "Chest radiograph"),
    ):
        page = client.get(f"/insurance/claims/{claim.pk}/", headers={"Accept-Language": language})
        text = page.content.decode()
        assert f"1. {there}" in text and other not in text
        assert "2. 项目2" in text
    listed = client.get("/insurance/claims/", headers={"Accept-Language": "en"}).content.decode()
    assert city.institutions[place].name_en in listed and city.institutions[place].name not in listed
