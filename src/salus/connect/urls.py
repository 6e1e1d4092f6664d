"""Addresses of the room's pages."""

from django.urls import path

from salus.connect.views import bulk, loads, messages, sources

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
    path("connect/exports", bulk.exports, name="exports"),
    path("connect/exports/<int:number>/cancel", bulk.cancel_export, name="cancel-export"),
    path("connect/imports", bulk.imports, name="imports"),
    path("connect/imports/<int:number>/cancel", bulk.cancel_import, name="cancel-import"),
    path("connect/subscriptions", bulk.subscriptions, name="subscriptions"),
    path("connect/subscriptions/<int:number>", bulk.subscription, name="subscription"),
    path("connect/subscriptions/<int:number>/again", bulk.send_again, name="send-again"),
    path(
        "connect/subscriptions/<int:number>/deliveries/<int:delivery>/again",
        bulk.send_one_again,
        name="send-one-again",
    ),
    path("connect/subscriptions/<int:number>/stop", bulk.stop, name="stop-subscription"),
    path("connect/uploads/<slug:token>", loads.preview, name="preview"),
    path("connect/uploads/<slug:token>/load", loads.carry_out, name="carry-out"),
]
