"""A narrative's XHTML as the text that FHIR's JSON holds. Source: https://hl7.org/fhir/R4/narrative.html."""

from typing import Any

XHTML = "http://www.w3.org/1999/xhtml"
_XML = "{http://www.w3.org/XML/1998/namespace}"
_VOID = frozenset({"area", "br", "col", "hr", "img"})
_TEXT = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#13;"})
_ATTRIBUTE = _TEXT | str.maketrans({"\n": "&#10;", "\t": "&#9;"})


def div_text(div: Any, taken_as_xhtml: frozenset[str]) -> str:
    """Return a div element (lxml) as text in the default namespace, white space and comments as they were.

    Elements of the namespaces `taken_as_xhtml` are written as XHTML. Empty elements get an end tag unless
    HTML knows none for them, so that the text means the same to a reader of HTML.
    """
    out: list[str] = []
    ends: list[Any] = [div]
    outer = [""]  # the namespaces around
    walk: list[tuple[Any, bool]] = [(div, False)]
    while walk:
        node, closing = walk.pop()
        if closing:
            out.append(f"</{_local(node)}>")
            outer.pop()
        elif isinstance(node.tag, str):
            namespace = node.tag[1:].partition("}")[0] if node.tag[0] == "{" else ""
            namespace = XHTML if namespace in taken_as_xhtml else namespace
            declared = f' xmlns="{namespace.translate(_ATTRIBUTE)}"' if namespace != outer[-1] else ""
            out.append(f"<{_local(node)}{declared}{_attributes(node)}")
            if len(node) == 0 and not node.text and _local(node) in _VOID:
                out.append("/>")
            else:
                out.append(f">{(node.text or '').translate(_TEXT)}")
                outer.append(namespace)
                walk.append((node, True))
                walk.extend((child, False) for child in reversed(node))
                continue
        elif node.tag.__name__ == "Comment":
            out.append(f"<!--{node.text}-->")
        if node is not ends[0]:
            out.append((node.tail or "").translate(_TEXT))
    return "".join(out)


def _local(node: Any) -> str:
    return str(node.tag).rpartition("}")[2]


def _attributes(node: Any) -> str:
    said: list[str] = []
    for name, value in node.attrib.items():
        if name.startswith(_XML):
            name = f"xml:{name.removeprefix(_XML)}"
        if not name.startswith("{"):
            said.append(f' {name}="{value.translate(_ATTRIBUTE)}"')
    return "".join(said)
