/* The composer made live: counters follow each key, what is typed is saved by itself. Without this all of it works by buttons. */
"use strict";
(() => {
  const form = document.getElementById("tulis");
  const saved = document.getElementById("tersimpan");
  const SOON = 700, LATEST = 1500, AGAIN = 3000; // milliseconds after the last key, after the first one, and after a failure
  let saveAt = 0, since = 0, saving = false, changed = false, leaving = false, stuck = false, waiting = null;

  const tell = (text) => { if (saved.textContent !== text) saved.textContent = text; };

  const save = async (closing) => {
    if (saving || !changed || leaving || stuck) return;
    saving = true; changed = false; since = 0;
    let wait = 0;
    try {
      const answer = await fetch(form.dataset.save, {
        method: "POST", body: new URLSearchParams(Array.from(new FormData(form)).filter((pair) => typeof pair[1] === "string")),
        headers: { "HX-Request": "true", "X-CSRF-Token": form.elements.csrf.value }, keepalive: closing === true,
      });
      const said = (answer.headers.get("content-type") || "").startsWith("application/json") ? await answer.json() : {};
      const over = answer.status === 401 || answer.status === 403; // signed out, or in again since: redaksi-sesi.js sees to it
      if (answer.ok) { keep(said); redaksi.active(); } else { changed = true; stuck = answer.status === 409; wait = over ? Infinity : AGAIN; }
      if (answer.ok && !changed) form.dispatchEvent(new Event("redaksi:tersimpan"));
      if (over) redaksi.lost();
      if (said.conflict) document.getElementById("bandingkan").hidden = false;
      tell(said.said || said.problem || (over ? form.dataset.out : form.dataset.unsaved));
    } catch { changed = true; wait = AGAIN; tell(form.dataset.unsaved); }
    saving = false;
    if (waiting) form.requestSubmit(waiting);
    else if (changed && !stuck && wait < Infinity) plan(wait || SOON);
    waiting = null;
  };

  const plan = (wait) => { clearTimeout(saveAt); saveAt = setTimeout(save, wait); };

  const keep = (said) => {
    form.elements.versi.value = said.version;
    if (form.elements.id.value) return;
    form.elements.id.value = said.place.split("/").pop();
    form.elements.kode.value = said.code;
    form.dataset.save = said.place + "/simpan";
    form.action = said.place + "/tulis";
    history.replaceState(null, "", form.action);
    form.dispatchEvent(new Event("change", { bubbles: true }));
  };

  const count = (field, typing) => {
    const line = form.querySelector(`[data-for="${field.id}"]`);
    if (!line) return;
    const limit = Number(field.dataset.limit), used = [...field.value.trim()].length, over = used > limit, near = !over && used >= limit * 0.9;
    const words = (over ? form.dataset.over : form.dataset.left).replace("{n}", Math.abs(limit - used)).replace("{limit}", limit);
    line.hidden = "late" in line.dataset && !over && !near;
    line.textContent = near ? form.dataset.near.replace("{left}", words) : words;
    line.classList.toggle("over", over);
    line.classList.toggle("near", near);
    if (typing) speak(over || near || aloud.textContent ? line.textContent : "");
  };

  const aloud = document.getElementById("hitung"), PAUSE = 1000; // milliseconds without a key before a counter is read out
  let speakAt = 0;
  const speak = (text) => { clearTimeout(speakAt); speakAt = setTimeout(() => { aloud.textContent = text; }, PAUSE); };

  const wrap = (field, before, after, empty) => {
    const from = field.selectionStart, chosen = field.value.slice(from, field.selectionEnd) || empty;
    field.setRangeText(before + chosen + after, from, field.selectionEnd, "end");
    field.setSelectionRange(from + before.length, from + before.length + chosen.length);
    field.focus();
    field.dispatchEvent(new Event("input", { bubbles: true }));
  };

  form.querySelectorAll(".tool").forEach((tool) => {
    const field = document.getElementById(tool.getAttribute("aria-controls"));
    tool.parentElement.hidden = false;
    tool.addEventListener("click", () => {
      if (tool.dataset.mark) wrap(field, tool.dataset.mark, tool.dataset.mark, tool.textContent.toLowerCase());
      else wrap(field, "[", "](https://)", tool.dataset.link);
    });
  });
  const file = form.querySelector("[data-upload]");
  file.removeAttribute("name"); // it goes on its own: previews and saves carry words only
  file.addEventListener("input", (event) => event.stopPropagation());
  file.addEventListener("change", async (event) => {
    event.stopPropagation();
    if (!file.files.length) return;
    const sent = new FormData(), said = document.getElementById("berkas-petunjuk");
    sent.append("picture", file.files[0]);
    try {
      const answer = await fetch(file.dataset.upload, {
        method: "POST", body: sent, headers: { "Accept": "application/json", "X-CSRF-Token": form.elements.csrf.value },
      });
      const told = await answer.json();
      said.textContent = told.problem || file.dataset.taken;
      said.classList.toggle("wrong", !answer.ok);
      if (!answer.ok) return;
      form.elements.image.value = told.url;
      form.elements.image.dispatchEvent(new Event("input", { bubbles: true }));
      form.elements.image_alt.focus();
    } catch { said.textContent = file.dataset.failed; } finally { file.value = ""; }
  });
  form.querySelectorAll("[data-limit]").forEach(count);
  form.addEventListener("change", (event) => {
    if (event.target.name === "level" && event.target.value === "emergency") document.getElementById("lipat-darurat").open = true;
  });
  form.addEventListener("input", (event) => {
    changed = true;
    since = since || Date.now();
    if (event.target.dataset.limit) count(event.target, true);
    plan(Math.max(0, Math.min(SOON, since + LATEST - Date.now())));
  });
  document.addEventListener("redaksi:masuk", () => { if (changed) save(); });
  document.addEventListener("visibilitychange", () => { if (document.hidden) save(true); });
  form.addEventListener("submit", (event) => {
    leaving = true;
    if (!saving) return;
    event.preventDefault(); // one save at a time: the form then names the version that this one makes
    waiting = event.submitter;
  });
  addEventListener("pageshow", () => { leaving = false; });
  addEventListener("beforeunload", (event) => { if (changed && !leaving) event.preventDefault(); });
  const refused = document.getElementById("galat");
  if (refused) refused.focus();
})();
