// What the pages of offline forms share: the service worker, what they say of the connection, small helpers.
(function () {
  "use strict";
  const offline = window.salusOffline;
  const guard = window.salusGuard;
  const frame = document.querySelector("[data-offline-page]");
  const say = JSON.parse(frame.dataset.words);
  const schemas = new Map(JSON.parse(frame.dataset.schemas).map(function (one) { return [one.name, one]; }));
  const line = document.getElementById("offline-state");
  offline.say = say;
  offline.schemas = schemas;
  offline.wait = Number(frame.dataset.refresh) || 600000;

  offline.put_words = function (text, values) {
    return Object.keys(values).reduce(function (words, name) { return words.replace("{" + name + "}", String(values[name])); }, text);
  };
  offline.time = function (instant) {
    const at = new Date(instant);
    const local = new Date(at.getTime() - at.getTimezoneOffset() * 60000).toISOString();
    return local.slice(0, 10) + " " + local.slice(11, 16);
  };
  offline.make = function (name, options, children) {
    const made = document.createElement(name);
    Object.entries(options || {}).forEach(function (pair) {
      if (pair[0] === "text") made.textContent = pair[1];
      else if (pair[0] === "css") made.className = pair[1];
      else if (pair[0] === "click") made.addEventListener("click", pair[1]);
      else made.setAttribute(pair[0], pair[1]);
    });
    (children || []).forEach(function (child) { if (child) made.append(child); });
    return made;
  };
  offline.ask = function (question, yes, action) {
    const box = offline.make("dialog", { "aria-labelledby": "offline-question" });
    const go = offline.make("button", { type: "button", css: "button button-main", text: yes });
    const stop = offline.make("button", { type: "button", css: "button button-quiet", text: document.body.dataset.cancel });
    box.append(offline.make("p", { css: "lead", id: "offline-question", text: question }), offline.make("div", { css: "buttons" }, [go, stop]));
    stop.addEventListener("click", function () { box.close(); });
    go.addEventListener("click", function () { box.close(); action(); });
    box.addEventListener("close", function () { box.remove(); });
    document.body.append(box);
    box.showModal();
    stop.focus();
  };

  function describe(state, unsent) {
    if (!state) return "";
    switch (state.name) {
      case "sending": return say.sending;
      case "offline": return say.offline;
      case "again": return offline.put_words(say.again, { seconds: state.seconds });
      case "signed-out": return say.signed_out;
      case "locked": return say.locked;
      default: return unsent ? "" : say.none;
    }
  }
  let unsent = 0;
  function show() {
    const parts = [];
    if (unsent) parts.push(offline.put_words(say.count, { count: unsent }));
    const more = describe(offline.state, unsent);
    if (more) parts.push(more);
    const text = parts.join(" · ");
    if (line.textContent !== text) line.textContent = text;
    const bar = line.closest(".offline-bar");
    const name = offline.state ? offline.state.name : "";
    bar.dataset.state = ["again", "offline", "signed-out", "locked"].includes(name) ? "warn" : unsent ? "busy" : "ok";
    document.getElementById("offline-sign-in").hidden = name !== "signed-out" && name !== "locked";
    document.getElementById("offline-send").hidden = !unsent || name === "locked";
  }
  document.addEventListener("salus-sync", show);
  document.addEventListener("salus-outbox", function (event) { unsent = event.detail.unsent; show(); });
  document.getElementById("offline-send").addEventListener("click", function () { offline.sendNow(); });

  async function prepare() {
    if (!("serviceWorker" in navigator) || !window.isSecureContext) { line.textContent = say.no_store; return false; }
    const registered = await navigator.serviceWorker.register("/offline/worker.js", { scope: "/offline/" });
    await navigator.serviceWorker.ready;
    const worker = registered.active || navigator.serviceWorker.controller;
    const files = Array.from(document.querySelectorAll("link[rel=stylesheet], link[rel=icon], script[src]"), function (part) { return part.href || part.src; });
    const sign = [offline.account, document.documentElement.lang, frame.dataset.pages, files.join()].join("|");
    const last = JSON.parse(guard.remembered("pages") || "{}");
    if (last.sign === sign && Date.now() - last.at < offline.wait) return true;
    const answer = await new Promise(function (done) {
      const channel = new MessageChannel();
      channel.port1.onmessage = function (event) { done(event.data.ready); };
      worker.postMessage({ kind: "keep", account: offline.account, pages: JSON.parse(frame.dataset.pages) }, [channel.port2]);
    });
    if (answer) guard.remember("pages", JSON.stringify({ sign: sign, at: Date.now() }));
    return answer || last.sign === sign;
  }
  offline.prepared = offline.ready.then(function (open) {
    if (!open) { show(); return false; }
    return prepare().catch(function () { return Boolean(guard.remembered("pages")); });
  });
  offline.prepared.then(function (ready) {
    const note = document.getElementById("offline-ready");
    frame.dataset.ready = ready ? "yes" : "no";
    if (!note) return;
    if (ready && !note.dataset.time) note.textContent = "";
    else if (!ready && offline.account) note.textContent = say.not_ready;
  });
})();
