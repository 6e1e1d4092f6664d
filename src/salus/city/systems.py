"""The 52 source systems of the city: what each speaks, whom it serves and what it records."""

from collections.abc import Iterable
from dataclasses import dataclass

from salus.city.institutions import Registers

VISITS, MEDICINES, LABORATORY, ORDERS, PROCEDURES, VACCINATIONS, BOOKINGS, DOCUMENTS, PRESSURE = (
    "visits", "medicines", "laboratory", "orders", "procedures", "vaccinations", "bookings", "documents", "pressure",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class System:
    """One source system.

    `dialect` is the HL7 version, the FHIR packaging ("ndjson" or "bundle") or the table layout. `local_codes`
    says whether it writes its own codes, which its mapping translates. `careful` systems check identity
    documents, so their identity errors are a tenth of the usual.
    """

    index: int
    code: str
    name: str
    name_en: str
    vendor: str
    format: str
    charset: str
    dialect: str
    institution: str
    records: frozenset[str]
    careful: bool = False
    line_end: str = "\r"
    subject: str = ""

    @property
    def authority(self) -> str:
        """Return the assigning authority in identifiers: the code in capitals without dashes."""
        return self.code.replace("-", "").upper()


UTF8, GB = "utf-8", "gb18030"
# tier, set, suffix, Chinese word, English word, vendor, format, charset, dialect, records, line end
_CARE = (
    ("tertiary", 0, "his", "医院信息系统", "hospital information system", "Chengyun HIS", "hl7v2", GB, "2.4", (VISITS,), "\r"),
    ("tertiary", 0, "lis", "检验系统", "laboratory system", "Ruijian LIS", "hl7v2", GB, "2.3", (LABORATORY,), "\r\n"),
    ("tertiary", 0, "emr", "电子病历", "electronic record", "Hexin EMR", "fhir", UTF8, "bundle", (MEDICINES, PROCEDURES), "\n"),
    ("tertiary", 0, "book", "预约系统", "appointment system", "Chengyun Booking", "hl7v2", UTF8, "2.5.1", (BOOKINGS,), "\r"),
    ("tertiary", 0, "docs", "病历归档", "document archive", "Hexin Archive", "hl7v2", UTF8, "2.6", (DOCUMENTS,), "\r"),
    ("tertiary", 1, "his", "医院信息系统", "hospital information system", "Bohai HIS", "hl7v2", UTF8, "2.5.1", (VISITS,), "\n"),
    ("tertiary", 1, "lis", "检验系统", "laboratory system", "Tianping LIS", "hl7v2", UTF8, "2.5.1", (LABORATORY,), "\r"),
    ("tertiary", 1, "emr", "电子病历", "electronic record", "Bohai EMR", "fhir", UTF8, "ndjson", (MEDICINES, PROCEDURES), "\n"),
    ("tertiary", 1, "book", "预约系统", "appointment system", "Bohai Booking", "hl7v2", UTF8, "2.7", (BOOKINGS,), "\r"),
    ("tertiary", 1, "docs", "病历归档", "document archive", "Bohai Archive", "hl7v2", GB, "2.5", (DOCUMENTS,), "\r\n"),
    ("tertiary", 2, "his", "医院信息系统", "hospital information system", "Kangda HIS", "hl7v2", UTF8, "2.8", (VISITS,), "\r"),
    ("tertiary", 2, "lis", "检验系统", "laboratory system", "Kangda LIS", "csv", GB, "pinyin", (LABORATORY,), "\n"),
    ("tertiary", 2, "rx", "处方系统", "prescription system", "Kangda Rx", "csv", UTF8, "english", (MEDICINES, PROCEDURES), "\n"),
    ("tertiary", 2, "book", "预约系统", "appointment system", "Kangda Booking", "hl7v2", UTF8, "2.3.1", (BOOKINGS,), "\r"),
    ("tertiary", 2, "docs", "病历归档", "document archive", "Kangda Archive", "hl7v2", UTF8, "2.4", (DOCUMENTS,), "\r"),
    ("secondary", 0, "his", "医院信息系统", "hospital information system", "Minkang HIS", "hl7v2", GB, "2.3.1", (VISITS,), "\r\n"),
    ("secondary", 0, "lis", "检验系统", "laboratory system", "Minkang LIS", "hl7v2", GB, "2.3", (LABORATORY,), "\r"),
    ("secondary", 1, "emr", "电子病历", "electronic record", "Bencao EMR", "fhir", UTF8, "ndjson", (VISITS, MEDICINES, PROCEDURES), "\n"),
    ("secondary", 1, "lis", "检验系统", "laboratory system", "Bencao LIS", "hl7v2", UTF8, "2.4", (LABORATORY,), "\r"),
    ("secondary", 2, "emr", "妇幼信息系统", "maternal and child system", "Muying EMR", "fhir", UTF8, "bundle", (VISITS, MEDICINES, PROCEDURES), "\n"),
    ("secondary", 2, "lis", "检验系统", "laboratory system", "Muying LIS", "csv", UTF8, "english", (LABORATORY,), "\n"),
    ("secondary", 3, "his", "医院信息系统", "hospital information system", "Xinning HIS", "csv", GB, "pinyin", (VISITS,), "\n"),
    ("secondary", 3, "rx", "药房系统", "pharmacy system", "Xinning Rx", "csv", GB, "chinese", (MEDICINES,), "\n"),
    ("secondary", 4, "his", "医院信息系统", "hospital information system", "Jishi HIS", "hl7v2", UTF8, "2.5", (VISITS, PROCEDURES), "\r"),
    ("secondary", 4, "lis", "检验系统", "laboratory system", "Jishi LIS", "csv", GB, "chinese", (LABORATORY,), "\n"),
    ("community", 0, "ehr", "社区健康档案", "community record", "Shequ One", "fhir", UTF8, "ndjson", (VISITS, MEDICINES, PRESSURE), "\n"),
    ("community", 0, "imm", "预防接种系统", "vaccination system", "Miaoyi", "hl7v2", UTF8, "2.5.1", (VACCINATIONS,), "\r"),
    ("community", 1, "ehr", "社区健康档案", "community record", "Shequ Cloud", "csv", UTF8, "english", (VISITS, MEDICINES), "\n"),
    ("community", 1, "imm", "预防接种系统", "vaccination system", "Miaoyi", "hl7v2", GB, "2.4", (VACCINATIONS,), "\r"),
    ("community", 2, "ehr", "社区健康档案", "community record", "Jiedao Office", "excel", UTF8, "chinese", (VISITS,), "\n"),
    ("community", 2, "imm", "预防接种系统", "vaccination system", "Jiezhong", "csv", UTF8, "chinese", (VACCINATIONS,), "\n"),
    ("community", 3, "his", "社区医疗系统", "community clinic system", "Minkang Lite", "hl7v2", GB, "2.4", (VISITS,), "\r"),
    ("community", 3, "imm", "预防接种系统", "vaccination system", "Miaoyi", "hl7v2", UTF8, "2.6", (VACCINATIONS,), "\n"),
    ("community", 4, "ehr", "社区健康档案", "community record", "Shequ One", "fhir", UTF8, "bundle", (VISITS, MEDICINES, PRESSURE), "\n"),
    ("community", 4, "imm", "预防接种系统", "vaccination system", "Miaoyi", "hl7v2", UTF8, "2.8", (VACCINATIONS,), "\r"),
    ("community", 5, "ehr", "社区健康档案", "community record", "Jiedao Office", "csv", GB, "chinese", (VISITS, MEDICINES), "\n"),
    ("community", 5, "imm", "预防接种系统", "vaccination system", "Jiezhong", "csv", GB, "pinyin", (VACCINATIONS,), "\n"),
    ("township", 0, "his", "卫生院信息系统", "township system", "Xiangyi FHIR", "fhir", UTF8, "ndjson", (VISITS, MEDICINES), "\n"),
    ("township", 1, "his", "卫生院信息系统", "township system", "Xiangyi", "csv", GB, "pinyin", (VISITS,), "\n"),
    ("village", 0, "his", "村卫生室系统", "village clinic system", "Cunyi", "csv", UTF8, "chinese", (VISITS,), "\n"),
    ("village", 1, "his", "村卫生室登记表", "village clinic register", "Office", "excel", UTF8, "chinese", (VISITS,), "\n"),
)  # fmt: skip
# code, Chinese name, English name, vendor, format, charset, dialect, kind of institution, records, subject
_CITY = (
    ("region-lis", "区域检验平台", "Regional laboratory results", "Ruijian LIS", "hl7v2", UTF8, "2.5.1", "laboratory", (LABORATORY,), ""),
    ("region-orders", "区域检验申请", "Regional laboratory orders", "Ruijian Orders", "hl7v2", GB, "2.3.1", "laboratory", (ORDERS,), ""),
    ("ems", "急救调度系统", "Emergency dispatch", "Xunjie", "csv", UTF8, "english", "emergency_centre", (), "emergency"),
    ("insure-employee", "职工医保参保库", "Employees' insurance register", "Yibao", "csv", GB, "pinyin", "insurer", (), "employee"),
    ("insure-resident", "居民医保参保库", "Residents' insurance register", "Yibao", "csv", UTF8, "chinese", "insurer", (), "resident"),
    ("cdc-births", "出生医学证明系统", "Birth certificates", "Jikong", "csv", UTF8, "chinese", "cdc", (), "births"),
    ("cdc-deaths", "死因登记系统", "Death certificates", "Jikong", "csv", GB, "pinyin", "cdc", (), "deaths"),
    ("cdc-campaigns", "群体接种登记", "Vaccination campaigns", "Jikong", "csv", UTF8, "english", "cdc", (), "campaigns"),
    ("civil-poverty", "低收入人口库", "Low-income register", "Minzheng", "csv", GB, "chinese", "other", (), "poverty"),
    ("disabled", "残疾人证库", "Disability register", "Canlian", "excel", UTF8, "chinese", "other", (), "disability"),
    ("residence", "人口户籍库", "Residence register", "Huji", "csv", GB, "pinyin", "other", (), "residence"),
)  # fmt: skip
SETS = {"tertiary": 3, "secondary": 5, "community": 6, "township": 2, "village": 2}
LETTER = {"tertiary": "t", "secondary": "s", "community": "c", "township": "x", "village": "v"}


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All systems, and which one records what at each institution: `serving[record][place]` is an index or -1."""

    systems: tuple[System, ...]
    serving: dict[str, tuple[int, ...]]

    def by_subject(self, subject: str) -> System:
        """Return the city-wide system of a subject."""
        return next(system for system in self.systems if system.subject == subject)


def catalogue(registers: Registers) -> Catalogue:
    """Build the 52 systems for a city's institutions.

    In a large city the systems of a set serve every third (fifth, sixth …) institution of the tier, as
    hosted systems of a vendor do.
    """
    systems: list[System] = []
    members: list[frozenset[int]] = []
    for tier, number, suffix, zh, en, vendor, form, charset, dialect, records, line_end in _CARE:
        served = [place for n, place in enumerate(registers.of_tier(tier)) if n % SETS[tier] == number]
        lead = served[0]
        code = f"{LETTER[tier]}{number + 1}-{suffix}"
        systems.append(
            System(len(systems), code, f"{lead.name}{zh}", f"{lead.name_en} {en}", vendor, form, charset, dialect, lead.code,
                   frozenset(records), line_end=line_end)
        )  # fmt: skip
        members.append(frozenset(place.index for place in served))
    primary = frozenset(
        p.index for tier in ("community", "township", "village") for p in registers.of_tier(tier)
    )
    for code, zh, en, vendor, form, charset, dialect, kind, records, subject in _CITY:
        systems.append(
            System(len(systems), code, f"临澜市{zh}", f"Linlan {en.lower()}", vendor, form, charset, dialect,
                   registers.of_kind(kind).code, frozenset(records), careful=True, subject=subject)
        )  # fmt: skip
        members.append(primary)
    serving = {
        record: tuple(_first(systems, members, record, place.index) for place in registers.places)
        for record in (
            VISITS,
            MEDICINES,
            LABORATORY,
            ORDERS,
            PROCEDURES,
            VACCINATIONS,
            BOOKINGS,
            DOCUMENTS,
            PRESSURE,
        )
    }
    return Catalogue(tuple(systems), serving)


def _first(systems: Iterable[System], members: list[frozenset[int]], record: str, place: int) -> int:
    return next((s.index for s in systems if record in s.records and place in members[s.index]), -1)
