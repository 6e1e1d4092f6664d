"""Tables from resources: SQL-on-FHIR v2 ViewDefinitions compiled to SQL.

    compiled = compile_view(view)                 # a ViewDefinition as parsed JSON
    compiled.columns                              # what comes out
    compiled.sql("resources", keep=("rid",))      # SELECT text over a relation with a text column `body`

A view is not interpreted row by row: it becomes one statement in which each resource's JSON is parsed once,
into only what the view reads. Source: https://sql-on-fhir.org (v2), FHIRPath: http://hl7.org/fhirpath/N1.
Pure: nothing is read or run here.
"""

from salus.record.views.compiled import CompiledView, compile_view
from salus.record.views.errors import ViewError
from salus.record.views.plan import Column

__all__ = ["Column", "CompiledView", "ViewError", "compile_view"]
