/* Follows a sending: each event of the stream is the page's changing piece; parts that differ are put in. */
(function () {
  "use strict";
  const live = document.getElementById("kirim");
  if (!live || !window.EventSource || "over" in live.dataset) return;
  const said = document.getElementById("kirim-kata");
  const again = document.getElementById("kirim-ulang");
  const known = new Map();
  let spoken = reached();
  let stream;

  function reached() {
    return Math.floor(Number(live.querySelector("[data-percent]").dataset.percent) / 25) * 25;
  }

  function put(html) {
    new DOMParser().parseFromString(html, "text/html").querySelectorAll("[data-part]").forEach(function (part) {
      const name = part.dataset.part;
      const old = live.querySelector('[data-part="' + name + '"]');
      if (!old || known.get(name) === part.innerHTML) return;
      known.set(name, part.innerHTML);
      old.querySelectorAll("details[open]").forEach(function (open) {
        const same = part.querySelector('[data-key="' + open.dataset.key + '"]');
        if (same) same.open = true;
      });
      const way = Array.from(old.querySelectorAll("a, button, summary, [tabindex]")).indexOf(document.activeElement);
      old.replaceWith(part);
      const focused = way < 0 ? null : part.querySelectorAll("a, button, summary, [tabindex]")[way];
      if (focused) focused.focus({ preventScroll: true });
    });
    if (reached() > spoken) {
      spoken = reached();
      said.textContent = said.dataset.words.replace("{}", spoken);
    }
  }

  function lost(is) {
    again.hidden = !is;
    again.querySelector("span").textContent = is ? again.dataset.lost : "";
  }

  function open() {
    stream = new EventSource(live.dataset.stream);
    stream.onopen = function () { lost(false); };
    stream.onmessage = function (event) { put(event.data); };
    stream.addEventListener("selesai", function (event) { stream.close(); put(event.data); });
    stream.addEventListener("keluar", function () { stream.close(); location.reload(); });
    stream.onerror = function () {
      lost(true);
      if (stream.readyState === 2) setTimeout(open, 3000);
    };
  }

  open();
})();
