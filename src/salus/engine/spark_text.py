"""Text in Spark's words, and the patterns that RE2 and Java read alike."""

import re
import warnings

from sqlglot import exp

from salus.engine.rendering import Rules, literal, of_kind, refuse, text, type_of, whole, words_of
from salus.engine.types import kind

rules = Rules()
# Unicode's category Zs, which DuckDB's trim takes off; Spark's own takes the first alone
_SPACES = " \u00a0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u202f\u205f\u3000"


def _quoted(words: str) -> exp.Expr:
    return exp.Var(this=literal(words))


@rules.on(exp.DPipe)
def _joined(node: exp.DPipe) -> exp.Expr:
    of_kind(node.this, "text")
    of_kind(node.expression, "text")
    return text("({0} || {1})", node.this, node.expression)


@rules.on(exp.Like)
def _like(node: exp.Like) -> exp.Expr:
    pattern = words_of(node.expression, "the pattern of like")
    if "\\" in pattern:
        refuse("like with a backslash", "Use contains or starts_with.")
    of_kind(node.this, "text")
    verb = "not like" if node.args.get("negate") else "like"
    return text("({0} " + verb + " {1})", node.this, _quoted(pattern))


@rules.on(exp.Length)
def _length(node: exp.Length) -> exp.Expr:
    if kind(type_of(node.this)) == "list":
        return text("cast(size({0}) as bigint)", node.this)
    of_kind(node.this, "text")
    return text("cast(char_length({0}) as bigint)", node.this)


@rules.on(exp.Trim)
def _trim(node: exp.Trim) -> exp.Expr:
    end = str(node.args.get("position") or "BOTH")
    return text(f"trim({end} {{1}} from {{0}})", node.this, _quoted(_SPACES))


@rules.on(exp.Substring)
def _substring(node: exp.Substring) -> exp.Expr:
    of_kind(node.this, "text")
    start = whole(node.args["start"], "the start of substring", least=1)
    if not node.args.get("length"):
        return text(f"substring({{0}}, {start})", node.this)
    return text(
        f"substring({{0}}, {start}, {whole(node.args['length'], 'the length of substring', least=0)})",
        node.this,
    )


@rules.on(exp.Left, exp.Right)
def _end(node: exp.Func) -> exp.Expr:
    many = whole(node.expression, "the number of characters", least=0)
    return text(f"{node.sql_name().lower()}({{0}}, {many})", node.this)


@rules.on(exp.StrPosition)
def _position(node: exp.StrPosition) -> exp.Expr:
    return text("cast(position({1} in {0}) as bigint)", node.this, node.args["substr"])


@rules.on(exp.Replace)
def _replace(node: exp.Replace) -> exp.Expr:
    if not words_of(node.expression, "what replace looks for"):
        refuse("replace of nothing")
    return text("replace({0}, {1}, {2})", node.this, node.expression, node.args["replacement"])


@rules.on(exp.Concat)
def _concat(node: exp.Concat) -> exp.Expr:
    for part in node.expressions:
        of_kind(part, "text")
    words = ", ".join(f"coalesce({{{n}}}, '')" for n in range(len(node.expressions)))
    return text(f"concat({words})", *node.expressions)


@rules.on(exp.ConcatWs)
def _concat_ws(node: exp.ConcatWs) -> exp.Expr:
    words_of(node.expressions[0], "the separator of concat_ws")
    for part in node.expressions:
        of_kind(part, "text")
    words = ", ".join(f"{{{n}}}" for n in range(len(node.expressions)))
    return text(f"concat_ws({words})", *node.expressions)


@rules.on(exp.Pad)
def _pad(node: exp.Pad) -> exp.Expr:
    name = "lpad" if node.args.get("is_left") else "rpad"
    filling = words_of(node.args["fill_pattern"], f"the filling of {name}")
    if not filling:
        refuse(f"{name} with nothing")
    many = whole(node.expression, f"the length of {name}", least=0)
    return text(f"{name}({{0}}, {many}, {{1}})", node.this, _quoted(filling))


@rules.on(exp.StartsWith, exp.EndsWith, exp.Contains)
def _holds(node: exp.Func) -> exp.Expr:
    name = {exp.StartsWith: "startswith", exp.EndsWith: "endswith", exp.Contains: "contains"}[type(node)]
    of_kind(node.this, "text")
    return text(name + "({0}, {1})", node.this, node.expression)


