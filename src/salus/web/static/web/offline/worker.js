// The service worker of the pages under /offline/: they come from the network, and from here without one.
"use strict";
const PAGES = "salus-offline-pages-";
const FILES = "salus-offline-files";
const PATIENCE = 5000;

self.addEventListener("install", function () { self.skipWaiting(); });
self.addEventListener("activate", function (event) { event.waitUntil(self.clients.claim()); });

async function pagesOf() {
  const names = await caches.keys();
  const name = names.find(function (found) { return found.startsWith(PAGES); });
  return name ? caches.open(name) : null;
}
async function page(request) {
  const address = new URL(request.url).pathname;
  try {
    return await Promise.race([
      fetch(request),
      new Promise(function (done, fail) { setTimeout(function () { fail(new Error("slow")); }, PATIENCE); }),
    ]);
  } catch (error) {
    const pages = await pagesOf();
    const kept = pages && (await pages.match(address));
    if (kept) return kept;
    throw error;
  }
}
async function file(request) {
  const files = await caches.open(FILES);
  const kept = await files.match(request.url);
  if (kept && /\.[0-9a-f]{12}\.[a-z0-9]+$/.test(new URL(request.url).pathname)) return kept;
  try {
    const answer = await fetch(request);
    if (answer.ok) await files.put(request.url, answer.clone());
    return answer;
  } catch (error) {
    if (kept) return kept;
    throw error;
  }
}
self.addEventListener("fetch", function (event) {
  const request = event.request;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== self.location.origin) return;
  if (request.mode === "navigate") event.respondWith(page(request));
  else if (url.pathname.startsWith("/static/")) event.respondWith(file(request));
});

// A page says which pages an account is to have without a connection; their style sheets and scripts come along.
async function keep(wanted) {
  const fresh = new Map();
  const needed = new Set();
  for (const address of wanted.pages) {
    const answer = await fetch(address, { credentials: "same-origin", headers: { Accept: "text/html" } });
    // A page of somebody else, or of signing in, is not this account's page.
    if (!answer.ok || answer.redirected || answer.headers.get("Salus-Device") !== wanted.account) throw new Error(address);
    fresh.set(address, answer);
    const text = await answer.clone().text();
    for (const found of text.matchAll(/(?:src|href)="(\/static\/[^"]+)"/g)) needed.add(new URL(found[1], self.location.origin).href);
  }
  const files = await caches.open(FILES);
  for (const address of needed) {
    const answer = await fetch(address);
    if (!answer.ok) throw new Error(address);
    await files.put(address, answer);
  }
  for (const request of await files.keys()) {
    if (!needed.has(request.url)) await files.delete(request);
  }
  for (const name of await caches.keys()) {
    if (name.startsWith(PAGES) && name !== PAGES + wanted.account) await caches.delete(name);
  }
  const pages = await caches.open(PAGES + wanted.account);
  for (const [address, answer] of fresh) await pages.put(address, answer);
}
self.addEventListener("message", function (event) {
  if (!event.data || event.data.kind !== "keep") return;
  const port = event.ports[0];
  event.waitUntil(keep(event.data).then(
    function () { port.postMessage({ ready: true }); },
    function () { port.postMessage({ ready: false }); },
  ));
});
