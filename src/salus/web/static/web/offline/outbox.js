// The outbox: what waits on this device, what is wrong with it, and both versions where two clash.
(function () {
  "use strict";
  const offline = window.salusOffline;
  const say = offline.say;
  const make = offline.make;
  const frame = document.querySelector("[data-offline-page]");
  const place = document.getElementById("outbox-items");
  const none = document.getElementById("outbox-none");
  const tones = { waiting: "info", rejected: "bad", conflict: "warn", sent: "ok" };

  function button(words, css, action) {
    return make("button", { type: "button", css: "button button-small " + css, text: words, click: action });
  }
  function correct(item) {
    sessionStorage.setItem("salus-offline-open", JSON.stringify({ item: item.id }));
    location.assign("/offline/form/" + item.form);
  }
  function remove(item) {
    offline.ask(say.sure, say.delete, function () { offline.replace(item, null).then(show); });
  }
  // Mine is to stand: a form of its own when the earlier one was taken in, with the version it replaces.
  function sendMine(item) {
    const body = Object.assign({}, item.body, { base: item.body.serverVersion || item.body.base, errors: {}, words: "" });
    if (item.body.serverKey) body.key = item.body.serverKey;
    const fresh = Object.assign({}, item, { state: "waiting", next: 0, attempts: 0, body: body });
    if (item.body.tried) { fresh.id = crypto.randomUUID(); body.amends = item.id; }
    delete body.server;
    delete body.tried;
    offline.replace(item, fresh).then(show).then(offline.sendNow);
  }

  function versions(item, schema) {
    const rows = schema.fields.map(function (field) {
      const theirs = item.body.server ? item.body.server[field.name] : item.body.tried ? item.body.tried[field.name] : undefined;
      const a = theirs === undefined ? "–" : offline.shown(field, theirs, say);
      const b = offline.shown(field, item.body.values[field.name], say);
      return make("tr", { css: a === b ? "" : "offline-differs" }, [
        make("th", { scope: "row", text: field.label }), make("td", { text: a }), make("td", { text: b })]);
    });
    const head = [say.field, say.theirs, say.mine].map(function (text) { return make("th", { scope: "col", text: text }); });
    return make("div", { css: "table-scroll", tabindex: "0", role: "group", "aria-label": say.state_conflict }, [
      make("table", { css: "rows" }, [make("thead", {}, [make("tr", {}, head)]), make("tbody", {}, rows)])]);
  }

  function card(item) {
    const schema = offline.schemas.get(item.form);
    const title = item.body.title || (schema ? schema.title : item.form);
    const state = item.state;
    const parts = [
      make("div", { css: "offline-head" }, [
        make("h2", { text: title }), make("span", { css: "tag tag-" + tones[state], text: say["state_" + state] })]),
      make("p", { css: "muted", text: (schema ? schema.title + " · " : "") + offline.put_words(say.made, { time: offline.time(item.made) }) }),
    ];
    const wrong = Object.entries(item.body.errors || {}).map(function (pair) {
      return [pair[0], pair[1].filter(function (text) { return !(item.body.words || "").includes(text); })];
    }).filter(function (pair) { return pair[1].length; });
    if (item.body.words) parts.push(make("p", { css: state === "rejected" ? "field-error" : "", text: item.body.words }));
    if (wrong.length) {
      parts.push(make("ul", {}, wrong.flatMap(function (pair) {
        const field = schema && schema.fields.find(function (one) { return one.name === pair[0]; });
        return pair[1].map(function (text) { return make("li", { text: (field ? field.label + ": " : "") + text }); });
      })));
    }
    const buttons = [];
    if (state === "conflict" && schema) {
      parts.push(versions(item, schema));
      buttons.push(button(say.keep_theirs, "", function () { offline.replace(item, null).then(show); }));
      if (item.body.mayReplace) buttons.push(button(say.send_mine, "button-main", function () { sendMine(item); }));
    }
    if (state !== "sent") {
      if (schema && state !== "conflict") buttons.push(button(say.correct, state === "rejected" ? "button-main" : "", function () { correct(item); }));
      if (state !== "conflict") buttons.push(button(say.delete, "button-quiet", function () { remove(item); }));
    }
    if (buttons.length) parts.push(make("div", { css: "buttons" }, buttons));
    return make("li", { css: "panel offline-item", "data-item": item.id, "data-state": state }, parts);
  }

  async function show() {
    if (!offline.account) { place.replaceChildren(); none.hidden = false; return; }
    const items = await offline.items();
    const rank = { conflict: 0, rejected: 1, waiting: 2, sent: 3 };
    items.sort(function (a, b) { return rank[a.state] - rank[b.state] || a.order - b.order; });
    place.replaceChildren.apply(place, items.slice(0, 200).map(card));
    none.hidden = items.length > 0;
    document.getElementById("outbox-export").hidden = !items.some(function (item) { return item.state !== "sent"; });
    document.getElementById("outbox-lock").hidden = false;
  }

  async function exported() {
    const items = (await offline.items()).filter(function (item) { return item.state !== "sent"; });
    const content = { from: "Salus", exported: new Date().toISOString(), forms: items.map(function (item) {
      return { id: item.id, form: item.form, state: item.state, made: item.made, title: item.body.title, key: item.body.key,
        base: item.body.base, values: item.body.values, words: item.body.words || "" };
    }) };
    const address = URL.createObjectURL(new Blob([JSON.stringify(content, null, 2)], { type: "application/json" }));
    const link = make("a", { href: address, download: "salus-not-sent-" + new Date().toISOString().slice(0, 10) + ".json" });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(function () { URL.revokeObjectURL(address); }, 60000);
  }
  document.getElementById("outbox-export").addEventListener("click", function (event) {
    offline.ask(say.export_sure, event.target.textContent.trim(), exported);
  });
  document.getElementById("outbox-lock").addEventListener("click", function () {
    offline.lock().then(function () { location.reload(); });
  });
  let drawn = Promise.resolve();
  document.addEventListener("salus-outbox", function () { drawn = drawn.then(show); });
  offline.ready.then(show).then(function () { frame.dataset.open = "yes"; });
})();
