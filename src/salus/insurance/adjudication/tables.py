"""The tables that adjudication reads and gives: names, types in DuckDB's words, and what each column means.

Amounts are whole fen (bigint). Shares and rates are whole parts of 10,000 ("bp"). A date range holds both its
ends; an open end is null. Lists are never null in a row that is sound: an empty list says "none".
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from salus.kernel.errors import Invalid

MOST = 2_000_000_000
"""The largest charge of a claim or line in fen (20 million yuan); above it products could leave 64 bits."""
UNLIMITED = 1_000_000_000_000_000
"""Stands for "no ceiling" in compiled rules."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the engine: its columns as (name, type, meaning), and whether a batch may leave it out."""

    name: str
    about: str
    columns: tuple[tuple[str, str, str], ...]
    optional: bool = False

    @property
    def schema(self) -> pa.Schema:
        """Return its Arrow schema."""
        return pa.schema([pa.field(name, _ARROW[type]) for name, type, _ in self.columns])

    def empty(self) -> pa.Table:
        """Return it without rows."""
        return self.schema.empty_table()

    def conform(self, given: pa.Table) -> pa.Table:
        """Return a table with exactly these columns and types.

        A column that is missing and one whose values do not fit raise `Invalid` with the column's name;
        columns more than these are left out. Large and dictionary types become plain ones.
        """
        columns = []
        for field in self.schema:
            at = given.schema.get_field_index(field.name)
            if at < 0:
                raise Invalid(
                    "adjudication-column",
                    f"the table {self.name} has no column {field.name}",
                    where=self.name,
                    fix=f"Its columns are: {', '.join(self.schema.names)}.",
                )
            column = given.column(at)
            if pa.types.is_floating(column.type) and not pa.types.is_floating(field.type):
                raise Invalid(
                    "adjudication-float",
                    f"the column {field.name} of {self.name} holds floating-point numbers",
                    where=self.name,
                    fix=f"Give it as {field.type}; money is whole fen, quantities are decimals.",
                )
            try:
                columns.append(column if column.type == field.type else column.cast(field.type))
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError):
                raise Invalid(
                    "adjudication-type",
                    f"the column {field.name} of {self.name} is {column.type}, not {field.type}",
                    where=self.name,
                    fix="Cast it where it is made.",
                ) from None
        return pa.table(columns, schema=self.schema)


_ARROW = {
    "varchar": pa.string(),
    "bigint": pa.int64(),
    "date": pa.date32(),
    "boolean": pa.bool_(),
    "decimal(12, 3)": pa.decimal128(12, 3),
    "varchar[]": pa.list_(pa.string()),
}

