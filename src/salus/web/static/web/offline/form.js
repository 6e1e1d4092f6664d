// The page of one form: whom it is for, its fields, a draft at each change, and keeping it for sending.
(function () {
  "use strict";
  const offline = window.salusOffline;
  const say = offline.say;
  const make = offline.make;
  const frame = document.querySelector("[data-offline-page]");
  const schema = offline.schemas.get(frame.dataset.form);
  const form = document.getElementById("offline-form");
  const panel = document.getElementById("offline-panel");
  const list = document.getElementById("offline-list");
  const place = document.getElementById("offline-errors");
  const said = document.getElementById("offline-said");
  const note = document.getElementById("offline-ready");
  let subjects = [];
  let open = { key: "", title: schema.title, base: "", item: null };
  let draft = "";
  let timer = null;

  function inputs(name) { return Array.from(form.elements).filter(function (input) { return input.name === name; }); }
  function values() {
    const found = {};
    schema.fields.forEach(function (field) {
      const parts = inputs(field.name);
      if (field.kind === "yes") found[field.name] = Boolean(parts[0] && parts[0].checked);
      else if (field.kind === "choices") {
        found[field.name] = parts[0] && parts[0].options
          ? Array.from(parts[0].selectedOptions, function (option) { return option.value; })
          : parts.filter(function (part) { return part.checked; }).map(function (part) { return part.value; });
      } else if (parts[0] && parts[0].type === "radio") {
        const chosen = parts.find(function (part) { return part.checked; });
        found[field.name] = chosen ? chosen.value : "";
      } else found[field.name] = parts[0] ? parts[0].value : "";
    });
    return found;
  }
  function fill(given) {
    form.reset();
    schema.fields.forEach(function (field) {
      const value = given[field.name];
      if (value === undefined) return;
      inputs(field.name).forEach(function (part) {
        if (part.type === "checkbox" && field.kind === "yes") part.checked = Boolean(value);
        else if (part.type === "checkbox" || part.type === "radio") part.checked = [].concat(value).map(String).includes(part.value);
        else if (part.options && field.kind === "choices") {
          Array.from(part.options).forEach(function (option) { option.selected = value.includes(option.value); });
        } else part.value = String(value);
      });
    });
  }

  function showErrors(wrong, words) {
    place.replaceChildren();
    form.querySelectorAll(".field.wrong").forEach(function (field) { field.classList.remove("wrong"); });
    form.querySelectorAll(".field-error[data-offline]").forEach(function (part) { part.remove(); });
    form.querySelectorAll("[aria-invalid]").forEach(function (part) {
      part.removeAttribute("aria-invalid");
      part.setAttribute("aria-describedby", part.dataset.described || "");
      if (!part.dataset.described) part.removeAttribute("aria-describedby");
    });
    const names = Object.keys(wrong);
    if (!names.length && !words) return;
    const lines = make("ul");
    if (words && !names.length) lines.append(make("li", { text: words }));
    names.forEach(function (name) {
      const field = schema.fields.find(function (one) { return one.name === name; });
      const parts = field ? inputs(name) : [];
      wrong[name].forEach(function (text) {
        const first = parts[0];
        lines.append(make("li", {}, [first && first.id
          ? make("a", { href: "#" + first.id, text: field.label + ": " + text }) : document.createTextNode(text)]));
      });
      if (!parts.length) return;
      const box = parts[0].closest(".field");
      const id = parts[0].id + "_error";
      const told = make("div", { css: "field-error", id: id, "data-offline": "1" },
        wrong[name].map(function (text) { return make("p", { text: text }); }));
      const before = box.querySelector("label, legend");
      if (before && !before.closest(".check-row") && before.parentNode === box) before.after(told); else box.prepend(told);
      box.classList.add("wrong");
      parts.forEach(function (part) {
        part.dataset.described = part.dataset.described || part.getAttribute("aria-describedby") || "";
        part.setAttribute("aria-invalid", "true");
        part.setAttribute("aria-describedby", (part.dataset.described + " " + id).trim());
      });
    });
    const summary = make("div", { css: "error-summary", role: "alert", tabindex: "-1", "aria-labelledby": "offline-problem" },
      [make("h2", { id: "offline-problem", text: say.problem }), lines]);
    place.append(summary);
    summary.focus();
  }
  function tell(text) { said.textContent = text; }

  async function openFor(next) {
    open = next;
    draft = await offline.draftId(schema.name, next.item ? "item " + next.item.id : next.key);
    const kept = await offline.draft(draft);
    fill(kept || next.values || {});
    document.getElementById("offline-whom").textContent = next.title;
    const lines = document.getElementById("offline-lines");
    lines.replaceChildren();
    (next.lines || []).forEach(function (text) { lines.append(make("li", { text: text })); });
    panel.hidden = false;
    if (list) document.getElementById("offline-choose").hidden = true;
    showErrors((next.item && next.item.body.errors) || {}, next.item ? next.item.body.words : "");
    tell(kept ? say.draft_back : "");
    if (list && !(next.item && next.item.body.words)) document.getElementById("offline-whom").focus();
  }
  function close() {
    if (!list) { openFor({ key: "", title: schema.title, base: "", item: null }); return; }
    panel.hidden = true;
    document.getElementById("offline-choose").hidden = false;
    showList();
  }

  async function keepDraft() {
    if (!offline.account) return;
    try {
      await offline.putDraft(draft, values());
      tell(offline.put_words(say.draft, { time: offline.time(Date.now()).slice(11) }));
    } catch (error) { tell(say.not_kept); }
  }
  form.addEventListener("input", function () { clearTimeout(timer); timer = setTimeout(keepDraft, 300); });
  window.addEventListener("pagehide", function () { if (timer) { clearTimeout(timer); keepDraft(); } });

  form.addEventListener("submit", async function (event) {
    event.preventDefault();
    clearTimeout(timer);
    timer = null;
    if (!(await offline.ready) || !offline.account) { tell(say.locked); return; }
    const given = values();
    const wrong = offline.check(schema, given, say);
    if (Object.keys(wrong).length) { showErrors(wrong, ""); return; }
    const old = open.item;
    const item = {
      id: old ? old.id : crypto.randomUUID(), form: schema.name, state: "waiting", made: new Date().toISOString(),
      order: old ? old.order : Date.now() + Math.random(), attempts: 0, next: 0,
      body: {
        key: open.key, base: open.base, title: open.title, lines: open.lines || [], values: given,
        amends: old ? old.body.amends : null, tried: old ? old.body.tried || old.body.values : undefined,
      },
    };
    try {
      await offline.put([item], { draft: draft });
    } catch (error) { tell(say.not_kept); return; }
    showErrors({}, "");
    close();
    tell(say.kept);
    document.dispatchEvent(new CustomEvent("salus-kept", { detail: { id: item.id } }));
    offline.sendNow();
  });
  const back = document.getElementById("offline-back");
  if (back) back.addEventListener("click", function () { tell(""); close(); });

  async function showList() {
    if (!list) return;
    const items = offline.account ? await offline.items() : [];
    const state = new Map();
    items.filter(function (item) { return item.form === schema.name; }).forEach(function (item) { state.set(item.body.key, item.state); });
    const search = document.getElementById("offline-search").value.trim().toLowerCase();
    const shown = subjects.filter(function (one) {
      return !search || (one.title + " " + one.lines.join(" ")).toLowerCase().includes(search);
    });
    list.replaceChildren();
    shown.forEach(function (one) {
      const now = state.get(one.key);
      const tag = now === "sent" ? make("span", { css: "tag tag-ok", text: say.sent_here })
        : now ? make("span", { css: "tag tag-" + (now === "waiting" ? "info" : "bad"), text: now === "waiting" ? say.waiting_here : say["state_" + now] }) : null;
      const button = make("button", { type: "button", css: "offline-subject", click: function () { tell(""); openFor(begin(one)); } }, [
        make("span", { css: "offline-subject-title", text: one.title }),
        make("span", { css: "muted", text: one.lines.concat(one.due ? [offline.put_words(say.due, { day: one.due })] : []).join(" · ") }), tag]);
      list.append(make("li", {}, [button]));
    });
    const none = document.getElementById("offline-none");
    none.hidden = shown.length > 0;
    none.textContent = subjects.length ? say.no_match : say.no_subjects;
  }
  function begin(one) {
    return { key: one.key, title: one.title, lines: one.lines, base: one.version, values: one.values, item: null };
  }
  function take(told) {
    subjects = told.subjects.slice().sort(function (a, b) { return (a.due || "9999").localeCompare(b.due || "9999"); });
    note.dataset.time = told.taken;
    note.textContent = offline.put_words(say.ready, { time: offline.time(told.taken) });
    return showList();
  }

  async function start() {
    if (!(await offline.ready)) { if (!document.body.dataset.account || !offline.account) tell(say.locked); return; }
    const kept = list ? await offline.list(schema.name) : null;
    if (kept) await take(kept);
    const wanted = JSON.parse(sessionStorage.getItem("salus-offline-open") || "null");
    sessionStorage.removeItem("salus-offline-open");
    const item = wanted && wanted.item ? (await offline.items()).find(function (one) { return one.id === wanted.item; }) : null;
    if (item) {
      await openFor({ key: item.body.key, title: item.body.title, lines: item.body.lines, base: item.body.base, values: item.body.values, item: item });
    } else if (!list) close();
    if (list) {
      const fresh = await offline.refresh(schema.name);
      if (fresh) await take(fresh);
      const one = wanted && wanted.key && subjects.find(function (subject) { return subject.key === wanted.key; });
      if (one) await openFor(begin(one));
    }
    frame.dataset.open = "yes";
  }
  if (list) {
    document.getElementById("offline-search").addEventListener("input", showList);
    document.addEventListener("salus-outbox", function () { if (panel.hidden) showList(); });
  }
  start();
})();
