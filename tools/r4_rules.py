"""Write the compact FHIR R4 rule files of the record room from HL7's definition bundles.

    python tools/r4_rules.py FOLDER_WITH_DEFINITIONS

The folder holds HL7's own files, as published at https://hl7.org/fhir/R4/downloads.html:
profiles-resources.json, profiles-types.json, search-parameters.json, valuesets.json,
v3-codesystems.json and compartmentdefinition-patient.json.
"""

import csv
import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

OUT = Path(__file__).resolve().parent.parent / "src/salus/record/rules/r4"
SITE = "https://hl7.org/fhir/R4"
MOST_CODES = 300  # longer lists (languages, media types, currencies) are left to their own registries
TABLES = {"token", "string", "date", "reference", "quantity", "number", "uri"}
SYSTEM_TYPE = re.compile(r"^http://hl7\.org/fhirpath/System\.(\w+)$")
# The compartment's parameters in the order in which a resource says whose it is; the others
# (author, performer, recipient…) say who took part.
WHOSE = ["patient", "subject", "beneficiary", "individual", "actor", "member", "candidate"]


def resources(file: Path, kind: str) -> Iterator[dict[str, Any]]:
    """Yield the resources of one type in a definition bundle."""
    for entry in json.loads(file.read_bytes())["entry"]:
        if entry["resource"]["resourceType"] == kind:
            yield entry["resource"]


