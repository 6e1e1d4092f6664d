"""FHIR in XML means what the same resource in JSON means, and nothing written in XML does harm."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from lxml import etree

from salus.connect.errors import Untranslatable
from salus.connect.fhir.translate import translate
from salus.connect.loading import load_file
from salus.connect.models import Message, SourceSystem
from salus.connect.profiles import format_of
from salus.connect.services import Incoming, receive
from salus.connect.translation import SourceProfile
from salus.kernel.ids import server_id
from salus.record import json, store
from salus.record.validate import invalid, validate
from salus.record.xml.document import UnreadableXml
from salus.record.xml.reading import Read, read_xml
from tests.connect.conftest import BOTH

PROFILE = SourceProfile("src", "fhir")
Sources = Callable[..., SourceSystem]
database = pytest.mark.django_db(databases=BOTH)


def patient(inside: str, attributes: str = "") -> bytes:
    return f'<Patient xmlns="http://hl7.org/fhir" {attributes}>{inside}</Patient>'.encode()


def said(inside: str, attributes: str = "") -> dict[str, Any]:
    """What a Patient with these elements says, apart from its type."""
    resource = read_xml(patient(inside, attributes)).resource
    assert resource.pop("resourceType") == "Patient"
    return resource


def same_div(text: str) -> str:
    """A narrative in XML's canonical form, white space as one space: how it is quoted does not matter."""
    return " ".join(etree.tostring(etree.fromstring(text), method="c14n").decode().split())


def bundle(*entries: str, kind: str = "transaction") -> bytes:
    inside = "".join(f"<entry>{entry}</entry>" for entry in entries)
    return f'<Bundle xmlns="http://hl7.org/fhir"><type value="{kind}"/>{inside}</Bundle>'.encode()


@pytest.mark.parametrize(
    ("name", "only_in_json", "only_in_xml"),
    [
        ("patient-example", set(), set()),
        ("questionnaire-example", set(), set()),
        # the suite's own pairs differ in these elements
        ("observation-example", set(), {"extension"}),
        ("codesystem-example", {"text"}, set()),
    ],
)
def test_hl7s_examples_say_the_same_in_both(
    shared: Path, name: str, only_in_json: set[str], only_in_xml: set[str]
) -> None:
    folder = shared / "record" / "fhirpath-r4"
    read = read_xml((folder / f"{name}.xml").read_bytes())
    expected = json.loads((folder / f"{name}.json").read_bytes())
    assert expected.keys() - read.resource.keys() == only_in_json
    assert read.resource.keys() - expected.keys() == only_in_xml
    assert read.warnings == ()
    both = [{n: r[n] for n in r if n not in only_in_json | only_in_xml} for r in (read.resource, expected)]
    for resource in both:
        if "text" in resource:
            resource["text"]["div"] = same_div(resource["text"]["div"])
        if "description" in resource:  # a line is broken in the attribute: XML makes it a space
            resource["description"] = " ".join(resource["description"].split())
    assert json.dumps(both[0], sort_keys=True) == json.dumps(both[1], sort_keys=True)  # digits too
    assert validate(read.resource) == validate(expected)


@pytest.mark.parametrize("name", ["valueset-example-expansion", "parameters-example-types"])
def test_hl7s_other_examples_are_valid(shared: Path, name: str) -> None:
    read = read_xml((shared / "record" / "fhirpath-r4" / f"{name}.xml").read_bytes())
    assert not invalid(validate(read.resource))
    assert read.warnings == ()


