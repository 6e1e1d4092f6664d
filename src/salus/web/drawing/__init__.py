"""From a Vega-Lite specification to SVG that a strict page takes in: drawn, cleaned, named and kept."""
