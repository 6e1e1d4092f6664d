// What a device keeps: items, drafts and lists in IndexedDB, each encrypted with the account's key (AES-GCM).
(function () {
  "use strict";
  const NAME = "salus-offline";
  const guard = window.salusGuard;
  const offline = { account: "", ready: null };
  window.salusOffline = offline;
  const frame = document.querySelector("[data-offline-page]");
  offline.pause = Number(frame && frame.dataset.pause) || 1000; // milliseconds before the first repetition
  const utf8 = new TextEncoder();
  let database = null;
  let key = null;

  function opened() {
    if (database) return Promise.resolve(database);
    return new Promise(function (done, fail) {
      const opening = indexedDB.open(NAME, 1);
      opening.onupgradeneeded = function () {
        const made = opening.result;
        made.createObjectStore("keys", { keyPath: "account" });
        made.createObjectStore("lists", { keyPath: "id" });
        made.createObjectStore("drafts", { keyPath: "id" });
        made.createObjectStore("items", { keyPath: "id" }).createIndex("account", "account");
      };
      opening.onerror = function () { fail(opening.error); };
      opening.onsuccess = function () {
        database = opening.result;
        database.onversionchange = function () { database.close(); database = null; };
        done(database);
      };
    });
  }

  // Run `work` in one transaction; done when it is on the disk.
  function transact(stores, mode, work) {
    return opened().then(function (db) {
      return new Promise(function (done, fail) {
        const transaction = db.transaction(stores, mode, { durability: "strict" });
        let result;
        transaction.oncomplete = function () { done(result && result.result !== undefined ? result.result : undefined); };
        transaction.onerror = transaction.onabort = function () { fail(transaction.error); };
        result = work(function (name) { return transaction.objectStore(name); });
      });
    });
  }

  async function seal(content, about) {
    const iv = crypto.getRandomValues(new Uint8Array(12));
    const additional = utf8.encode(offline.account + about);
    const data = await crypto.subtle.encrypt(
      { name: "AES-GCM", iv: iv, additionalData: additional }, key, utf8.encode(JSON.stringify(content)));
    return { iv: iv, data: data };
  }
  async function unseal(box, about) {
    const additional = utf8.encode(offline.account + about);
    const data = await crypto.subtle.decrypt(
      { name: "AES-GCM", iv: box.iv, additionalData: additional }, key, box.data);
    return JSON.parse(new TextDecoder().decode(data));
  }
  async function named(parts) {
    const digest = await crypto.subtle.digest("SHA-256", utf8.encode(JSON.stringify([offline.account, parts])));
    return Array.from(new Uint8Array(digest), function (byte) { return byte.toString(16).padStart(2, "0"); }).join("");
  }

  // Open the store for the account of this page: with the key kept here, or with the one the server gives.
  async function unlock() {
    await guard.locked;
    const wanted = document.body.dataset.account || guard.remembered("account");
    if (!wanted || !window.isSecureContext || !crypto.subtle) return false;
    const held = await transact(["keys"], "readonly", function (store) { return store("keys").get(wanted); });
    if (held && held.until < Date.now()) await guard.lock();
    if (!held || held.until < Date.now()) return renewed(wanted);
    offline.account = wanted;
    key = held.key;
    renew(wanted).catch(function () {});
    return true;
  }
  // Without a key there is nothing to open: ask until the server answers.
  async function renewed(wanted) {
    for (let times = 0; ; times += 1) {
      if (await renew(wanted)) return true;
      if (offline.answered) return false;
      const wait = Math.min(60000, offline.pause * Math.pow(2, times)) * (0.75 + Math.random() / 2);
      offline.state = { name: "again", seconds: Math.max(1, Math.round(wait / 1000)) };
      document.dispatchEvent(new CustomEvent("salus-sync", { detail: offline.state }));
      await new Promise(function (done) { setTimeout(done, wait); });
    }
  }
  async function renew(wanted) {
    const fresh = await fromServer();
    if (!fresh) return false;
    if (fresh.account !== wanted) { await offline.lock(); return false; }
    const raw = Uint8Array.from(atob(fresh.key), function (c) { return c.charCodeAt(0); });
    const made = await crypto.subtle.importKey("raw", raw, "AES-GCM", false, ["encrypt", "decrypt"]);
    const row = { account: wanted, key: made, until: Date.now() + fresh.hours * 3600000 };
    await transact(["keys"], "readwrite", function (store) { return store("keys").put(row); });
    guard.remember("account", wanted);
    offline.account = wanted;
    key = made;
    if (navigator.storage && navigator.storage.persist) navigator.storage.persist().catch(function () {});
    return true;
  }
  async function fromServer() {
    try {
      const answer = await fetch("/offline/session", { credentials: "same-origin", signal: AbortSignal.timeout(8000) });
      offline.answered = answer.status < 500;
      return answer.ok ? await answer.json() : null;
    } catch (error) { offline.answered = false; return null; }
  }
  offline.ready = Promise.resolve().then(unlock).catch(function () { return false; });

  offline.lock = async function () {
    key = null;
    offline.account = "";
    read.clear();
    await guard.lock();
  };

  const read = new Map(); // what was decrypted already, by the item and the box it came from

  // Items. `body` is what only the account may read: form values, titles, words of the server.
  async function box(item) {
    const plain = { id: item.id, account: offline.account, form: item.form, state: item.state, made: item.made,
      order: item.order, attempts: item.attempts || 0, next: item.next || 0 };
    plain.box = await seal(item.body, item.id);
    return plain;
  }
  offline.items = async function () {
    const rows = await transact(["items"], "readonly", function (store) {
      return store("items").index("account").getAll(offline.account);
    });
    rows.sort(function (a, b) { return a.order - b.order; });
    return Promise.all(rows.map(async function (row) {
      const sign = row.box.iv.join();
      let known = read.get(row.id);
      if (!known || known.sign !== sign) {
        known = { sign: sign, text: JSON.stringify(await unseal(row.box, row.id)) };
        read.set(row.id, known);
      }
      return Object.assign({}, row, { body: JSON.parse(known.text) });
    }));
  };
  offline.put = async function (items, changes) {
    const rows = await Promise.all(items.map(box));
    const gone = (changes && changes.gone) || [];
    await transact(["items", "drafts"], "readwrite", function (store) {
      rows.forEach(function (row) { store("items").put(row); });
      gone.forEach(function (id) { store("items").delete(id); });
      if (changes && changes.draft) store("drafts").delete(changes.draft);
    });
    await changed();
  };
  // Change items as they are now: one that is gone or was changed since it was read (another tab, a correction)
  // stays as it is. `pairs` are [as read, as it is to be, or null]; returns the items that were changed.
  offline.exchange = async function (pairs) {
    const rows = await Promise.all(pairs.map(function (pair) { return pair[1] ? box(pair[1]) : null; }));
    const done = await transact(["items"], "readwrite", function (store) {
      const outcome = { result: [] };
      pairs.forEach(function (pair, place) {
        const reading = store("items").get(pair[0].id);
        reading.onsuccess = function () {
          const now = reading.result;
          const row = rows[place];
          if (!now || now.box.iv.join() !== pair[0].box.iv.join()) return;
          if (!row || row.id !== now.id) store("items").delete(now.id);
          if (row) store("items").put(row);
          outcome.result.push(row ? Object.assign({}, row, { body: pair[1].body }) : null);
        };
      });
      return outcome;
    });
    await changed();
    return done;
  };
  offline.replace = function (old, item) { return offline.exchange([[old, item]]); };
  async function changed() {
    const rows = await transact(["items"], "readonly", function (store) {
      return store("items").index("account").getAll(offline.account);
    });
    const unsent = rows.filter(function (row) { return row.state !== "sent"; }).length;
    guard.showCount(unsent);
    document.dispatchEvent(new CustomEvent("salus-outbox", { detail: { unsent: unsent } }));
    return unsent;
  }
  offline.recount = changed;

  offline.draftId = function (form, subject) { return named(["draft", form, subject || ""]); };
  offline.putDraft = async function (id, values) {
    const row = { id: id, account: offline.account, box: await seal(values, id) };
    await transact(["drafts"], "readwrite", function (store) { return store("drafts").put(row); });
  };
  offline.draft = async function (id) {
    const row = await transact(["drafts"], "readonly", function (store) { return store("drafts").get(id); });
    return row ? unseal(row.box, id) : null;
  };
  offline.dropDraft = function (id) {
    return transact(["drafts"], "readwrite", function (store) { return store("drafts").delete(id); });
  };
  offline.putList = async function (form, list) {
    const id = await named(["list", form]);
    const row = { id: id, account: offline.account, box: await seal(list, id) };
    await transact(["lists"], "readwrite", function (store) { return store("lists").put(row); });
  };
  offline.list = async function (form) {
    const id = await named(["list", form]);
    const row = await transact(["lists"], "readonly", function (store) { return store("lists").get(id); });
    return row ? unseal(row.box, id) : null;
  };
})();