EXTENSION = '<extension url="u"><valueBoolean value="true"/></extension>'
EXTENDED = {"extension": [{"url": "u", "valueBoolean": True}]}


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        ('<id value="a"/><active value="true"/>', {"id": "a", "active": True}),
        ('<birthDate value="1970-03-30"/>', {"birthDate": "1970-03-30"}),
        (
            f'<birthDate id="314159" value="1970-03-30">{EXTENSION}</birthDate>',
            {"birthDate": "1970-03-30", "_birthDate": {"id": "314159", **EXTENDED}},
        ),
        (f"<birthDate>{EXTENSION}</birthDate>", {"_birthDate": EXTENDED}),
        ('<name><given value="A"/><given value="B"/></name>', {"name": [{"given": ["A", "B"]}]}),
        ('<name id="n"><given value="A"/></name>', {"name": [{"id": "n", "given": ["A"]}]}),
        (
            f'<name><given value="A"/><given>{EXTENSION}</given><given id="c" value="C"/></name>',
            {"name": [{"given": ["A", None, "C"], "_given": [None, EXTENDED, {"id": "c"}]}]},
        ),
        (f"<name><given>{EXTENSION}</given></name>", {"name": [{"_given": [EXTENDED]}]}),
        ('<multipleBirthInteger value="2"/>', {"multipleBirthInteger": 2}),
        (
            '<extension url="u"><extension url="v"><valueDecimal value="1.10"/></extension></extension>',
            {"extension": [{"url": "u", "extension": [{"url": "v", "valueDecimal": Decimal("1.10")}]}]},
        ),
        (
            '<modifierExtension url="u"><valueDecimal value="+5"/></modifierExtension>',
            {"modifierExtension": [{"url": "u", "valueDecimal": 5}]},
        ),
        (
            '<contained><Organization><id value="o"/><name value="X"/></Organization></contained>',
            {"contained": [{"resourceType": "Organization", "id": "o", "name": "X"}]},
        ),
        ('<gender value="male"/><!-- c --><?p i?>', {"gender": "male"}),
        # what R4 does not know
        ('<colour value="red"/>', {"colour": "red"}),
        ('<colour value="red"/><colour value="blue"/>', {"colour": ["red", "blue"]}),
        (f'<colour value="red">{EXTENSION}</colour>', {"colour": "red", "_colour": EXTENDED}),
        ('<eye><left value="1"/><valueInteger value="1"/></eye>', {"eye": {"left": "1", "valueInteger": 1}}),
        ("<own><Basic/></own>", {"own": {"resourceType": "Basic"}}),
        # what may stand once came twice: the validator names the place
        ('<gender value="male"/><gender value="female"/>', {"gender": ["male", "female"]}),
    ],
)
def test_elements_become_properties(inside: str, expected: dict[str, Any]) -> None:
    assert json.dumps(said(inside)) == json.dumps(expected)


def test_digits_of_decimals_are_kept() -> None:
    for digits in ("1.10", "0.000", "-1.50E+3", "7"):
        one = said(f'<extension url="u"><valueDecimal value="{digits}"/></extension>')["extension"][0]
        assert json.dumps(one["valueDecimal"]) == digits.encode()


@pytest.mark.parametrize(
    ("div", "expected"),
    [
        ('<div xmlns="http://www.w3.org/1999/xhtml"><p>a &lt; b<br/></p></div>', "<p>a &lt; b<br/></p>"),
        ('<h:div xmlns:h="http://www.w3.org/1999/xhtml"><h:td> </h:td></h:div>', "<td> </td>"),
        ('<div xmlns="http://www.w3.org/1999/xhtml"><a name="x"/>y</div>', '<a name="x"></a>y'),
        ("<div><p>no namespace of its own</p></div>", "<p>no namespace of its own</p>"),
        ('<div xmlns="http://www.w3.org/1999/xhtml"><i title="&quot;&#10;"/></div>', None),
    ],
)
def test_a_narrative_is_text(div: str, expected: str | None) -> None:
    text = said(f'<text><status value="generated"/>{div}</text>')["text"]["div"]
    if expected is None:
        assert etree.fromstring(text)[0].get("title") == '"\n'
    else:
        assert text == f'<div xmlns="http://www.w3.org/1999/xhtml">{expected}</div>'


def test_what_was_left_out_is_told() -> None:
    read = read_xml(patient("\n<active/><contact/>", 'xmlns:x="urn:x" x:y="1"'))
    assert read == Read(
        {"resourceType": "Patient"},
        (
            "line 1: an attribute of another namespace was left out",
            "line 2: an empty element was left out",
            "line 2: an empty element was left out",
        ),
    )


