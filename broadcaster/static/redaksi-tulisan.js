/* What was typed into a form[data-keep] and not stored yet: kept in this tab, offered when the page is opened again. */
"use strict";
(() => {
  const words = document.getElementById("sesi").dataset;
  const MOMENT = 400, SENT = "redaksi-terkirim"; // milliseconds after the last key
  const name = (address) => "redaksi-tulisan " + words.who + " " + address.pathname + address.search;
  const box = (field) => field.type === "checkbox" || field.type === "radio";
  const typed = (form) => [...form.elements]
    .filter((field) => field.name && field.type !== "hidden" && field.type !== "file" && field.type !== "submit")
    .map((field) => [box(field) ? field.name + "=" + field.value : field.name, box(field) ? field.checked : field.value, field]);
  const plain = (form) => JSON.stringify(typed(form).map((one) => one.slice(0, 2)));

  const put = (form, values) => {
    typed(form).forEach(([key, , field]) => {
      if (!(key in values)) return;
      if (box(field)) field.checked = values[key]; else field.value = values[key];
      for (let fold = field.closest("details"); fold && values[key]; fold = null) fold.open = true;
    });
    form.dispatchEvent(new Event("input", { bubbles: true }));
  };

  const offer = (form, place) => {
    const kept = JSON.parse(sessionStorage.getItem(place));
    if (!kept) return;
    if (kept.typed === plain(form)) { sessionStorage.removeItem(place); return; }
    const note = document.createElement("div"), text = document.createElement("p"), acts = document.createElement("p");
    note.className = "notice stack kept" + (form.classList.contains("middle") ? " middle" : "");
    note.setAttribute("role", "status");
    acts.className = "buttons";
    text.textContent = words.kept.replace("{at}", redaksi.clock(kept.at));
    const button = (label, act) => {
      const made = document.createElement("button");
      made.type = "button"; made.className = "button second"; made.textContent = label;
      made.addEventListener("click", () => { note.remove(); act(); form.querySelector("input:not([type=hidden], [type=radio]), textarea").focus(); });
      acts.append(made);
    };
    button(words.use, () => put(form, Object.fromEntries(JSON.parse(kept.typed))));
    button(words.drop, () => sessionStorage.removeItem(place));
    note.append(text, acts);
    form.before(note);
  };

  // What was sent from the page before has arrived: this page answers it. A refusal without a sign-in is no page with this script.
  const before = document.referrer && name(new URL(document.referrer));
  if (before && sessionStorage.getItem(SENT) === before) sessionStorage.removeItem(before);
  sessionStorage.removeItem(SENT);

  document.querySelectorAll("form[data-keep]").forEach((form) => {
    let place = name(location), changed = false, timer = 0;
    const keep = () => { if (changed) sessionStorage.setItem(place, JSON.stringify({ at: Date.now(), typed: plain(form) })); };
    offer(form, place);
    form.addEventListener("input", () => { changed = true; clearTimeout(timer); timer = setTimeout(keep, MOMENT); });
    document.addEventListener("visibilitychange", keep);
    form.addEventListener("redaksi:tersimpan", () => { changed = false; sessionStorage.removeItem(place); place = name(location); });
    form.addEventListener("submit", () => { changed = true; keep(); changed = false; sessionStorage.setItem(SENT, place); });
    if (form.dataset.keep === "guard") addEventListener("beforeunload", (event) => { if (changed) event.preventDefault(); });
  });
})();
