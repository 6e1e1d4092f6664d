"""Registers filled from files: all or nothing, and twice the same as once."""

import json
from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner

from salus.kernel import policy, queries, services
from salus.kernel.commands import app, audit_app
from salus.kernel.errors import Invalid, NotAllowed, NotFound
from salus.kernel.models import Account, District, Institution, Staff, StaffRegistration

SYSTEM = policy.system_principal("test")
SQUARE = {"type": "Polygon", "coordinates": [[[0, 0], [0, 1], [1, 1], [0, 0]]]}
pytestmark = pytest.mark.django_db(databases=["default", "audit"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    out = tmp_path / "registers"
    out.mkdir()
    features = [
        {
            "type": "Feature",
            "properties": {
                "code": "110101",
                "name": "东城区",
                "name_en": "Dongcheng",
                "parent": "110100",
                "population": 708829,
            },
            "geometry": SQUARE,
        },
        {
            "type": "Feature",
            "properties": {"code": "110100", "name": "北京市", "level": "city"},
            "geometry": None,
        },
    ]
    (out / "districts.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    (out / "medical_groups.csv").write_text("code,name,name_en\nG1,医联体,Group\n", "utf-8")
    (out / "institutions.csv").write_text(
        "\ufeffcode,name,kind,tier,group,district,latitude,longitude,active,extra\n"
        "H1,第一医院,general_hospital,3A,G1,110101,39.9,116.4,true,x\n"
        "C1,社区站,community_station,,,110101,,,是,\n",
        "utf-8",
    )
    (out / "staff.csv").write_text("code,name,institution\nS1,王医生,H1\n", "utf-8")
    (out / "staff_registrations.csv").write_text(
        "staff,institution,profession,specialty,registration_no,valid_from,valid_to\n"
        "S1,H1,physician,cardiology,R1,2020-01-01,2025-12-31\nS1,C1,physician,,R1,2024-01-01,\n",
        "utf-8",
    )
    return out


def test_the_files_fill_the_registers(folder: Path) -> None:
    done = services.import_registers(SYSTEM, folder)
    assert [(one.file, one.created) for one in done] == [
        ("districts.geojson", 2),
        ("medical_groups.csv", 1),
        ("institutions.csv", 2),
        ("staff.csv", 1),
        ("staff_registrations.csv", 2),
    ]
    hospital = Institution.objects.get(code="H1")
    assert (hospital.group and hospital.group.code, hospital.district_id, hospital.latitude) == (
        "G1",
        "110101",
        39.9,
    )
    assert District.objects.get(code="110101").parent_id == "110100"
    assert queries.district_polygons("district")["features"][0]["geometry"] == SQUARE
    assert queries.registrations_on(date(2026, 1, 1)).count() == 1
    assert queries.registrations_on(date(2025, 1, 1), staff_id=Staff.objects.get().pk).count() == 2
    assert [
        row.code for row in queries.institutions(text="社区", district="110101", kinds=["community_station"])
    ] == ["C1"]


def test_importing_again_changes_nothing_and_a_change_is_one_update(folder: Path) -> None:
    services.import_registers(SYSTEM, folder)
    again = services.import_registers(SYSTEM, folder)
    assert all((one.created, one.updated, one.unchanged) == (0, 0, one.rows) for one in again)
    path = folder / "staff.csv"
    path.write_text(path.read_text("utf-8").replace("王医生", "王主任"), "utf-8")
    assert [one.updated for one in services.import_registers(SYSTEM, folder)] == [0, 0, 0, 1, 0]


@pytest.mark.parametrize(
    ("file", "text", "code"),
    [
        ("institutions.csv", "code,name\nX\n", "register-empty"),
        ("institutions.csv", "code\nX\n", "register-columns"),
        ("institutions.csv", "code,name\nX,y,z\n", "register-width"),
        ("institutions.csv", "code,name,kind\nX,y,palace\n", "register-kind"),
        ("institutions.csv", "code,name,district\nX,y,999\n", "register-reference"),
        ("institutions.csv", "code,name,latitude\nX,y,91\n", "register-degrees"),
        ("institutions.csv", "code,name,latitude\nX,y,north\n", "register-number"),
        ("institutions.csv", "code,name,active\nX,y,maybe\n", "register-truth"),
        ("staff.csv", "code,name,institution\nX,y,nowhere\n", "register-reference"),
        (
            "staff_registrations.csv",
            "staff,institution,profession,registration_no,valid_from\nS1,H1,p,R,1.1.2020\n",
            "register-date",
        ),
        (
            "staff_registrations.csv",
            "staff,institution,profession,registration_no,valid_from,valid_to\nS1,H1,p,R,2020-01-02,2020-01-01\n",
            "register-validity",
        ),
        ("districts.geojson", "[]", "register-geojson"),
        ("districts.geojson", '{"features":[{"properties":{}}]}', "register-district"),
        (
            "districts.geojson",
            '{"features":[{"properties":{"code":"1","name":"x"},"geometry":{"type":"Point"}}]}',
            "register-geometry",
        ),
        (
            "districts.geojson",
            '{"features":[{"properties":{"code":"1","name":"x","parent":"9"},"geometry":null}]}',
            "register-parent",
        ),
        (
            "districts.geojson",
            '{"features":[{"properties":{"code":"1","name":"x","population":"many"},"geometry":null}]}',
            "register-number",
        ),
    ],
)
def test_a_bad_file_is_refused_whole(folder: Path, file: str, text: str, code: str) -> None:
    services.import_registers(SYSTEM, folder)
    (folder / "staff.csv").write_text("code,name,institution\nS1,Changed,H1\n", "utf-8")
    (folder / file).write_text(text, "utf-8")
    with pytest.raises(Invalid) as refused:
        services.import_registers(SYSTEM, folder)
    assert refused.value.code == code and file in refused.value.where
    assert Staff.objects.get(code="S1").name == "王医生" and StaffRegistration.objects.count() == 2


def test_an_empty_folder_and_a_stranger_are_refused(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(NotFound):
        services.import_registers(SYSTEM, tmp_path)
    with pytest.raises(NotAllowed):
        services.import_registers(policy.ANONYMOUS, folder)


def test_the_commands_do_the_same(folder: Path, tmp_path: Path) -> None:
    run = CliRunner().invoke
    assert "institutions.csv: 2 rows, 2 new" in run(app, ["import-registers", str(folder)]).output
    made = run(
        app,
        ["create-account", "li", "--role", "clinician", "--institution", "H1", "--password-stdin"],
        input="correct horse battery\n",
    )
    assert made.output == "li clinician\n", made.output
    assert Account.objects.get().check_password("correct horse battery")
    assert (
        run(app, ["grant", "li", "epidemiologist", "--district", "110101", "--sensitive", "hiv"]).exit_code
        == 0
    )
    assert run(app, ["revoke", "li", "clinician"]).output == "1 grants ended\n"
    assert run(app, ["lock", "li", "--reason", "left"]).exit_code == 0
    assert "li\t\tclinician,epidemiologist\tlocked" in run(app, ["list"]).output
    for command in (["events"], ["jobs", "--run", "kernel.settle-audit"]):
        assert run(app, command).exit_code == 0
    verified = run(audit_app, ["verify"])
    assert verified.exit_code == 0 and "as it was written" in verified.output
    target = tmp_path / "audit.ndjson"
    assert run(audit_app, ["export", str(target)]).exit_code == 0
    assert all(json.loads(line)["resourceType"] == "AuditEvent" for line in target.read_text().splitlines())
    wrong = run(app, ["create-account", "x", "--institution", "nowhere", "--oidc-only"])
    assert isinstance(wrong.exception, NotFound)