@rules.on(exp.SplitPart)
def _split_part(node: exp.SplitPart) -> exp.Expr:
    if not words_of(node.args["delimiter"], "the separator of split_part"):
        refuse("split_part by nothing")
    part = whole(node.args["part_index"], "the part of split_part", least=1)
    return text(f"split_part({{0}}, {{1}}, {part})", node.this, node.args["delimiter"])


@rules.on(exp.Split)
def _split(node: exp.Split) -> exp.Expr:
    between = words_of(node.expression, "the separator of string_split")
    if not between:
        refuse("string_split by nothing")
    return text("split({0}, {1}, -1)", node.this, _quoted(re.sub(r"([^A-Za-z0-9 ])", r"\\\1", between)))


@rules.on(exp.Repeat)
def _repeat(node: exp.Repeat) -> exp.Expr:
    many = whole(node.args["times"], "the number of repeat", least=0)
    return text(f"repeat({{0}}, {many})", node.this)


@rules.on(exp.SHA2)
def _sha256(node: exp.SHA2) -> exp.Expr:
    of_kind(node.this, "text")
    return text("sha2({0}, 256)", node.this)


@rules.on(exp.MD5)
def _md5(node: exp.MD5) -> exp.Expr:
    of_kind(node.this, "text")
    return text("md5({0})", node.this)


_TOKEN = re.compile(
    r"\\[dD.^$*+?()\[\]{}|/\\-]"  # a class of digits, or a character that means itself
    r"|\[\^?(?:\\[d\\\]\[^.-]|[^\]\[\\&])+\]"
    r"|\((?:\?:)?|[).|*+?^$]"
    r"|\{\d{1,3}(?:,\d{0,3})?\}"
    r"|[^\\\[\](){}|*+?.^$]"
)


def java_pattern(pattern: str) -> str:
    """Return a pattern that Java reads as RE2 reads the given one; refuses what they read differently.

    Taken: characters, `.`, `[…]`, `\\d`, groups, `|`, `* + ?` and counts in braces, lazy forms, `^`, `$`.
    """
    try:
        with warnings.catch_warnings(action="ignore"):
            re.compile(pattern)
    except re.error:
        refuse("a pattern that is not one")
    parts: list[str] = []
    at = 0
    while at < len(pattern):
        found = _TOKEN.match(pattern, at)
        if not found or (pattern.startswith("(?", at) and not pattern.startswith("(?:", at)):
            refuse(f"{pattern[at : at + 6]!r} in a pattern", "See docs/engine.md for the patterns that are.")
        sign = found.group()
        if (
            sign == "+"
            and parts
            and parts[-1][-1:] in ("*", "+", "?", "}")
            and not parts[-1].startswith("\\")
        ):
            refuse("a possessive pattern", "Leave the second sign out.")
        parts.append({".": r"[^\n]", "$": r"\z"}.get(sign, sign))
        at = found.end()
    return "".join(parts)


def _pattern(node: exp.Expr) -> str:
    return words_of(node, "a pattern")


@rules.on(exp.RegexpLike)
def _matches(node: exp.RegexpLike) -> exp.Expr:
    return text("({0} rlike {1})", node.this, _quoted(java_pattern(_pattern(node.expression))))


@rules.on(exp.RegexpFullMatch)
def _full_match(node: exp.RegexpFullMatch) -> exp.Expr:
    return text("({0} rlike {1})", node.this, _quoted(f"^(?:{java_pattern(_pattern(node.expression))})\\z"))


@rules.on(exp.RegexpExtract)
def _extract(node: exp.RegexpExtract) -> exp.Expr:
    group = whole(node.args["group"], "the group of regexp_extract", least=0)
    return text(
        f"regexp_extract({{0}}, {{1}}, {group})", node.this, _quoted(java_pattern(_pattern(node.expression)))
    )


@rules.on(exp.RegexpReplace)
def _regexp_replace(node: exp.RegexpReplace) -> exp.Expr:
    modifiers = node.args.get("modifiers")
    if modifiers is None or words_of(modifiers, "the options of regexp_replace") != "g":
        refuse("regexp_replace of the first match", "Write 'g' as its last argument.")
    pattern = java_pattern(_pattern(node.expression))
    if re.search(pattern.replace(r"\z", r"\Z"), "") is not None:
        refuse("regexp_replace of a pattern that matches nothing", "Use + instead of *.")
    new = words_of(node.args["replacement"], "the replacement of regexp_replace")
    if "\\" in new:
        refuse("regexp_replace with groups", "Use regexp_extract.")
    return text(
        "regexp_replace({0}, {1}, {2})", node.this, _quoted(pattern), _quoted(new.replace("$", "\\$"))
    )
