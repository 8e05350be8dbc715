/* On every page of the newsroom: the end of a sign-in is told before it comes, and survived; a form is sent once. */
"use strict";
window.redaksi = (() => {
  const bar = document.getElementById("sesi"), said = bar.querySelector("span");
  const stay = bar.querySelector("button"), again = bar.querySelector("a");
  const WARN = 300_000, LOOK = 5_000, LOCKED = 10_000; // milliseconds
  const SEEN = "redaksi-terakhir", idle = 1000 * bar.dataset.idle;
  let latest = Date.now() + 1000 * bar.dataset.latest, out = false;

  const active = () => { if (!out) localStorage.setItem(SEEN, Date.now()); };
  const clock = (at) => new Date(at).toLocaleTimeString("id", { timeZone: "Asia/Jakarta", hour: "2-digit", minute: "2-digit" });

  const say = (words, at) => {
    const text = words ? bar.dataset[words].replace("{at}", at && clock(at)) : "";
    bar.hidden = !text;
    if (said.textContent !== text) said.textContent = text;
    stay.hidden = words !== "soon";
    again.hidden = words !== "out";
  };

  const lost = () => {
    if (out) return;
    out = true;
    say("out");
    renew();
  };

  const look = () => {
    if (out) { if (!document.hidden) renew(); return; }
    const quiet = Number(localStorage.getItem(SEEN)) + idle, end = Math.min(quiet, latest);
    if (end <= Date.now()) lost();
    else if (end - Date.now() <= WARN) say(quiet < latest ? "soon" : "late", end);
    else say("");
  };

  const renew = async () => { // whoever signed in again, in another tab too, goes on here with the new session's token
    try {
      const answer = await fetch("/redaksi/akun", { redirect: "manual" });
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html"), now = page.getElementById("sesi").dataset;
      if (now.who !== bar.dataset.who) { say("other"); return; }
      const token = page.querySelector('[name="csrf"]').value;
      document.querySelectorAll('[name="csrf"]').forEach((field) => { field.value = token; });
      latest = Date.now() + 1000 * now.latest;
      out = false;
      active();
      look();
      document.dispatchEvent(new Event("redaksi:masuk"));
    } catch { /* no connection: the next look tries again */ }
  };

  active();
  setInterval(look, LOOK);
  document.addEventListener("visibilitychange", look);
  stay.addEventListener("click", renew);
  document.addEventListener("htmx:before:response", (event) => { // an error is no piece of this page, and leads nowhere
    const status = event.detail.ctx.response.status;
    if (status < 400) active(); else event.preventDefault();
    if (status === 401) lost();
  });

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || form.method !== "post") return;
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "1";
    setTimeout(() => { delete form.dataset.sent; }, LOCKED);
    if (form.getAttribute("action") === "/redaksi/keluar") sessionStorage.clear();
  });
  addEventListener("pageshow", () => { document.querySelectorAll("form[data-sent]").forEach((form) => { delete form.dataset.sent; }); });
  return { active, clock, lost };
})();
