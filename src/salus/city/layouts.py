"""How the systems that send tables name their columns, write their dates and code what they say."""

from dataclasses import dataclass
from functools import cache

from salus.city.facts import diagnoses, rows
from salus.city.identity import day_text

# our word: English abbreviation, Chinese heading, pinyin initials
COLUMNS = {
    "pid": ("PAT_NO", "档案号", "BRID"), "name": ("PAT_NAME", "姓名", "XM"), "sex": ("SEX", "性别", "XB"),
    "birth": ("BIRTH_DATE", "出生日期", "CSRQ"), "idno": ("ID_CARD", "身份证号", "SFZH"),
    "phone": ("MOBILE", "联系电话", "LXDH"),
    "address": ("ADDR", "现住址", "XZZ"), "updated": ("UPDATED_AT", "更新时间", "GXSJ"),
    "org": ("ORG_CODE", "机构代码", "JGDM"),
    "orgname": ("ORG_NAME", "机构名称", "JGMC"), "visit": ("VISIT_NO", "就诊流水号", "JZLSH"),
    "cls": ("VISIT_TYPE", "就诊类型", "JZLX"),
    "dept": ("DEPT", "科室", "KS"), "doctor": ("DOCTOR", "医生", "YS"),
    "start": ("START_TIME", "就诊时间", "JZSJ"),
    "end": ("END_TIME", "结束时间", "JSSJ"), "dx": ("DIAG_CODE", "诊断编码", "ZDBM"),
    "dxname": ("DIAG_NAME", "诊断名称", "ZDMC"),
    "gp": ("FAMILY_DOCTOR", "家庭医生工号", "JTYS"), "gpname": ("FAMILY_DOCTOR_NAME", "家庭医生", "JTYSXM"),
    "rx": ("RX_NO", "处方号", "CFH"), "drug": ("DRUG_CODE", "药品编码", "YPBM"),
    "drugname": ("DRUG_NAME", "药品名称", "YPMC"),
    "days": ("SUPPLY_DAYS", "用药天数", "YYTS"), "when": ("EVENT_TIME", "发生时间", "FSSJ"),
    "op": ("OP_NO", "手术单号", "SSDH"),
    "opcode": ("OP_CODE", "手术编码", "SSBM"), "opname": ("OP_NAME", "手术名称", "SSMC"),
    "report": ("REPORT_NO", "报告单号", "BGDH"),
    "item": ("ITEM", "项目代码", "XMDM"), "itemname": ("ITEM_NAME", "项目名称", "XMMC"),
    "result": ("RESULT", "结果", "JG"),
    "unit": ("UNIT", "单位", "DW"), "low": ("REF_LOW", "参考下限", "CKXX"),
    "high": ("REF_HIGH", "参考上限", "CKSX"),
    "flag": ("FLAG", "标志", "BZ"), "sampled": ("SAMPLED", "采样时间", "CYSJ"),
    "dose_id": ("DOSE_ID", "接种流水号", "JZLSH"),
    "vaccine": ("VACCINE", "疫苗代码", "YMDM"), "vaccinename": ("VACCINE_NAME", "疫苗名称", "YMMC"),
    "dose": ("DOSE_NO", "剂次", "JC"),
    "lot": ("LOT", "批号", "PH"), "insured": ("INSURED_NO", "参保号", "CBH"), "kind": ("KIND", "类别", "LB"),
    "from": ("VALID_FROM", "起始日期", "QSRQ"), "to": ("VALID_TO", "终止日期", "ZZRQ"),
    "grade": ("GRADE", "等级", "DJ"),
    "hukou": ("REG_TYPE", "户口性质", "HKXZ"), "street": ("STREET", "街道代码", "JDDM"),
    "district": ("DISTRICT", "区县", "QX"),
    "cert": ("CERT_NO", "证明编号", "ZMBH"), "weight": ("WEIGHT_G", "出生体重", "CSTZ"),
    "temp": ("TEMP_NO", "新生儿临时号", "XSELSH"),
    "mother": ("MOTHER", "母亲姓名", "MQXM"), "motherid": ("MOTHER_ID", "母亲身份证号", "MQSFZH"),
    "father": ("FATHER", "父亲姓名", "FQXM"),
    "fatherid": ("FATHER_ID", "父亲身份证号", "FQSFZH"), "died": ("DIED_AT", "死亡时间", "SWSJ"),
    "cause": ("CAUSE_CODE", "死因编码", "SYBM"),
    "causename": ("CAUSE", "根本死因", "GBSY"), "call": ("CALL_NO", "呼叫编号", "HJBH"),
    "hospital": ("HOSPITAL", "送达医院", "SDYY"),
}  # fmt: skip
WHO = ("pid", "name", "sex", "birth", "idno", "phone", "address")
TABLES = {
    "visits": (*WHO, "gp", "gpname", "visit", "cls", "dept", "doctor", "start", "end", "dx", "dxname", "org",
    "orgname", "updated"),
    "medicines": (*WHO[:6], "rx", "drug", "drugname", "days", "doctor", "when", "updated"),
    "procedures": (*WHO[:6], "op", "opcode", "opname", "doctor", "when", "updated"),
    "laboratory": (*WHO[:6], "report", "item", "itemname", "result", "unit", "low", "high", "flag", "sampled",
    "updated"),
    "vaccinations": (*WHO, "dose_id", "vaccine", "vaccinename", "dose", "lot", "when", "org", "orgname",
    "updated"),
    "insured": (*WHO, "kind", "from", "to", "updated"),
    "poverty": (*WHO, "kind", "from", "to", "updated"),
    "disability": (*WHO, "kind", "grade", "from", "updated"),
    "residence": (*WHO, "hukou", "street", "district", "kind", "when", "updated"),
    "births": ("cert", "pid", "name", "sex", "birth", "idno", "temp", "weight", "mother", "motherid",
    "father", "fatherid", "phone", "address",
               "when", "org", "orgname", "updated"),
    "deaths": ("cert", *WHO, "died", "cause", "causename", "updated"),
    "emergency": (*WHO[:6], "call", "when", "end", "dx", "dxname", "hospital", "orgname", "updated"),
}  # fmt: skip
DIALECTS = ("english", "chinese", "pinyin")
DATES = {
    "english": ("%Y-%m-%d", "%Y-%m-%d %H:%M:%S"),
    "chinese": ("%Y/%m/%d", "%Y/%m/%d %H:%M"),
    "pinyin": ("%Y%m%d", "%Y%m%d%H%M%S"),
}
SEXES = {
    "english": {"M": "male", "F": "female"},
    "chinese": {"男": "male", "女": "female"},
    "pinyin": {"1": "male", "2": "female"},
}
CLASSES = {
    "english": ("OP", "ER", "IP"),
    "chinese": ("门诊", "急诊", "住院"),
    "pinyin": ("1", "2", "3"),
}
FLAGS = {"english": ("N", "H", "L"), "chinese": ("正常", "偏高", "偏低"), "pinyin": ("0", "1", "2")}
_UNITS = {"10*9/L": "10^9/L", "10*12/L": "10^12/L", "umol/L": "μmol/L", "ug/L": "μg/L", "/uL": "/μL",
"mm[Hg]": "mmHg",
          "m[IU]/L": "mIU/L", "[IU]/mL": "IU/mL", "1": "-"}  # fmt: skip


