"""Messages written field by field, so that each value stands where HL7 numbers it."""

import base64
from collections.abc import Mapping

from salus.connect.translation import SourceProfile

SOURCE = SourceProfile("his", "hl7v2")
PDF = base64.b64encode(b"%PDF-1.4 report").decode()
LINES_TYPE = "TX"


def segment(name: str, fields: Mapping[int, str]) -> str:
    """Return a segment with values at HL7's field numbers."""
    return "|".join([name, *(fields.get(number, "") for number in range(1, max(fields, default=0) + 1))])


def header(kind: str, control: str, stamp: str = "20240106080000", version: str = "2.5", **more: str) -> str:
    """Return an MSH segment."""
    fields = {2: "HIS", 3: "H01", 4: "SALUS", 5: "CITY", 6: stamp, 8: kind, 9: control, 10: "P", 11: version}
    fields |= {int(number.lstrip("f")) - 1: value for number, value in more.items()}
    return "MSH|^~\\&|" + "|".join(fields.get(number, "") for number in range(2, max(fields) + 1))


def message(*segments: str) -> bytes:
    """Return the bytes of a message."""
    return ("\r".join(segments) + "\r").encode()


PID_SHORT = segment("PID", {3: "P100^^^HOSP^MR", 5: "张^三"})
PID = segment(
    "PID",
    {
        1: "1",
        3: "P100^^^HOSP^MR~11010519491231002X^^^^NNCHN",
        5: "张^三^^^^^L^I~Zhang^San^^^^^L^A",
        7: "19491231",
        8: "M",
        11: "幸福路1号^^北京市^北京^100000^CHN^H",
        13: "13800138000^PRS^CP~^NET^Internet^zhang@example.org",
        14: "010-5551234^WPN^PH",
        16: "M",
        24: "N",
    },
)
VISIT = "V5001^^^HOSP^VN"
PV1 = segment(
    "PV1",
    {
        1: "1",
        2: "I",
        3: "5A^501^02^H01",
        4: "U",
        7: "D100^王^五^^^^^^HISDOC",
        10: "CAR",
        17: "D100^王^五^^^^^^HISDOC",
        19: VISIT,
        44: "20240105081500",
    },
)


def adt(trigger: str, *segments: str, stamp: str = "20240105083000", event: str = "") -> bytes:
    """Return an ADT message."""
    evn = segment("EVN", {1: trigger, 2: stamp, 6: event} if event else {1: trigger, 2: stamp})
    return message(header(f"ADT^{trigger}", f"{trigger}-1", stamp), evn, *segments)


ADT_A01 = adt(
    "A01",
    PID,
    segment("PD1", {3: "社区卫生服务中心^^C01", 4: "D900^李^四"}),
    segment("NK1", {1: "1", 2: "张^小红", 3: "CHD", 4: "幸福路1号^^北京市", 5: "13900139000"}),
    PV1,
    segment("PV2", {3: "R07.4^胸痛^I10", 25: "1"}),
    segment("AL1", {1: "1", 2: "DA", 3: "J01CA^青霉素^ATC", 4: "SV", 5: "皮疹~呼吸困难", 6: "20200101"}),
    segment(
        "DG1", {1: "1", 2: "I10", 3: "I21.9^急性心肌梗死", 5: "20240105", 6: "A", 15: "1", 16: "D100^王^五"}
    ),
    segment(
        "IN1",
        {
            1: "1",
            2: "YB01^城镇职工基本医疗保险",
            4: "市医保局",
            8: "G1",
            12: "20240101",
            13: "20241231",
            17: "SEL",
            36: "YB123456",
            49: "310100123456^^^^SN",
        },
    ),
    segment("ZPI", {1: "1", 2: "kept"}),
    event="20240105081500",
)
ADT_A02 = adt(
    "A02",
    PID,
    segment("PV1", {2: "I", 3: "ICU^1^1^H01", 6: "5A^501^02^H01", 19: VISIT, 44: "20240105081500"}),
    stamp="20240106100000",
)
ADT_A03 = adt(
    "A03",
    PID,
    segment("PV1", {2: "I", 3: "5A^501^02^H01", 19: VISIT, 36: "01", 44: "20240105081500"}),
    segment("DG1", {1: "1", 3: "I21.9^急性心肌梗死^I10", 6: "F"}),
    segment(
        "PR1",
        {1: "1", 3: "36.06^支架植入^I9CP", 5: "20240106093000", 7: "30", 8: "D300^麻^醉", 11: "D400^外^科"},
    ),
    stamp="20240110110500",
    event="20240110110000",
)
ADT_A08 = adt(
    "A08",
    segment("PID", {3: "P100^^^HOSP^MR", 5: "张^三", 11: '""', 13: "13800138001^PRS^CP"}),
    segment("PV1", {2: "I", 3: "5A^501^03^H01", 19: VISIT}),
    stamp="20240107090000",
)
ADT_A11 = adt("A11", PID_SHORT, segment("PV1", {2: "I", 19: VISIT}))
ADT_A13 = adt(
    "A13", PID_SHORT, segment("PV1", {2: "I", 19: VISIT, 44: "20240105081500", 45: "20240110110000"})
)
ADT_A40 = adt(
    "A40",
    PID_SHORT,
    segment("MRG", {1: "P200^^^HOSP^MR", 7: "张^叁"}),
    segment("PID", {3: "P300^^^HOSP^MR", 5: "李^四"}),
    segment("MRG", {1: "P400^^^HOSP^MR"}),
)