INPUTS: Mapping[str, Table] = {
    table.name: table
    for table in (
        Table("claims", "what institutions ask to be paid", (
            ("claim_id", "varchar", "unique; with discharged it orders a person's claims"),
            ("person_id", "varchar", "the resident"),
            ("institution", "varchar", "code in institutions"),
            ("kind", "varchar", "inpatient, outpatient, chronic or pharmacy"),
            ("admitted", "date", "admission, or the day of the visit"),
            ("discharged", "date", "discharge, or the day of the visit; its year is the benefit year"),
            ("submitted", "date", "when the claim was sent"),
            ("diagnoses", "varchar[]", "ICD-10 codes, principal first"),
            ("procedures", "varchar[]", "ICD-9-CM-3 codes"),
            ("referral", "varchar", "referred, emergency, local or bypassed"),
            ("illness", "varchar", "code of a special, chronic or free-treatment illness, or null"),
            ("charge", "bigint", "fen; the sum of its lines"),
        )),
        Table("claim_lines", "the lines of claims", (
            ("claim_id", "varchar", "of claims"),
            ("line_no", "bigint", "unique within the claim"),
            ("service_date", "date", "when it was given"),
            ("item", "varchar", "code in catalogue"),
            ("quantity", "decimal(12, 3)", "how many units"),
            ("unit_price", "bigint", "fen a unit"),
            ("charge", "bigint", "fen; quantity x unit price, half a fen up"),
            ("department", "varchar", "where it was given, or null"),
        )),
        Table("catalogue", "the insurance catalogue; of an item the latest row in force counts", (
            ("item", "varchar", "code"),
            ("name", "varchar", "in words"),
            ("kind", "varchar", "medicine, service or material"),
            ("class", "varchar", "A paid, B paid after the patient's first share, C not paid"),
            ("valid_from", "date", "first day"),
            ("valid_to", "date", "last day"),
            ("ceiling_1", "bigint", "highest payable price a unit at tiers 0 and 1, fen, or null"),
            ("ceiling_2", "bigint", "at tier 2"),
            ("ceiling_3", "bigint", "at tier 3"),
            ("self_share", "bigint", "bp of the charge that the patient bears first (class B)"),
            ("sex", "varchar", "male or female only, or null"),
            ("min_age", "bigint", "completed years, or null"),
            ("max_age", "bigint", "completed years, or null"),
            ("care", "varchar", "inpatient or outpatient only, or null"),
            ("max_day", "decimal(12, 3)", "most units a day of one claim, or null"),
            ("max_stay", "decimal(12, 3)", "most units a claim, or null"),
            ("max_year", "decimal(12, 3)", "most units a person and year, or null"),
            ("exclusive_group", "varchar", "of one group only one item a day is paid, or null"),
            ("bundle", "varchar", "item that includes this one on the same day, or null"),
            ("indications", "varchar[]", "ICD-10 prefixes of which a diagnosis must have one; empty: any"),
            ("licence", "varchar", "licence scope that the institution needs, or null"),
            ("waiting_days", "bigint", "days of cover before it is paid, or null"),
        )),
        Table("institutions", "who may claim", (
            ("institution", "varchar", "code"),
            ("tier", "bigint", "0 pharmacy or clinic, 1 primary, 2 secondary, 3 tertiary"),
            ("district", "varchar", "GB/T 2260 code"),
            ("licences", "varchar[]", "licence scopes"),
            ("designated", "varchar[]", "illnesses of free treatment it is designated for"),
            ("valid_from", "date", "first day of its contract with the fund"),
            ("valid_to", "date", "last day"),
        )),
        Table("persons", "residents", (
            ("person_id", "varchar", "the resident"),
            ("sex", "varchar", "male or female"),
            ("birth_date", "date", ""),
            ("death_date", "date", "or null"),
        )),
        Table("coverage", "who is insured when; of several on a day the latest start counts", (
            ("person_id", "varchar", "the resident"),
            ("scheme", "varchar", "resident or employee"),
            ("starts", "date", "first day"),
            ("ends", "date", "last day"),
            ("waiting_until", "date", "first day on which benefits are paid, or null"),
        )),
        Table("statuses", "social status by day", (
            ("person_id", "varchar", "the resident"),
            ("status", "varchar", "of rules/benefit_classes.csv, such as poor or low_income"),
            ("starts", "date", "first day"),
            ("ends", "date", "last day"),
        ), optional=True),
        Table("registrations", "special and chronic illnesses that a person is registered for", (
            ("person_id", "varchar", "the resident"),
            ("illness", "varchar", "code"),
            ("starts", "date", "first day"),
            ("ends", "date", "last day"),
        ), optional=True),
        Table("diagnoses", "known ICD-10 codes; without rows only their form is checked", (
            ("code", "varchar", "ICD-10"),
            ("sex", "varchar", "male or female only, or null"),
        ), optional=True),
        Table("earlier", "claims adjudicated before this batch that stand", (
            ("claim_id", "varchar", ""),
            ("person_id", "varchar", "the resident"),
            ("institution", "varchar", ""),
            ("kind", "varchar", ""),
            ("admitted", "date", ""),
            ("discharged", "date", ""),
            ("diagnosis", "varchar", "principal"),
            ("charge", "bigint", "fen"),
        ), optional=True),
        Table("balances", "what earlier claims used up: the sums of their events", (
            ("person_id", "varchar", "the resident"),
            ("year", "bigint", "benefit year"),
            ("account", "varchar", "stays, deductible, quota, basic, serious, aid, free, units or count"),
            ("key", "varchar", "which of the account's: scheme, illness and period, item, rule"),
            ("amount", "bigint", "fen; stays and counts: how many; units: thousandths"),
        ), optional=True),
    )
}  # fmt: skip
"""The tables that a batch reads, by name."""

