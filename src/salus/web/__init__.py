"""The kit for pages: layout, navigation, tables, forms, charts, maps, live regions, translation."""