def write(name: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write one rule file."""
    with (OUT / name).open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(header)
        out.writerows(rows)


def page(structure: str) -> str:
    """Return the address of the page that defines a structure."""
    return f"{SITE}/{structure.lower()}.html"


def structures(folder: Path) -> dict[str, dict[str, Any]]:
    """Return every concrete resource and data type by its name."""
    found = {}
    for file in ("profiles-types.json", "profiles-resources.json"):
        for one in resources(folder / file, "StructureDefinition"):
            if one["kind"] != "logical" and one.get("derivation") != "constraint":
                found[one["type"]] = one
    return found


def type_codes(element: dict[str, Any]) -> list[str]:
    """Return the type names of an element, FHIRPath's system types under their FHIR names."""
    codes = []
    for one in element.get("type", ()):
        match = SYSTEM_TYPE.match(one["code"])
        if match is None:
            codes.append(one["code"])
            continue
        named = [
            e["valueUrl"]
            for e in one.get("extension", ())
            if e["url"].endswith("structuredefinition-fhir-type")
        ]
        codes.append(named[0] if named else match[1].lower())
    return codes


def elements(defined: dict[str, dict[str, Any]]) -> Iterator[tuple[object, ...]]:
    """Yield path, min, max, types, required value set and reused content of every element."""
    for name, one in sorted(defined.items()):
        if one["kind"] == "primitive-type":
            continue
        for element in one["snapshot"]["element"]:
            if "." not in element["path"]:
                continue
            binding = element.get("binding", {})
            required = (
                binding.get("valueSet", "").split("|")[0] if binding.get("strength") == "required" else ""
            )
            yield (
                element["path"],
                element["min"],
                element["max"],
                " ".join(type_codes(element)),
                required,
                element.get("contentReference", "").removeprefix("#"),
                page(name),
                "read",
            )


def summaries(defined: dict[str, dict[str, Any]]) -> Iterator[tuple[object, ...]]:
    """Yield, for each type and backbone element, the elements that belong to its summary."""
    for name, one in sorted(defined.items()):
        if one["kind"] == "primitive-type":
            continue
        found: dict[str, list[str]] = {}
        for element in one["snapshot"]["element"]:
            owner, _, last = element["path"].rpartition(".")
            if owner and element.get("isSummary"):
                found.setdefault(owner, []).append(last.removesuffix("[x]"))
        for owner, names in found.items():
            yield owner, " ".join(names), page(name), "read"


def primitives(defined: dict[str, dict[str, Any]]) -> Iterator[tuple[object, ...]]:
    """Yield the name and the regular expression of every primitive type."""
    for name, one in sorted(defined.items()):
        if one["kind"] != "primitive-type":
            continue
        value = next(e for e in one["snapshot"]["element"] if e["path"] == f"{name}.value")
        pattern = [
            e["valueString"]
            for kind in value["type"]
            for e in kind.get("extension", ())
            if e["url"].endswith("/StructureDefinition/regex")
        ]
        yield name, pattern[0] if pattern else "", f"{SITE}/datatypes.html#{name}", "read"


def concept_codes(concepts: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield the codes of a code system, children included."""
    for concept in concepts:
        yield concept["code"]
        yield from concept_codes(concept.get("concept", ()))


def bindings(folder: Path, wanted: set[str]) -> Iterator[tuple[object, ...]]:
    """Yield the codes of each value set that is required somewhere and small enough to list."""
    systems: dict[str, dict[str, Any]] = {}
    sets: dict[str, dict[str, Any]] = {}
    for file in ("valuesets.json", "v3-codesystems.json"):
        systems |= {one["url"]: one for one in resources(folder / file, "CodeSystem")}
        sets |= {one["url"]: one for one in resources(folder / file, "ValueSet")}

    def codes_of(url: str) -> set[str] | None:
        if url not in sets or "compose" not in sets[url]:
            return None
        codes: set[str] = set()
        for include in sets[url]["compose"]["include"]:
            if "filter" in include:
                return None
            for other in include.get("valueSet", ()):
                if (nested := codes_of(other.split("|")[0])) is None:
                    return None
                codes |= nested
            if "concept" in include:
                codes |= {c["code"] for c in include["concept"]}
            elif "system" in include:
                system = systems.get(include["system"])
                if system is None or system.get("content") != "complete":
                    return None
                codes |= set(concept_codes(system["concept"]))
        for exclude in sets[url]["compose"].get("exclude", ()):
            codes -= {c["code"] for c in exclude.get("concept", ())}
        return codes

    for url in sorted(wanted):
        codes = codes_of(url)
        if codes and len(codes) <= MOST_CODES:
            yield url, " ".join(sorted(codes)), f"{SITE}/valueset-{url.rsplit('/', 1)[1]}.html", "read"


ALSO = ["v3-ActReason", "v3-Confidentiality", "v3-MaritalStatus", "v3-ObservationInterpretation", "v2-0203",
        "observation-category", "condition-category"]  # fmt: skip
"""Code systems beside those of the required lists that records use everywhere."""


def terminology(folder: Path, wanted: set[str]) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    """Return the concepts of the code systems behind the required lists, and which list takes which."""
    systems: dict[str, dict[str, Any]] = {}
    sets: dict[str, dict[str, Any]] = {}
    for file in ("valuesets.json", "v3-codesystems.json", "v2-tables.json"):
        if (folder / file).exists():
            systems |= {one["url"]: one for one in resources(folder / file, "CodeSystem")}
            sets |= {one["url"]: one for one in resources(folder / file, "ValueSet")}
    named = {f"http://terminology.hl7.org/CodeSystem/{name}" for name in ALSO}
    members: list[tuple[object, ...]] = []
    for url in sorted(wanted):
        for include in sets.get(url, {}).get("compose", {}).get("include", ()):
            if "filter" in include or include.get("system") not in systems:
                continue
            system = systems[include["system"]]
            if (
                system.get("content") != "complete"
                or len(list(concept_codes(system["concept"]))) > MOST_CODES
            ):
                continue
            named.add(system["url"])
            codes = " ".join(one["code"] for one in include.get("concept", ())) or "*"
            members.append(
                (url, system["url"], codes, f"{SITE}/valueset-{url.rsplit('/', 1)[1]}.html", "read")
            )
    concepts: list[tuple[object, ...]] = []

    def walk(url: str, found: Sequence[dict[str, Any]], parent: str) -> None:
        for one in found:
            concepts.append((url, one["code"], one.get("display", ""), parent, url, "read"))
            walk(url, one.get("concept", ()), one["code"])

    for url in sorted(named & set(systems)):
        walk(url, systems[url].get("concept", ()), "")
    return concepts, members


def parts(expression: str, base: str) -> Iterator[tuple[str, str]]:
    """Yield each alternative of a search expression for one type, with the type it narrows a reference to.

    `(A.b as T)`, `A.b as T` and `A.b.as(T)` come out as `A.b.as(T)`; `.where(resolve() is T)` is
    taken off, because an index row says its target's type.
    """
    for alternative in expression.split("|"):
        text = alternative.strip()
        text = re.sub(r"^\(([\w.]+) as (\w+)\)", r"\1.as(\2)", text)
        text = re.sub(r"^([\w.]+) as (\w+)$", r"\1.as(\2)", text)
        text = text.removeprefix("(").removesuffix(")") if text.count("(") != text.count(")") else text
        narrowed = re.search(r"\.where\(resolve\(\) is (\w+)\)", text)
        text = re.sub(r"\.where\(resolve\(\) is \w+\)", "", text)
        if re.match(rf"{base}\b", text):
            yield text, narrowed[1] if narrowed else ""


def search(folder: Path, names: Sequence[str]) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    """Return the search parameters and the index paths they read.

    A path is stored once however many parameters read it, so `patient` and `subject`, or `code` and
    `combo-code`, share their rows.
    """
    numbers: dict[tuple[str, str, str], int] = {}
    parameters: list[tuple[object, ...]] = []
    for one in sorted(resources(folder / "search-parameters.json", "SearchParameter"), key=lambda p: p["id"]):
        if one["type"] not in TABLES or "expression" not in one:
            continue
        for base in sorted(one["base"]):
            if base not in names and base != "Resource":
                continue
            found = list(parts(one["expression"], base))
            found = [f for f in found if "[" not in f[0]]  # a Bundle is not indexed by what it carries
            if not found or one["code"] in {"_id", "_lastUpdated", "_source"}:
                continue
            paths = [numbers.setdefault((base, one["type"], text), len(numbers) + 1) for text, _ in found]
            narrowed = {target for _, target in found}
            targets = sorted(narrowed) if "" not in narrowed else sorted(one.get("target", ()))
            address = f"{SITE}/searchparameter-registry.html#{one['id']}"
            joined = " ".join(str(p) for p in paths)
            parameters.append((base, one["code"], one["type"], joined, " ".join(targets), address, "read"))
    registry = f"{SITE}/searchparameter-registry.html"
    return sorted(parameters), [(n, *key, registry, "read") for key, n in numbers.items()]


def composites(
    folder: Path, names: Sequence[str], paths: Sequence[tuple[object, ...]]
) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    """Return the composite search parameters of two parts, and the index paths that keep pairs together.

    Where both parts stand once in a resource, both paths of its index say the same as the pair; where an
    element repeats, each pair is a row of its own ("component-code-value-quantity").
    """
    known = {(str(row[1]), str(row[2]), str(row[3]).lower()): str(row[0]) for row in paths}
    kinds = {
        one["url"]: one["type"] for one in resources(folder / "search-parameters.json", "SearchParameter")
    }
    registry = f"{SITE}/searchparameter-registry.html"
    numbers: dict[tuple[str, ...], int] = {}
    parameters: list[tuple[object, ...]] = []
    for one in sorted(resources(folder / "search-parameters.json", "SearchParameter"), key=lambda p: p["id"]):
        if one["type"] != "composite" or len(one["component"]) != 2:
            continue
        first, second = one["component"]
        # DocumentReference's parts name each other's parameters; the first part is always the code.
        kind = kinds[second["definition"] if kinds[first["definition"]] == "token" else first["definition"]]
        for base in sorted(set(one["base"]) & set(names)):
            read: list[str] = []
            for element, _ in parts(one["expression"], base):
                inner = [part.strip() for part in second["expression"].split("|")]
                if element == base:
                    ways = [known.get((base, kind, f"{base}.{part}".lower()), "") for part in inner]
                    code = known[base, "token", f"{base}.{first['expression']}".lower()]
                    read += [f"{code}+{way}" for way in ways if way]
                    continue
                key = (base, kind, element, first["expression"], " ".join(inner))
                read.append(str(numbers.setdefault(key, len(paths) + len(numbers) + 1)))
            address = f"{registry}#{one['id']}"
            parameters.append((base, one["code"], kind, " ".join(read), address, "read"))
    return sorted(parameters), [(n, *key, registry, "read") for key, n in numbers.items()]


def whose(folder: Path, parameters: Sequence[tuple[object, ...]]) -> Iterator[tuple[object, ...]]:
    """Yield, for each type in the Patient compartment, the index paths that say whose the resource is."""
    paths = {(row[0], row[1]): str(row[3]) for row in parameters}
    compartment = json.loads((folder / "compartmentdefinition-patient.json").read_bytes())
    for entry in compartment["resource"]:
        named = [p for p in entry.get("param", ()) if p in WHOSE and entry["code"] != "Person"]
        ordered = sorted(named, key=WHOSE.index)
        numbers = [n for p in ordered for n in paths.get((entry["code"], p), "").split()]
        if numbers:
            yield (
                entry["code"],
                " ".join(dict.fromkeys(numbers)),
                f"{SITE}/compartmentdefinition-patient.html",
                "read",
            )


def main(folder: Path) -> None:
    """Write every rule file."""
    OUT.mkdir(parents=True, exist_ok=True)
    defined = structures(folder)
    names = sorted(n for n, s in defined.items() if s["kind"] == "resource" and not s["abstract"])
    write(
        "resource_types.csv",
        ["kind", "name", "source", "checked"],
        ((i, n, page(n), "read") for i, n in enumerate(names, 1)),
    )
    rows = list(elements(defined))
    write("elements.csv", ["path", "min", "max", "types", "binding", "content", "source", "checked"], rows)
    write("summary.csv", ["path", "elements", "source", "checked"], summaries(defined))
    write("primitives.csv", ["name", "pattern", "source", "checked"], primitives(defined))
    write(
        "bindings.csv",
        ["value_set", "codes", "source", "checked"],
        bindings(folder, {str(r[4]) for r in rows if r[4]}),
    )
    concepts, members = terminology(folder, {str(r[4]) for r in rows if r[4]})
    write("concepts.csv", ["system", "code", "display", "parent", "source", "checked"], concepts)
    write("value_sets.csv", ["value_set", "system", "codes", "source", "checked"], members)
    parameters, paths = search(folder, names)
    write(
        "search_parameters.csv",
        ["type", "code", "search_type", "paths", "targets", "source", "checked"],
        parameters,
    )
    write("index_paths.csv", ["path", "type", "table", "expression", "source", "checked"], paths)
    composite, pairs = composites(folder, names, paths)
    write("composite_parameters.csv", ["type", "code", "second", "reads", "source", "checked"], composite)
    write(
        "composite_paths.csv",
        ["path", "type", "table", "element", "first", "second", "source", "checked"],
        pairs,
    )
    write("patient_paths.csv", ["type", "paths", "source", "checked"], whose(folder, parameters))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
