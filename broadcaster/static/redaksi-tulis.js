/* The composer made live: counters follow each key, what is typed is saved by itself. Without this all of it works by buttons. */
"use strict";
(() => {
  const form = document.getElementById("tulis");
  const saved = document.getElementById("tersimpan");
  const SOON = 1000, AGAIN = 3000; // milliseconds after the last key, and after a failure
  let saveAt = 0, saving = false, changed = false, leaving = false, stuck = false;

  const save = async () => {
    if (saving || !changed || leaving || stuck) return;
    saving = true; changed = false;
    let wait = 0;
    try {
      const answer = await fetch(form.dataset.save, {
        method: "POST", body: new URLSearchParams(Array.from(new FormData(form)).filter((pair) => typeof pair[1] === "string")),
        headers: { "HX-Request": "true", "X-CSRF-Token": form.elements.csrf.value },
      });
      const said = (answer.headers.get("content-type") || "").startsWith("application/json") ? await answer.json() : {};
      if (answer.ok) keep(said); else { changed = true; stuck = answer.status === 409; wait = AGAIN; }
      saved.textContent = said.said || said.problem || form.dataset.unsaved;
    } catch { changed = true; wait = AGAIN; saved.textContent = form.dataset.unsaved; }
    saving = false;
    if (!stuck && (wait || (changed && !saveAt))) saveAt = setTimeout(save, wait || SOON);
  };

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

  const count = (field) => {
    const line = form.querySelector(`[data-for="${field.id}"]`);
    if (!line) return;
    const limit = Number(field.dataset.limit), used = [...field.value.trim()].length;
    line.textContent = (used > limit ? form.dataset.over : form.dataset.left).replace("{n}", Math.abs(limit - used)).replace("{limit}", limit);
    line.classList.toggle("over", used > limit);
    line.classList.toggle("near", used <= limit && used >= limit * 0.9);
  };

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
    if (event.target.dataset.limit) count(event.target);
    clearTimeout(saveAt);
    saveAt = setTimeout(() => { saveAt = 0; save(); }, SOON);
  });
  form.addEventListener("submit", () => { leaving = true; });
  addEventListener("pageshow", () => { leaving = false; });
  addEventListener("beforeunload", (event) => { if (changed && !leaving) event.preventDefault(); });
  const refused = document.getElementById("galat");
  if (refused) refused.focus();
})();
