"""Made-up residents with several records each, slips included; who is who is in the record's id."""

import random
import string
from datetime import date
from typing import Any

from salus.record.identity.engine.resident_id import check_character

FAMILIES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林罗高郑梁谢宋唐许邓冯韩曹曾彭萧蔡潘田董袁于余叶蒋杜苏魏程吕丁沈任"
    "姚卢傅钟姜崔谭廖范汪陆金石戴贾韦夏邱方侯邹熊孟秦白江阎薛尹段雷黎史龙陶贺顾毛郝龚邵万钱严覃武戴莫孔"
)
GIVENS = (
    "伟芳娜秀英敏静丽强磊军洋勇艳杰娟涛明超兰霞平刚桂香鹏飞建国华玉梅红志文博宇欣怡子涵浩然梓轩雨晨思远嘉"
    "琪若萱俊凯天佑诗婷雪莉莹佳慧颖婉晴晓东海燕春林小龙德福永生金凤素珍淑贤美玲月琴巧云翠花世昌树德振宁长"
)


def population(persons: int, seed: int, *, numbered: float = 0.6) -> list[list[str]]:
    """Return rows of `resident.SCHEMA`, in random order; the id is "person-copy".

    `numbered` is the share of records that carry the identity number. Families of up to four share phone
    and address now and then.
    """
    r = random.Random(seed)
    weights = [1 / (i + 2.5) for i in range(len(FAMILIES))]
    rows: list[list[str]] = []
    person = 0
    while person < persons:
        street = (
            f"{r.choice('文武东西南北中')}{r.choice('一二三四五六昌华兴')}{r.choice(['路', '街', '大道'])}"
        )
        home = f"{street}{r.randrange(1, 400)}号{r.randrange(1, 9)}单元{r.randrange(101, 2500)}室"
        family = r.choices(FAMILIES, weights)[0]
        shared = "13" + "".join(r.choices(string.digits, k=9))
        for _ in range(r.choice((1, 1, 2, 3, 4))):
            if r.random() < 0.4:
                family = r.choices(FAMILIES, weights)[0]
            rows += _records(r, person, family, home, shared, numbered)
            person += 1
    r.shuffle(rows)
    return rows


def _records(
    r: random.Random, person: int, family: str, home: str, shared: str, numbered: float
) -> list[list[str]]:
    given = r.choice(GIVENS) + (r.choice(GIVENS) if r.random() < 0.85 else "")
    day = date.fromordinal(date(1935, 1, 1).toordinal() + r.randrange(33000))
    first17 = f"{r.choice(('330106', '330102', '330108', '411302'))}{day:%Y%m%d}{r.randrange(1, 999):03d}"
    number = first17 + check_character(first17)
    sex = "male" if int(first17[16]) % 2 else "female"
    phone = shared if r.random() < 0.3 else "13" + "".join(r.choices(string.digits, k=9))
    rows = []
    for copy in range(r.choice((1, 2, 2, 3, 4))):
        name, born, call, at = family + given, f"{day:%Y-%m-%d}", phone, home
        if r.random() < 0.03:
            name = family + r.choice(GIVENS) + given[1:]
        if r.random() < 0.02:
            digit = r.choice((2, 3, 5, 6, 8, 9))
            born = born[:digit] + r.choice(string.digits) + born[digit + 1 :]
        if r.random() < 0.15:
            call = "" if r.random() < 0.5 else "15" + "".join(r.choices(string.digits, k=9))
        if r.random() < 0.15:
            at = "" if r.random() < 0.5 else f"解放路{r.randrange(1, 400)}号{r.randrange(101, 2500)}室"
        shown = number if r.random() < numbered else ""
        if shown and r.random() < 0.01:
            place = r.randrange(17)
            shown = shown[:place] + r.choice(string.digits) + shown[place + 1 :]
        rows.append([f"{person}-{copy}", name, born, sex if r.random() < 0.995 else "", call, shown, at])
    return rows


def patient(row: list[str]) -> dict[str, Any]:
    """Return a row as a FHIR Patient without id."""
    _, name, born, sex, phone, number, home = row
    body: dict[str, Any] = {"resourceType": "Patient", "name": [{"text": name}]}
    try:
        body["birthDate"] = date.fromisoformat(born).isoformat()
    except ValueError:
        pass  # a slip that no calendar has does not come as FHIR
    if sex:
        body["gender"] = sex
    if phone:
        body["telecom"] = [{"system": "phone", "value": phone}]
    if number:
        body["identifier"] = [{"system": "https://salus.health/fhir/sid/resident-id", "value": number}]
    if home:
        body["address"] = [{"use": "home", "text": home}]
    return body