@pytest.mark.parametrize(
    ("raw", "code", "where"),
    [
        (b"<Patient", "not-xml", "line 1, column"),
        (patient("\n<a>"), "not-xml", "line 2, column"),
        (patient('\n<gender value="&nbsp;"/>'), "not-xml", "line 2, column"),
        (b"<Patient/>", "not-fhir", "line 1"),
        (b'<a:feed xmlns:a="http://www.w3.org/2005/Atom"/>', "not-fhir", "line 1"),
        (patient("\n<name>Wang</name>"), "not-fhir", "line 2"),
        (patient('\n<name xmlns="urn:x"/>'), "not-fhir", "line 2"),
        (patient('\n<resourceType value="Group"/>'), "not-fhir", "line 2"),
        (patient('\n<_birthDate value="x"/>'), "not-fhir", "line 2"),
        (patient('\n<active value="yes"/>'), "not-a-boolean", "line 2"),
        (patient('\n<multipleBirthInteger value="1.5"/>'), "not-an-integer", "line 2"),
        (patient(f'<multipleBirthInteger value="1{"0" * 5000}"/>'), "bad-number", "line 1"),
        (patient('<extension url="u"><valueDecimal value="NaN"/></extension>'), "not-a-number", "line 1"),
        (patient('<extension url="u"><valueDecimal value="1e99999"/></extension>'), "bad-number", "line 1"),
        (patient("<a>" * 70 + "</a>" * 70), "too-deep", "line 1"),
        (patient("<a>" * 5000 + "</a>" * 5000), "too-deep", "line 1, column"),
        (patient("<a/>" * 2_000_001), "too-large", ""),
        (b'<!DOCTYPE a [<!ENTITY a "b">]>' + patient('<gender value="&a;"/>'), "xml-doctype", ""),
        (b'<!DOCTYPE a SYSTEM "file:///etc/passwd">' + patient(""), "xml-doctype", ""),
        (b'<?xml version="1.0" encoding="no-such"?>' + patient(""), "not-xml", "line 1, column"),
    ],
)
def test_faults_are_named_with_their_line(raw: bytes, code: str, where: str) -> None:
    with pytest.raises(Untranslatable) as fault:
        translate(raw, PROFILE)
    assert fault.value.code == code
    assert fault.value.where.startswith(where)
    assert "Wang" not in str(fault.value)


def test_entities_never_grow() -> None:
    laughs = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10 if i else "ha"}">' for i in range(10))
    for place in ("<gender value='&l9;'/>", "<text>&l9;</text>"):
        with pytest.raises(UnreadableXml):
            read_xml(f"<!DOCTYPE a [{laughs}]>".encode() + patient(place))


def test_a_long_value_is_taken() -> None:
    scan = b"QUJD" * 3_000_000
    raw = b'<Binary xmlns="http://hl7.org/fhir"><data value="%s"/></Binary>' % scan
    assert read_xml(raw).resource["data"].encode() == scan


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
@pytest.mark.parametrize("declared", [True, False])
def test_encodings(encoding: str, declared: bool) -> None:
    name = encoding.removesuffix("-sig")
    head = f'<?xml version="1.0" encoding="{name}"?>\n' if declared else ""
    raw = (head + patient('<name><text value="张伟"/></name>').decode()).encode(encoding)
    assert format_of(raw, "fhir") == "fhir"
    source = PROFILE if declared else SourceProfile("src", "fhir", charset=name)
    assert translate(raw, source).entries[0].resource["name"] == [{"text": "张伟"}]


