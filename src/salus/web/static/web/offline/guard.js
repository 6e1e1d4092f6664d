// On every page: what a device keeps for an account is locked as soon as somebody else, or nobody, is signed in.
(function () {
  "use strict";
  const NAME = "salus-offline";
  const guard = {};
  window.salusGuard = guard;

  function remembered(key) {
    try { return localStorage.getItem(NAME + "-" + key) || ""; } catch (error) { return ""; }
  }
  guard.remembered = remembered;
  guard.remember = function (key, value) {
    try {
      if (value) localStorage.setItem(NAME + "-" + key, value);
      else localStorage.removeItem(NAME + "-" + key);
    } catch (error) { /* a browser without storage keeps nothing to guard */ }
  };

  // Forget the key, the lists and the pages; what was not sent stays, encrypted, for its account.
  guard.lock = function () {
    guard.remember("account", "");
    guard.remember("count", "");
    guard.remember("pages", "");
    const pages = "caches" in window
      ? caches.keys().then(function (names) {
          return Promise.all(names.filter(function (name) { return name.startsWith(NAME + "-pages-"); })
            .map(function (name) { return caches.delete(name); }));
        })
      : Promise.resolve();
    const keys = new Promise(function (done) {
      if (!("indexedDB" in window)) { done(); return; }
      const opening = indexedDB.open(NAME);
      opening.onerror = function () { done(); };
      // Where nothing was ever kept there is nothing to forget, and no empty store to leave behind.
      opening.onupgradeneeded = function () { opening.transaction.abort(); };
      opening.onsuccess = function () {
        const store = opening.result;
        const work = store.transaction(["keys", "lists"], "readwrite");
        work.objectStore("keys").clear();
        work.objectStore("lists").clear();
        work.oncomplete = work.onerror = work.onabort = function () { store.close(); done(); };
      };
    });
    return Promise.all([pages, keys]);
  };

  guard.showCount = function (count) {
    guard.remember("count", count ? String(count) : "");
    document.querySelectorAll("[data-outbox]").forEach(function (link) {
      link.hidden = !count && !link.dataset.always;
      const figure = link.querySelector(".count");
      figure.textContent = count ? String(count) : "";
      figure.hidden = !count;
      const label = document.body.dataset.unsentCount || "";
      if (label) link.setAttribute("aria-label", label.replace("{count}", String(count)));
    });
    // Signing out asks first while something waits.
    document.querySelectorAll("form[data-sign-out]").forEach(function (form) {
      if (count) form.dataset.confirm = document.body.dataset.unsentAsk || "";
      else delete form.dataset.confirm;
    });
  };

  const here = document.body.dataset.account;
  const kept = remembered("account");
  if (here !== undefined && kept && here !== kept) guard.locked = guard.lock();
  else guard.locked = Promise.resolve();
  guard.locked.then(function () { guard.showCount(here ? Number(remembered("count")) : 0); });

  // A link may say for which subject the form is to be opened, without naming it in the address.
  document.addEventListener("click", function (event) {
    const link = event.target.closest("a[data-offline-open]");
    if (link) sessionStorage.setItem(NAME + "-open", JSON.stringify({ key: link.dataset.offlineOpen }));
  });
})();
