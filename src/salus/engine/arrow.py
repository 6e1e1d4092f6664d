"""Arrow tables at the types that both engines have."""

import pyarrow as pa

_WIDER = {
    pa.uint8(): pa.int16(),
    pa.uint16(): pa.int32(),
    pa.uint32(): pa.int64(),
    pa.uint64(): pa.decimal128(20, 0),
    pa.large_string(): pa.string(),
    pa.string_view(): pa.string(),
    pa.large_binary(): pa.binary(),
    pa.float16(): pa.float32(),
    pa.null(): pa.int32(),  # what DuckDB makes of a column of nulls
    pa.date64(): pa.date32(),
}


def portable(table: pa.Table) -> pa.Table:
    """Return a table whose columns have types that DuckDB and Spark both hold, with the same values.

    Unsigned numbers become wider signed ones, dictionaries their values, moments microseconds in UTC.
    """
    schema = portable_schema(table.schema)
    return table if schema.equals(table.schema) else table.cast(schema)


def portable_schema(schema: pa.Schema) -> pa.Schema:
    """Return a schema at the types that both engines hold."""
    return pa.schema([pa.field(field.name, portable_type(field.type)) for field in schema])


def portable_type(type: pa.DataType) -> pa.DataType:
    """Return the type that stands for one in both engines; see `portable`."""
    if pa.types.is_dictionary(type):
        return portable_type(type.value_type)
    if pa.types.is_timestamp(type):
        return pa.timestamp("us", "UTC" if type.tz else None)
    if pa.types.is_list(type) or pa.types.is_large_list(type):
        return pa.list_(portable_type(type.value_type))
    if pa.types.is_struct(type):
        return pa.struct([pa.field(field.name, portable_type(field.type)) for field in type])
    return _WIDER.get(type, type)
