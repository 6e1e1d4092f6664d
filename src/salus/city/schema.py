"""What a built city consists of: each file and its columns, as `salus city build --schema` prints them."""

from salus.city.assembly import PATIENTS, PERSONS, TRUTHS
from salus.city.tables.makers import MAKERS
from salus.record.views import library

SCHEMA: dict[str, str] = {
    "manifest.json": "seed, residents, start, end, systems, institutions, districts, messages, "
    "patients, persons, version",
    "sources.toml": "[[source]] code, name, name_en, institution, vendor, format, charset, timezone, mapping",
    "mappings/<source>.toml": "the mapping of a source that sends tables (docs/connect.md)",
    "registers/districts.geojson": "Feature: code, name, name_en, level, parent, population; Polygon",
    "registers/medical_groups.csv": "code, name, name_en",
    "registers/institutions.csv": "code, name, name_en, kind, tier, group, district, licence_no, "
    "licence_scope, latitude, longitude, active",
    "registers/staff.csv": "code, name, institution",
    "registers/staff_registrations.csv": "staff, institution, profession, specialty, registration_no, "
    "valid_from, valid_to",
    "registers/road_nodes.csv": "node, longitude, latitude, district",
    "registers/road_edges.csv": "from_node, to_node, metres, minutes, kind",
    "inbox/<source>/<quarter>.<block>.hl7": "HL7 v2 messages in order of time",
    "inbox/<source>/<quarter>.<block>.ndjson": "FHIR R4 resources or Bundles, a line each, by time",
    "inbox/<source>/<quarter>.<block>.<table>.csv": "rows in order of time, in the source's own columns",
    "inbox/<source>/<quarter>.<block>.xlsx": "a sheet a table, rows in order of time",
    "truth/patients.parquet": ", ".join(PATIENTS.names),
    "truth/persons.parquet": ", ".join(PERSONS.names),
    "truth/expected.csv": "source, received, stored, repeated, dead",
    "truth/planted.json": "outbreak (diagnosis, streets, first_day, cases), repeated, malformed, late",
    **{f"truth/{name}.parquet": ", ".join(schema.names) for name, schema in TRUTHS.items()},
    "truth/outbreaks.json": "outbreak, disease, icd10, streets, first_day, cases",
    **{
        f"tables/{name}/part-*.parquet (with --tables)": ", ".join(
            column["name"] for column in library.columns(library.view(name))
        )
        for name in MAKERS
    },
    "truth/patient/part-*.parquet (with --tables)": "patient_id, source, patient, resident, desk, errors, "
    "merged_into; in the order of the rows of tables/patient",
    "truth/persons/part-*.parquet (with --tables)": ", ".join(PERSONS.names),
}
