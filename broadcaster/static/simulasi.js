/* The simulation keeps itself up to date: once a second it fetches the pieces of the page and changes those that differ. */
(function () {
  "use strict";
  const EVERY = 1000;
  const page = document.querySelector("[data-state]");
  if (!page) return;
  const address = page.dataset.state;
  const said = document.getElementById("sim-said");
  const known = new Map();
  const seen = new Set();
  let first = true;
  let waiting = 0;

  document.querySelectorAll("[data-scriptless]").forEach(function (element) { element.hidden = true; });

  function ids(root) {
    return Array.from(root.querySelectorAll("[data-id]"));
  }

  /* To the newest message: its beginning when it is longer than the phone. */
  function toNewest(chat) {
    const turn = chat.querySelector(".turn:last-child");
    const top = turn ? turn.offsetTop - chat.offsetTop - 12 : 0;
    chat.scrollTop = Math.min(chat.scrollHeight, Math.max(top, 0));
  }

  function atEnd(element) {
    return element.scrollHeight - element.scrollTop - element.clientHeight < 40;
  }

  function put(name, html) {
    const place = page.querySelector('[data-part="' + name + '"]');
    if (!place || known.get(name) === html) return;
    known.set(name, html);
    if (first && place.innerHTML === html) {
      ids(place).forEach(function (element) { seen.add(name + element.dataset.id); });
      return;
    }
    const follow = "tail" in place.dataset && (atEnd(place) || first || !place.querySelector(".turn"));
    const focused = place.contains(document.activeElement) ? document.activeElement.closest("[data-id], form, a") : null;
    const way = focused ? Array.from(place.querySelectorAll("a, button")).indexOf(document.activeElement) : -1;
    place.innerHTML = html;
    ids(place).forEach(function (element) {
      const key = name + element.dataset.id;
      if (!seen.has(key)) element.classList.add("fresh");
      seen.add(key);
    });
    if (follow) toNewest(place);
    if (way >= 0) {
      const again = place.querySelectorAll("a, button")[way];
      if (again) again.focus({ preventScroll: true });
    }
    if (name === "umpan") renewScreen();
  }

  function renewScreen() {
    const screen = page.querySelector("[data-screen]");
    if (screen && screen.contentWindow) screen.contentWindow.location.reload();
  }

  function say(text) {
    said.hidden = !text;
    if (said.textContent !== text) said.textContent = text;
  }

  async function refresh() {
    window.clearTimeout(waiting);
    try {
      const answer = await fetch(address, { headers: { Accept: "text/html" }, cache: "no-store" });
      if (!answer.ok) throw new Error(String(answer.status));
      const fetched = new DOMParser().parseFromString(await answer.text(), "text/html");
      fetched.querySelectorAll("[data-part]").forEach(function (part) { put(part.dataset.part, part.innerHTML); });
      first = false;
      say("");
    } catch (error) {
      say(said.dataset.sorry);
    }
    window.clearTimeout(waiting);
    waiting = window.setTimeout(refresh, document.hidden ? 5 * EVERY : EVERY);
  }

  async function send(form, button) {
    const fields = new URLSearchParams();
    new FormData(form).forEach(function (value, name) { fields.append(name, String(value)); });
    if (button && button.name) fields.append(button.name, button.value);
    if (button) button.disabled = true;
    try {
      const answer = await fetch(form.action, { method: "POST", body: fields, headers: { Accept: "application/json" } });
      if (!answer.ok) throw new Error(String(answer.status));
      if ("clear" in form.dataset) form.elements.teks.value = "";
      if ("faults" in form.dataset && button && button.name === "normal") showSliders(form, 0);
      await refresh();
    } catch (error) {
      say(said.dataset.sorry);
    }
    if (button) button.disabled = false;
  }

  function showSliders(form, value) {
    form.querySelectorAll('input[type="range"]').forEach(function (slider) {
      slider.value = value;
      tell(slider);
    });
  }

  function tell(slider) {
    const output = slider.parentElement.querySelector("output span");
    if (output) output.textContent = slider.value;
  }

  document.addEventListener("submit", function (event) {
    const form = event.target;
    if (!("live" in form.dataset)) return;
    event.preventDefault();
    send(form, event.submitter || null);
  });
  document.addEventListener("input", function (event) {
    if (event.target.type === "range") tell(event.target);
  });
  document.addEventListener("change", function (event) {
    if (!("submit" in event.target.dataset)) return;
    const form = event.target.form;
    if ("live" in form.dataset) send(form, null);
    else form.submit();
  });
  document.addEventListener("click", function (event) {
    const link = event.target.closest(".mails a");
    if (!link) return;
    link.closest(".mails").querySelectorAll("li").forEach(function (item) { item.classList.toggle("open", item.contains(link)); });
  });
  document.addEventListener("visibilitychange", function () { if (!document.hidden) refresh(); });
  page.querySelectorAll("[data-tail]").forEach(toNewest);
  refresh();
})();
