"""Addresses of the room's pages."""

from django.urls import path

from salus.connect.views import loads, messages, sources

app_name = "connect"
urlpatterns = [
    path("connect/sources", sources.show, name="sources"),
    path("connect/sources/<str:code>", sources.page, name="source"),
    path("connect/sources/<str:code>/mapping", sources.mapping, name="mapping"),
    path("connect/sources/<str:code>/token", sources.issue, name="issue-token"),
    path("connect/sources/<str:code>/credentials/<int:number>/revoke", sources.revoke, name="revoke"),
    path("connect/messages", messages.show, name="messages"),
    path("connect/messages/<int:number>", messages.page, name="message"),
    path("connect/messages/<int:number>/content", messages.content, name="message-content"),
    path("connect/messages/<int:number>/edit", messages.edit, name="message-edit"),
    path("connect/messages/<int:number>/replay", messages.replay, name="message-replay"),
    path("connect/messages/<int:number>/discard", messages.discard, name="message-discard"),
    path("connect/dead-letters", messages.dead, name="dead-letters"),
    path("connect/dead-letters/replay", messages.replay_many, name="replay-many"),
    path("connect/loads", loads.show, name="loads"),
    path("connect/loads/new", loads.upload, name="upload"),
    path("connect/loads/<int:number>", loads.page, name="load"),
    path("connect/loads/<int:number>/undo", loads.undo, name="undo"),
    path("connect/uploads/<slug:token>", loads.preview, name="preview"),
    path("connect/uploads/<slug:token>/load", loads.carry_out, name="carry-out"),
]