def column(dialect: str, word: str) -> str:
    """Return what a layout calls a column."""
    return COLUMNS[word][DIALECTS.index(dialect)]


def date_text(dialect: str, day: int) -> str:
    """Return a day number in a layout's date format."""
    digits = day_text(day)
    mark = {"english": "-", "chinese": "/", "pinyin": ""}[dialect]
    return mark.join((digits[:4], digits[4:6], digits[6:]))


def birth_text(dialect: str, digits: str) -> str:
    """Return YYYYMMDD in a layout's date format."""
    mark = {"english": "-", "chinese": "/", "pinyin": ""}[dialect]
    return mark.join((digits[:4], digits[4:6], digits[6:]))


def time_text(dialect: str, minute: int) -> str:
    """Return a minute in a layout's format."""
    day, rest = divmod(minute, 1440)
    hour, minutes = divmod(rest, 60)
    if dialect == "pinyin":
        return f"{day_text(day)}{hour:02d}{minutes:02d}00"
    return f"{date_text(dialect, day)} {hour:02d}:{minutes:02d}{':00' if dialect == 'english' else ''}"


def sex_code(dialect: str, sex: str) -> str:
    """Return a layout's code for M or F."""
    return {
        "english": {"M": "M", "F": "F"},
        "chinese": {"M": "男", "F": "女"},
        "pinyin": {"M": "1", "F": "2"},
    }[dialect][sex]


def unit_text(ucum: str) -> str:
    """Return a unit as laboratories print it."""
    return _UNITS.get(ucum, ucum)


@dataclass(frozen=True, slots=True)
class CodeList:
    """A layout's own codes: `local[standard]` and, for the mapping, (local, standard, display) in order."""

    local: dict[str, str]
    entries: tuple[tuple[str, str, str], ...]


@cache
def code_list(dialect: str, subject: str) -> CodeList:
    """Return a layout's codes of diagnosis, drug, operation, item, vaccine, cause or unit."""
    standard: list[tuple[str, str]]
    match subject:
        case "dx":
            standard = [(d.code, d.zh) for d in diagnoses()]
        case "drug":
            standard = [(row["atc"], row["zh"]) for row in rows("medicines")]
        case "op":
            standard = [(row["code"], row["zh"]) for row in rows("procedures")]
        case "item":
            standard = [(row["loinc"], row["zh"]) for row in rows("laboratory_tests")]
        case "vaccine":
            standard = list(dict.fromkeys((row["atc"], row["zh"]) for row in rows("vaccines")))
        case "cause":
            standard = [(row["code"], row["zh"]) for row in rows("causes_of_death")]
        case _:
            standard = list(dict.fromkeys((row["ucum"], row["ucum"]) for row in rows("laboratory_tests")))
    entries: dict[str, tuple[str, str, str]] = {}
    for number, (code, zh) in enumerate(standard, 1):
        if subject == "unit":
            local = unit_text(code)
        elif subject == "item":
            local = {
                "english": rows("laboratory_tests")[number - 1]["local"],
                "chinese": zh,
                "pinyin": f"JY{number:03d}",
            }[dialect]
        elif subject in {"dx", "cause"}:
            local = {
                "english": code.replace(".", ""),
                "chinese": zh,
                "pinyin": f"{'JB' if subject == 'dx' else 'SY'}{number:04d}",
            }[dialect]
        else:
            prefix = {"drug": "YP", "op": "SS", "vaccine": "YM"}[subject]
            local = {
                "english": f"{prefix[0]}{1000 + number * 7}",
                "chinese": zh,
                "pinyin": f"{prefix}{number:04d}",
            }[dialect]
        entries.setdefault(code, (local, code, zh))
    return CodeList({code: entry[0] for code, entry in entries.items()}, tuple(entries.values()))