OUTPUTS: Mapping[str, Table] = {
    table.name: table
    for table in (
        Table("claims", "one row a claim", (
            ("claim_id", "varchar", ""),
            ("person_id", "varchar", ""),
            ("year", "bigint", "benefit year, null where the claim has no discharge"),
            ("outcome", "varchar", "paid, self_pay, denied or returned"),
            ("standing", "boolean", "later claims are held against it (duplicates, overlaps)"),
            ("scheme", "varchar", "that covers it, or null"),
            ("class", "varchar", "of the person's status that day, or general"),
            ("stay", "bigint", "which inpatient stay of the year, or null"),
            ("charge", "bigint", "fen; equals the sum of the seven payers below"),
            ("basic", "bigint", "fen, the basic fund"),
            ("serious", "bigint", "fen, the serious-illness fund"),
            ("aid", "bigint", "fen, medical aid"),
            ("free", "bigint", "fen, the free-treatment budget"),
            ("self_in", "bigint", "fen, the resident, within the catalogue"),
            ("self_out", "bigint", "fen, the resident, outside the catalogue or cover"),
            ("institution", "bigint", "fen that the institution must bear"),
            ("eligible", "bigint", "fen before deductible and co-payment"),
            ("class_b", "bigint", "fen, first share of class B items"),
            ("deductible", "bigint", "fen"),
            ("copayment", "bigint", "fen"),
            ("over_ceiling", "bigint", "fen that a ceiling kept from the basic fund"),
            ("rate", "bigint", "bp that the basic fund pays above the deductible"),
            ("serious_base", "bigint", "fen of the claim that count for serious-illness cover"),
            ("deductible_rule", "varchar", "rule id, null where none applies; so below"),
            ("deductible_version", "bigint", ""),
            ("rate_rule", "varchar", ""),
            ("rate_version", "bigint", ""),
            ("ceiling", "varchar", "which ceiling cut: stay, quota or year"),
            ("ceiling_rule", "varchar", ""),
            ("ceiling_version", "bigint", ""),
            ("serious_rule", "varchar", ""),
            ("serious_version", "bigint", ""),
            ("aid_rule", "varchar", ""),
            ("aid_version", "bigint", ""),
            ("free_rule", "varchar", ""),
            ("free_version", "bigint", ""),
        )),
        Table("lines", "one row a claim line", (
            ("claim_id", "varchar", ""),
            ("line_no", "bigint", ""),
            ("item", "varchar", ""),
            ("charge", "bigint", "fen; equals the sum of the seven payers below"),
            ("basic", "bigint", "fen"),
            ("serious", "bigint", "fen"),
            ("aid", "bigint", "fen"),
            ("free", "bigint", "fen"),
            ("self_in", "bigint", "fen"),
            ("self_out", "bigint", "fen"),
            ("institution", "bigint", "fen"),
        )),
        Table("parts", "who pays how much of each line, by which rule, and why", (
            ("claim_id", "varchar", ""),
            ("line_no", "bigint", ""),
            ("payer", "varchar", "basic, serious, aid, free, self_in, self_out or institution"),
            ("amount", "bigint", "fen, never zero"),
            ("reason", "varchar", "of rules/edit_reasons.csv"),
            ("rule", "varchar", "rule id"),
            ("version", "bigint", "of the rule; of a catalogue row its first day as yyyymmdd"),
            ("params", "varchar", "what the words of the reason need: name=value;name=value"),
        )),
        Table("findings", "every edit that a claim or line failed", (
            ("claim_id", "varchar", ""),
            ("line_no", "bigint", "null where it is the claim's"),
            ("code", "varchar", "of the edit"),
            ("effect", "varchar", "return, self_pay, deny, exclude, cut or flag"),
            ("rule", "varchar", "rule id"),
            ("version", "bigint", ""),
            ("amount", "bigint", "fen that it kept from being paid; 0 where another edit did before"),
            ("params", "varchar", "what the words of the code need"),
        )),
        Table("events", "what a claim used up; the sum of a person's events is their balance", (
            ("claim_id", "varchar", ""),
            ("person_id", "varchar", ""),
            ("year", "bigint", "benefit year"),
            ("account", "varchar", "as in balances"),
            ("key", "varchar", "as in balances"),
            ("amount", "bigint", "never zero; a reversal's is the negative"),
        )),
    )
}  # fmt: skip
"""The tables that a batch gives, by name."""

PAYERS = ("basic", "serious", "aid", "free", "self_in", "self_out", "institution")
"""Who pays; over them every line and claim adds up to its charge."""
