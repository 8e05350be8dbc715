/* The composer made live: previews and counters follow each key, what is typed is saved by itself. Without this all of it works by buttons. */
"use strict";
(() => {
  const form = document.getElementById("tulis");
  const previews = document.getElementById("pratinjau");
  const saved = document.getElementById("tersimpan");
  let previewAt = 0, saveAt = 0, asking = null, saving = false, changed = false, leaving = false;

  const send = (address, signal) => fetch(address, {
    method: "POST", body: new FormData(form), signal, headers: { "HX-Request": "true", "X-CSRF-Token": form.elements.csrf.value },
  });

  const preview = async () => {
    if (asking) asking.abort();
    asking = new AbortController();
    try {
      const answer = await send(form.dataset.preview, asking.signal);
      if (answer.ok) previews.innerHTML = await answer.text();
    } catch (error) {
      if (error.name !== "AbortError") saved.textContent = form.dataset.unsaved;
    }
  };

  const save = async () => {
    if (!form.dataset.save || !changed) return;
    if (saving) { saveAt = setTimeout(save, 300); return; }
    saving = true; changed = false;
    try {
      const answer = await send(form.dataset.save);
      const said = answer.headers.get("content-type").startsWith("application/json") ? await answer.json() : {};
      if (answer.ok) { form.elements.versi.value = said.version; saved.textContent = said.said; }
      else { changed = true; saved.textContent = said.problem || form.dataset.unsaved; }
    } catch { changed = true; saved.textContent = form.dataset.unsaved; saveAt = setTimeout(save, 3000); }
    saving = false;
  };

  const count = (field) => {
    const line = form.querySelector(`[data-for="${field.id}"]`);
    if (!line) return;
    const limit = Number(field.dataset.limit), used = [...field.value.trim()].length;
    line.textContent = (used > limit ? form.dataset.over : form.dataset.left).replace("{n}", Math.abs(limit - used)).replace("{limit}", limit);
    line.classList.toggle("over", used > limit);
    line.classList.toggle("near", used <= limit && used >= limit * 0.9);
  };

  form.addEventListener("input", (event) => {
    changed = true;
    if (event.target.dataset.limit) count(event.target);
    clearTimeout(previewAt); clearTimeout(saveAt);
    previewAt = setTimeout(preview, 150);
    saveAt = setTimeout(save, 1200);
  });
  form.addEventListener("submit", () => { leaving = true; });
  addEventListener("beforeunload", (event) => { if (changed && !leaving) event.preventDefault(); });
  const refused = document.getElementById("galat");
  if (refused) refused.focus();
})();
