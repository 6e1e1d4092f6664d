// What a page does better with JavaScript; everything here also works without it.
(function () {
  "use strict";
  const root = document.documentElement;
  root.classList.add("js");

  // Menus close by Escape and by a click elsewhere; only one is open at a time.
  function closeMenus(except) {
    document.querySelectorAll("details.menu[open]").forEach(function (menu) {
      if (menu !== except) menu.removeAttribute("open");
    });
  }
  document.addEventListener("click", function (event) {
    closeMenus(event.target.closest("details.menu"));
  });
  document.addEventListener("keydown", function (event) {
    if (event.key !== "Escape") return;
    const menu = document.activeElement && document.activeElement.closest("details.menu[open]");
    if (menu) {
      menu.removeAttribute("open");
      menu.querySelector("summary").focus();
    } else {
      closeMenus(null);
      if (location.hash === "#navigation") location.hash = "#main";
    }
  });

  // A form or button with data-confirm asks first, then sends confirmed=1 so that the server need not.
  function ask(question, label, yes) {
    const box = document.createElement("dialog");
    const words = document.createElement("p");
    words.className = "lead";
    words.id = "confirm-question";
    words.textContent = question;
    box.setAttribute("aria-labelledby", words.id);
    const row = document.createElement("div");
    row.className = "buttons";
    const go = document.createElement("button");
    go.type = "button";
    go.className = "button button-main";
    go.textContent = label;
    const stop = document.createElement("button");
    stop.type = "button";
    stop.className = "button button-quiet";
    stop.textContent = document.body.dataset.cancel || "×";
    row.append(go, stop);
    box.append(words, row);
    document.body.append(box);
    stop.addEventListener("click", function () { box.close(); });
    go.addEventListener("click", function () { box.close(); yes(); });
    box.addEventListener("close", function () { box.remove(); });
    box.showModal();
    stop.focus();
  }
  document.addEventListener("submit", function (event) {
    const form = event.target;
    const button = event.submitter;
    const question = (button && button.dataset.confirm) || form.dataset.confirm;
    if (!question || form.dataset.asked === "1") return;
    event.preventDefault();
    ask(question, button ? button.textContent.trim() : "OK", function () {
      const sign = document.createElement("input");
      sign.type = "hidden";
      sign.name = "confirmed";
      sign.value = "1";
      form.append(sign);
      form.dataset.asked = "1";
      // A live region may have been drawn anew meanwhile; a form outside the page sends nothing.
      if (!form.isConnected) {
        form.hidden = true;
        document.body.append(form);
        if (window.htmx) window.htmx.process(form);
      }
      form.requestSubmit(button || undefined);
    });
  });

  // Choosing all rows of a page.
  document.addEventListener("change", function (event) {
    if (!event.target.matches(".choose-all")) return;
    const table = event.target.closest("table");
    table.querySelectorAll('input[name="row"]').forEach(function (box) { box.checked = event.target.checked; });
  });

  // After a table changed, say how many rows there are now.
  document.addEventListener("htmx:afterSwap", function (event) {
    const region = document.getElementById(event.detail.target.id) || event.detail.target;
    const words = region.querySelector && region.querySelector(".table-summary, .empty-title");
    const announcer = document.getElementById("announcer");
    if (words && announcer) announcer.textContent = words.textContent;
  });

  // When the server fails, go to its error page instead of leaving a table that does nothing.
  document.addEventListener("htmx:responseError", function (event) {
    location.assign(event.detail.pathInfo.finalRequestPath);
  });

  // Error summaries take the focus, so that they are read first.
  const summary = document.querySelector(".error-summary");
  if (summary) summary.focus();
})();
