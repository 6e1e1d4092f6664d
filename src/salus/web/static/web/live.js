// Live regions: server-sent events, or asking again where a stream does not come through.
(function () {
  "use strict";
  document.querySelectorAll("[data-live]").forEach(function (region) {
    const address = region.dataset.live;
    let failures = 0;
    let source = null;
    function put(html) {
      // Do not pull the ground from under a reader who is using something inside.
      if (region.contains(document.activeElement)) return;
      region.innerHTML = html;
    }
    function ask() {
      fetch(address, { headers: { Accept: "text/html" }, credentials: "same-origin" })
        .then(function (answer) { return answer.ok ? answer.text() : Promise.reject(new Error()); })
        .then(function (html) { put(html); setTimeout(ask, Math.max(5000, Number(region.dataset.every))); })
        .catch(function () { region.classList.remove("is-live"); });
    }
    function listen() {
      source = new EventSource(address);
      source.onmessage = function (event) { failures = 0; region.classList.add("is-live"); put(event.data); };
      source.addEventListener("ended", function () { source.close(); region.classList.remove("is-live"); });
      source.onerror = function () {
        region.classList.remove("is-live");
        failures += 1;
        if (failures >= 3) { source.close(); ask(); }
      };
    }
    if ("EventSource" in window) listen(); else ask();
    window.addEventListener("pagehide", function () { if (source) source.close(); });
    window.addEventListener("pageshow", function (event) { if (event.persisted) listen(); });
  });
})();
