"""Tables made like others and put in their place, within a transaction on both databases."""

from django.db.backends.utils import CursorWrapper


def exists(cursor: CursorWrapper, table: str) -> bool:
    """Return whether there is a table of that name."""
    if cursor.db.vendor == "postgresql":
        cursor.execute("select to_regclass(%s) is not null", [table])
    else:
        cursor.execute("select count(*) from sqlite_master where type = 'table' and name = %s", [table])
    return bool(cursor.fetchone()[0])


def drop(cursor: CursorWrapper, table: str) -> bool:
    """Drop a table; return whether there was one."""
    if not exists(cursor, table):
        return False
    cursor.execute(f"drop table {table}")
    return True


def make_like(cursor: CursorWrapper, table: str, suffix: str) -> None:
    """Make an empty table with the same columns, key and indexes; its name has a suffix.

    SQLite cannot rename an index: the indexes there take turns between their name and another.
    """
    if cursor.db.vendor == "postgresql":
        cursor.execute(f"create table {table}{suffix} (like {table} including all)")
        return
    cursor.execute(
        "select type, name, sql from sqlite_master where tbl_name = %s and sql is not null"
        " order by type desc, name",
        [table],
    )
    for kind, name, text in cursor.fetchall():
        if kind == "table":
            # After a renaming SQLite keeps the table's name in quotes.
            _, _, body = text.partition("(")
            cursor.execute(f"create table {table}{suffix} ({body}")
        elif kind == "index":
            _, _, columns = text.partition(" on ")
            other = name.removesuffix("_2") if name.endswith("_2") else f"{name}_2"
            cursor.execute(f"create index {other} on {table}{suffix} {columns[columns.index('(') :]}")


def put_in_place(cursor: CursorWrapper, table: str, new: str, old: str) -> None:
    """Give a table's name to the one with the suffix `new`, and the suffix `old` to the table itself."""
    if cursor.db.vendor != "postgresql":
        cursor.execute(f"alter table {table} rename to {table}{old}")
        cursor.execute(f"alter table {table}{new} rename to {table}")
        return
    names = _indexes(cursor, table)
    cursor.execute(f"alter table {table} rename to {table}{old}")
    for name in names.values():
        cursor.execute(f"alter index {name} rename to {name}{old}")
    cursor.execute(f"alter table {table}{new} rename to {table}")
    for columns, name in _indexes(cursor, table).items():
        if columns in names:
            cursor.execute(f"alter index {name} rename to {names[columns]}")


def _indexes(cursor: CursorWrapper, table: str) -> dict[str, str]:
    """Return a PostgreSQL table's indexes by their columns."""
    cursor.execute(
        "select i.indkey::text || i.indisunique::text, c.relname from pg_index i"
        " join pg_class c on c.oid = i.indexrelid where i.indrelid = %s::regclass",
        [table],
    )
    return dict(cursor.fetchall())
