// Charts: each mark's label as a tooltip under the pointer, and by arrow keys for the keyboard.
(function () {
  "use strict";
  function tipOf(drawing) {
    let tip = drawing.querySelector(".chart-tip");
    if (!tip) {
      tip = document.createElement("div");
      tip.className = "chart-tip";
      tip.hidden = true;
      tip.setAttribute("role", "status");
      drawing.append(tip);
    }
    return tip;
  }
  function show(drawing, mark) {
    const tip = tipOf(drawing);
    drawing.querySelectorAll(".is-here").forEach(function (old) { old.classList.remove("is-here"); });
    mark.classList.add("is-here");
    tip.textContent = mark.getAttribute("aria-label");
    tip.hidden = false;
    const box = drawing.getBoundingClientRect();
    const place = mark.getBoundingClientRect();
    const left = place.left - box.left + place.width / 2 + drawing.scrollLeft - tip.offsetWidth / 2;
    const above = place.top - box.top - tip.offsetHeight - 8;
    tip.style.left = Math.max(0, Math.min(left, drawing.scrollWidth - tip.offsetWidth)) + "px";
    tip.style.top = (above < 0 ? place.bottom - box.top + 8 : above) + "px";
  }
  function hide(drawing) {
    tipOf(drawing).hidden = true;
    drawing.querySelectorAll(".is-here").forEach(function (old) { old.classList.remove("is-here"); });
  }
  document.addEventListener("pointerover", function (event) {
    const mark = event.target.closest("[data-mark]");
    if (mark) show(mark.closest(".chart-drawing"), mark);
  });
  document.addEventListener("pointerout", function (event) {
    const mark = event.target.closest("[data-mark]");
    if (mark) hide(mark.closest(".chart-drawing"));
  });
  document.addEventListener("keydown", function (event) {
    const drawing = event.target.closest(".chart-drawing");
    if (!drawing) return;
    const marks = Array.from(drawing.querySelectorAll("[data-mark]"));
    const now = marks.findIndex(function (mark) { return mark.classList.contains("is-here"); });
    let next = -1;
    if (event.key === "ArrowRight" || event.key === "ArrowDown") next = now + 1;
    else if (event.key === "ArrowLeft" || event.key === "ArrowUp") next = now < 0 ? marks.length - 1 : now - 1;
    else if (event.key === "Home") next = 0;
    else if (event.key === "End") next = marks.length - 1;
    else if (event.key === "Escape") { hide(drawing); return; }
    else return;
    event.preventDefault();
    if (marks[next]) show(drawing, marks[next]);
  });
  document.addEventListener("focusout", function (event) {
    const drawing = event.target.closest && event.target.closest(".chart-drawing");
    if (drawing) hide(drawing);
  });
})();