def obx(number: int, sort: str, code: str, value: str, **more: str) -> str:
    """Return an OBX, final unless said otherwise."""
    fields = {1: str(number), 2: sort, 3: code, 5: value, 11: "F"}
    return segment("OBX", fields | {int(key.lstrip("f")): held for key, held in more.items()})


ORU_R01 = message(
    header("ORU^R01^ORU_R01", "R01-1", "20240106080000.123+0800", "2.5.1", f18="UNICODE UTF-8"),
    PID_SHORT,
    segment("PV1", {2: "I", 19: VISIT}),
    segment("ORC", {1: "RE", 2: "PL1^HIS", 3: "FI1^LIS", 5: "CM", 9: "20240106070000", 12: "D100^王^五"}),
    segment(
        "OBR",
        {
            1: "1",
            2: "PL1^HIS",
            3: "FI1^LIS",
            4: "24331-1^血脂^LN",
            7: "20240106063000",
            8: "20240106064000",
            15: "BLD&全血",
            16: "D100^王^五",
            22: "20240106075900",
            24: "LAB",
            25: "F",
            32: "D500&检&验",
        },
    ),
    segment("NTE", {1: "1", 3: "空腹"}),
    obx(
        1, "NM", "2093-3^总胆固醇^LN", "5.20", f6="mmol/L^^UCUM", f7="3.1 - 5.7", f8="N", f14="20240106063100"
    ),
    segment("NTE", {1: "1", 3: "复查\\.br\\已核对 \\T\\ 签字"}),
    obx(2, "NM", "2571-8^甘油三酯^LN", ">11.4", f6="mmol/L", f7="<1.7", f8="HH"),
    obx(3, "SN", "600-7^效价^LN", "^1^:^128"),
    obx(4, "SN", "601-5^范围^LN", "^10^-^20", f6="mg/L", f11="P"),
    obx(5, "SN", "602-3^上限^LN", "<^0.5", f6="mg/L"),
    obx(6, "CE", "5778-6^颜色^LN", "Y^黄色^L"),
    obx(7, "ST", "5767-9^外观^LN", "清 亮", f11="C"),
    obx(8, "TX", "8251-1^备注^LN", "第一行"),
    obx(9, "TX", "8251-1^备注^LN", "第二行~第三行"),
    obx(10, "FT", "11502-2^结论^LN", "\\H\\正常\\N\\\\.sp\\建议随访"),
    obx(11, "DT", "8665-2^末次月经^LN", "20231201"),
    obx(12, "TM", "11111-1^时间^LN", "083000"),
    obx(13, "ED", "PDF^报告^L", f"LIS^Application^PDF^Base64^{PDF}"),
    obx(14, "RP", "IMG^影像^L", "http://pacs.example/1?a=b c^PACS^image^jpeg"),
    obx(15, "NM", "718-7^血红蛋白^LN", "溶血", f11="X"),
    segment(
        "SPM",
        {1: "1", 2: "SP1&HIS^SP2&LIS", 4: "BLD^全血^HL70487", 17: "20240106063000", 18: "20240106065000"},
    ),
    segment("ORC", {1: "RE", 2: "PL2", 3: "FI2"}),
    segment("OBR", {1: "2", 2: "PL2", 3: "FI2", 4: "58410-2^血常规^LN", 7: "20240106063000", 25: "P"}),
    obx(1, "NM", "6690-2^白细胞^LN", "7.1", f6="10*9/L", f7="3.5-9.5", f11="P"),
)
ORM_O01 = message(
    header("ORM^O01", "O01-1", version="2.3"),
    PID_SHORT,
    segment("PV1", {2: "I", 19: VISIT}),
    segment("ORC", {1: "NW", 2: "PL1^HIS", 4: "G1", 9: "20240106060000", 12: "D100^王^五"}),
    segment("OBR", {1: "1", 2: "PL1^HIS", 4: "24331-1^血脂^LN", 5: "R", 6: "20240106063000"}),
    segment("NTE", {1: "1", 3: "请空腹"}),
    segment("ORC", {1: "CA", 2: "PL3^HIS"}),
    segment("OBR", {1: "2", 2: "PL3^HIS", 4: "58410-2^血常规^LN", 5: "S"}),
)
RDE_O11 = message(
    header("RDE^O11^RDE_O11", "RDE-1"),
    PID_SHORT,
    segment("ORC", {1: "NW", 2: "RX1^HIS", 12: "D100^王^五"}),
    segment(
        "RXE",
        {1: "1", 2: "J01CA04^阿莫西林^ATC", 3: "0.5", 5: "g", 7: "^每日三次", 10: "21", 11: "粒", 12: "0"},
    ),
    segment("RXR", {1: "PO"}),
)
MDM_T02 = message(
    header("MDM^T02^MDM_T02", "T02-1"),
    segment("EVN", {1: "T02", 2: "20240110150000"}),
    PID_SHORT,
    segment("PV1", {2: "I", 19: VISIT}),
    segment(
        "TXA",
        {
            1: "1",
            2: "DS^出院小结",
            3: "TX",
            4: "20240110",
            6: "20240110143000",
            9: "D100^王^五",
            12: "DOC1^EMR",
            17: "LA",
            18: "U",
            19: "AV",
            25: "出院小结",
        },
    ),
    obx(1, "TX", "DS", "主诉：胸痛"),
    obx(2, "TX", "DS", ""),
    obx(3, "TX", "DS", "诊断：急性心肌梗死"),
    obx(4, "ED", "DS", f"EMR^application^pdf^Base64^{PDF}"),
)
MDM_T01 = message(
    header("MDM^T01", "T01-1"),
    PID_SHORT,
    segment("TXA", {1: "1", 2: "DS", 12: "DOC1^EMR", 17: "AU", 19: "AV"}),
)
VXU_V04 = message(
    header("VXU^V04^VXU_V04", "V04-1", "20240315100000", "2.5.1"),
    PID,
    segment("NK1", {1: "1", 2: "张^小红", 3: "MTH^Mother^HL70063"}),
    segment("ORC", {1: "RE", 3: "VX1^IIS"}),
    segment(
        "RXA",
        {
            1: "0",
            2: "1",
            3: "20240315093000",
            5: "03^麻腮风疫苗^CVX",
            6: "0.5",
            7: "mL^^UCUM",
            9: "00^New immunization record^NIP001",
            10: "D700^接^种",
            15: "L2024A",
            17: "BJ^北京生物^MVX",
            20: "CP",
            21: "A",
            22: "20240315094000",
        },
    ),
    segment("RXR", {1: "SC^皮下^HL70162", 2: "LA^左上臂^HL70163"}),
    obx(1, "NM", "30973-2^剂次^LN", "2", f4="1"),
    obx(2, "CE", "64994-7^资格^LN", "V01^自费^L", f4="1"),
    obx(3, "CE", "69764-9^告知书^LN", "MMR-2023^麻腮风告知书^L", f4="2"),
    obx(4, "DT", "29769-7^告知日期^LN", "20240315", f4="2"),
    obx(5, "ST", "31044-1^反应^LN", "无", f4="3"),
    segment("ORC", {1: "RE", 3: "9999"}),
    segment("RXA", {3: "20100101", 5: "08^乙肝疫苗^CVX", 6: "999", 9: "01^Historical^NIP001", 20: "CP"}),
    segment("ORC", {1: "RE", 3: "VX3^IIS"}),
    segment(
        "RXA", {3: "20240315", 5: "141^流感疫苗^CVX", 6: "999", 18: "00^Parental decision^NIP002", 20: "RE"}
    ),
)


