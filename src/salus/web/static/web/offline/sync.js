// Send what waits: each item once, in the order in which it was made, with growing pauses after a failure.
(function () {
  "use strict";
  const offline = window.salusOffline;
  const guard = window.salusGuard;
  const MOST = 20;
  const LONGEST = 300000;
  const KEEP_SENT = 86400000;
  const frame = document.querySelector("[data-offline-page]");
  const first = offline.pause;
  let failures = 0;
  let size = MOST;
  let timer = null;
  let running = null;

  function tell(state, more) {
    offline.state = Object.assign({ name: state }, more || {});
    document.dispatchEvent(new CustomEvent("salus-sync", { detail: offline.state }));
  }
  function pause(times) {
    const grown = Math.min(LONGEST, first * Math.pow(2, Math.min(times - 1, 20)));
    return grown * (0.75 + Math.random() / 2);
  }
  function cookie(name) {
    const found = document.cookie.split("; ").find(function (part) { return part.startsWith(name + "="); });
    return found ? decodeURIComponent(found.slice(name.length + 1)) : "";
  }
  offline.post = async function (address, content) {
    const answer = await fetch(address, {
      method: "POST",
      credentials: "same-origin",
      headers: { "Content-Type": "application/json", "X-CSRFToken": cookie("csrftoken") },
      body: JSON.stringify(Object.assign({ account: offline.account }, content)),
      signal: AbortSignal.timeout(30000),
    });
    if (answer.status === 401 || (answer.status === 403 && !answer.headers.get("Content-Type").includes("json"))) {
      return { state: "signed-out" };
    }
    if (answer.status === 409) return { state: "other-account" };
    if (!answer.ok) throw new Error(String(answer.status));
    return answer.json();
  };

  // What may go now: nothing that waits for an earlier item of the same subject, and that only once a request.
  function chosen(items, now) {
    const taken = [];
    const blocked = new Set();
    for (const item of items) {
      if (item.state === "sent") continue;
      const about = item.body.key ? item.form + "\n" + item.body.key : "";
      const free = item.state === "waiting" && item.next <= now && !(about && blocked.has(about));
      if (about) blocked.add(about);
      if (free) taken.push(item);
      if (taken.length >= size) break;
    }
    return taken;
  }
  function earliest(items) {
    return items.filter(function (item) { return item.state === "waiting"; })
      .reduce(function (least, item) { return Math.min(least, item.next || 0); }, Infinity);
  }

  async function round() {
    const items = await offline.items();
    const old = items.filter(function (item) { return item.state === "sent" && item.body.sent < Date.now() - KEEP_SENT; });
    if (old.length) await offline.put([], { gone: old.map(function (item) { return item.id; }) });
    const batch = chosen(items, Date.now());
    if (!batch.length) {
      const next = earliest(items);
      if (next !== Infinity && next > Date.now()) { later(next - Date.now()); }
      tell(items.some(function (item) { return item.state !== "sent"; }) ? "waiting" : "none");
      return false;
    }
    tell("sending");
    // An item that may have arrived keeps what was tried, so that a later change of it can be told from it.
    const marked = await offline.exchange(batch.map(function (item) {
      return [item, Object.assign({}, item, { body: Object.assign({}, item.body, { tried: item.body.values }) })];
    }));
    const fresh = new Map(marked.map(function (item) { return [item.id, item]; }));
    if (!marked.length) return true;
    const told = await offline.post("/offline/submit", {
      items: marked.map(function (item) {
        return { id: item.id, form: item.form, key: item.body.key, base: item.body.base, values: item.body.values,
          made: item.made, amends: item.body.amends || null };
      }),
    });
    if (told.state === "signed-out") { tell("signed-out"); return false; }
    if (told.state === "other-account") { await offline.lock(); tell("locked"); return false; }
    for (const answer of told.answers) {
      const item = fresh.get(answer.id);
      if (item) await settle(item, answer);
    }
    failures = 0;
    size = Math.min(MOST, size * 2);
    return true;
  }

  async function settle(item, answer) {
    const body = Object.assign({}, item.body, { words: answer.words, errors: answer.errors });
    const next = Object.assign({}, item, { state: answer.state, body: body });
    if (answer.state === "accepted") {
      // What was filled in leaves the device with its receipt; a day long it says that it was sent.
      next.state = "sent";
      next.body = { title: body.title, key: body.key, words: answer.words, sent: Date.now() };
      const later = !body.key || !answer.version ? [] : (await offline.items()).filter(function (other) {
        return other.id !== item.id && other.state !== "sent" && other.form === item.form &&
          other.body.key === body.key && other.body.base === body.base;
      });
      if (later.length) await offline.exchange(later.map(function (other) {
        return [other, Object.assign({}, other, { body: Object.assign({}, other.body, { base: answer.version }) })];
      }));
    } else if (answer.state === "conflict") {
      body.server = answer.server;
      body.serverVersion = answer.version;
      body.serverKey = answer.key;
      body.mayReplace = answer.mine;
    } else if (answer.state === "failed") {
      next.state = "waiting";
      next.attempts = (item.attempts || 0) + 1;
      next.next = Date.now() + pause(next.attempts);
    }
    await offline.replace(item, next);
  }

  function later(wait) {
    clearTimeout(timer);
    timer = setTimeout(offline.send, wait);
  }
  async function rounds() {
    try {
      if (!(await offline.ready) || !offline.account) { tell("locked"); return; }
      while (await round()) { /* until nothing is due */ }
    } catch (error) {
      failures += 1;
      size = Math.max(1, Math.floor(size / 4));
      const wait = pause(failures);
      later(wait);
      tell(navigator.onLine === false ? "offline" : "again", { seconds: Math.max(1, Math.round(wait / 1000)) });
    }
  }
  // One page of the browser sends at a time; the server would not count an item twice in any case.
  offline.send = function () {
    clearTimeout(timer);
    if (running) return running;
    const work = navigator.locks
      ? navigator.locks.request("salus-offline-send", { ifAvailable: true }, function (lock) {
          if (!lock) { later(first * 2); return null; }
          return rounds();
        })
      : rounds();
    running = Promise.resolve(work).finally(function () { running = null; });
    return running;
  };
  offline.sendNow = function () {
    failures = 0;
    return Promise.resolve(running).then(offline.send);
  };

  // Fetch a form's list anew; the one kept here stays when that fails.
  offline.refresh = async function (form) {
    try {
      const told = await offline.post("/offline/form/" + form + "/list", {});
      if (told.state === "signed-out") { tell("signed-out"); return null; }
      if (told.state) return null;
      await offline.putList(form, told);
      return told;
    } catch (error) { return null; }
  };

  window.addEventListener("online", offline.sendNow);
  window.addEventListener("offline", function () { tell("offline"); });
  document.addEventListener("visibilitychange", function () { if (!document.hidden) offline.send(); });
  offline.ready.then(function (open) {
    if (!open) { tell(document.body.dataset.account ? "locked" : "none"); return null; }
    return offline.recount().then(function (unsent) {
      if (unsent || frame) return offline.send();
      return null;
    });
  });
})();
