"""Addresses of the lake's pages."""

from django.urls import path

from salus.record.pages import lake

urlpatterns = [
    path("tables/", lake.tables, name="lake-tables"),
    path("tables/research/", lake.copies, name="research"),
    path("tables/research/ask", lake.ask, name="research-ask"),
    path("tables/research/<int:number>", lake.copy, name="research-copy"),
    path("tables/research/<int:number>/delete", lake.delete, name="research-delete"),
    path("tables/research/<int:number>/<slug:name>.parquet", lake.file, name="research-file"),
    path("tables/<slug:name>", lake.table, name="lake-table"),
]