def siu(trigger: str, fields: Mapping[int, str], *segments: str) -> bytes:
    """Return an SIU message about one appointment."""
    return message(
        header(f"SIU^{trigger}", f"{trigger}-1", version="2.4"),
        segment("SCH", {1: "AP1^HIS", 2: "AF1^SCH"} | dict(fields)),
        PID_SHORT,
        *segments,
    )


SIU_S12 = siu(
    "S12",
    {
        7: "FOLLOWUP^复诊^HL70276",
        9: "20",
        10: "MIN",
        11: "^^20^20240408090000+0800^20240408092000+0800",
        25: "Booked",
    },
    segment("RGS", {1: "1"}),
    segment("AIS", {1: "1", 3: "OPC^心内科门诊^L", 4: "20240408090000"}),
    segment("AIP", {1: "1", 3: "D100^王^五", 4: "ATND"}),
    segment("AIL", {1: "1", 3: "OPD1^3^^H01"}),
)
SIU_S13 = siu("S13", {9: "30", 10: "MIN", 11: "^^30^20240409090000"})
SIU_S14 = siu("S14", {})
SIU_S15 = siu("S15", {6: "PATIENT^患者取消", 25: "Booked"})
ALL = {name: value for name, value in globals().items() if isinstance(value, bytes)}