@pytest.mark.parametrize(
    ("raw", "declared", "form"),
    [
        (patient(""), "fhir", "fhir"),
        (patient(""), "document", "fhir"),
        (patient(""), "hl7v2", "fhir"),
        (b"<?xml version='1.0'?>\n<!-- <ClinicalDocument> -->\n" + patient(""), "document", "fhir"),
        (b"<f:Patient xmlns:f='http://hl7.org/fhir'/>", "document", "fhir"),
        (b'<ClinicalDocument xmlns="urn:hl7-org:v3"/>', "fhir", "document"),
        (b'<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:f="http://hl7.org/fhirs"/>', "fhir", "document"),
        (b'<c:ClinicalDocument xmlns:c="urn:hl7-org:v3"/>', "hl7v2", "document"),
        (b"<other/>", "document", "document"),
    ],
)
def test_fhir_and_documents_are_told_apart(raw: bytes, declared: str, form: str) -> None:
    assert format_of(raw, declared) == form


BASE = patient(
    f'<id value="1"/><text><status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml">a<b/></div></text>'
    f'{EXTENSION}<contained><Basic><id value="b"/></Basic></contained><active value="true"/>'
    f'<name><given value="A"/><given>{EXTENSION}</given></name><multipleBirthInteger value="2"/><x><y/></x>'
)
PIECES = st.sampled_from(
    [b"<", b">", b"/>", b'"', b"&", b"&#0;", b"\x00", b"\xff", b"<Patient>", b"</name>", b"<!DOCTYPE x>"]
    + [
        b"<![CDATA[",
        b"]]>",
        b"<!--",
        b"xmlns=''",
        b'url="',
        b"<contained/>",
        b"<id/>",
        b"value",
        b"_",
        b"1e9",
    ]
)


@hypothesis_settings(max_examples=400, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, len(BASE)), st.integers(0, 30), PIECES | st.binary(max_size=6)),
        min_size=1,
        max_size=6,
    )
)
def test_damaged_xml_is_read_or_refused(changes: list[tuple[int, int, bytes]]) -> None:
    raw = BASE
    for at, removed, put in changes:
        raw = raw[:at] + put + raw[at + removed :]
    try:
        read = read_xml(raw)
    except UnreadableXml as fault:
        assert fault.code
        return
    json.dumps(read.resource)
    validate(read.resource)


def current(kind: str, local: str) -> dict[str, Any]:
    with connection.cursor() as cursor:
        found = store.read(cursor, kind, server_id("his", kind, local))
    assert found is not None
    resource: dict[str, Any] = json.loads(found.body)
    return resource


@database
def test_a_bundle_in_xml_is_stored_like_one_in_json(source: Sources, tmp_path: Path) -> None:
    his = source()
    path = tmp_path / "feed.xml"
    path.write_bytes(
        bundle(
            '<fullUrl value="urn:uuid:1"/><resource><Patient><id value="p"/></Patient></resource>'
            '<request><method value="POST"/><url value="Patient"/></request>',
            '<resource><Observation><id value="o"/><status value="final"/><code><text value="x"/></code>'
            '<subject><reference value="urn:uuid:1"/></subject><colour value="red"/>'
            '<valueQuantity><value value="1.10"/></valueQuantity></Observation></resource>',
        )
    )
    assert load_file(his, path).state == "done"
    observation = current("Observation", "o")
    assert observation["subject"] == {"reference": f"Patient/{server_id('his', 'Patient', 'p')}"}
    assert observation["colour"] == "red"
    assert str(observation["valueQuantity"]["value"]) == "1.10"
    assert Message.objects.get().status == "stored"


@database
def test_a_fault_in_xml_is_a_dead_letter_and_harms_no_neighbour(source: Sources) -> None:
    receipts = receive(
        source(),
        [
            Incoming(patient('<id value="a"/>')),
            Incoming(patient('<id value="b"/><active value="si"/>')),
            Incoming(patient('<id value="c"/><gender value="blue"/>')),
            Incoming(patient('<id value="d"/><contact/>')),
        ],
    )
    assert [(one.status, one.code) for one in receipts] == [
        ("stored", ""),
        ("dead", "not-a-boolean"),
        ("dead", "invalid-fhir"),
        ("stored", ""),
    ]
    assert list(receipts[3].warnings) == ["line 1: an empty element was left out"]
