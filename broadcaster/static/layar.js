// The kelurahan screen: polls the announcements of one area and shows them in turn. ES2015, for old television sets.
(function () {
  "use strict";

  const VERSION = 1;
  const SECOND = 1000;
  const HOUR = 3600 * SECOND;
  const WIB = 7 * HOUR;
  const POLL = 10 * SECOND;
  const JITTER = 5 * SECOND;
  const SILENT = 60 * SECOND; // without an answer for so long, the screen says that it is cut off
  const STALE = 6 * HOUR; // after so long it shows no announcement any more
  const SHIFT = 300 * SECOND;
  const FADE = 150;
  const FAREWELL = 120 * SECOND; // for so long a takeover that left is said to be over
  const NEW = 600 * SECOND; // for so long what came while the screen ran is marked as new
  const ROTATED = 5;
  const DAY = 24 * HOUR; // by then the page is loaded anew: servers change, screens run for months
  const SOON = 600 * SECOND; // after so long at most, if the data are of another version
  const PROBE = "uji"; // the frame in which the new page shows that it works
  const PROBE_TIME = 60 * SECOND;
  const NEXT = Infinity; // due: not known before it is drawn
  const HEADLINES = [136, 120, 108, 96, 88, 80, 76];
  const LEADS = [64, 56, 48];
  const DAYS = ["Minggu", "Senin", "Selasa", "Rabu", "Kamis", "Jumat", "Sabtu"];
  const MONTHS = ["Januari", "Februari", "Maret", "April", "Mei", "Juni", "Juli", "Agustus", "September", "Oktober", "November", "Desember"];

  const body = document.body;
  const home = body.dataset;
  const parts = {};
  Array.prototype.forEach.call(document.querySelectorAll("[id]"), function (element) {
    parts[element.id] = element;
  });

  let payload = null;
  let text = ""; // of the payload
  let serial = 0; // of the payload: another one means drawing anew
  let etag = "";
  let heard = 0; // when the last good answer came, by the steady clock
  let pictures = {}; // by address: those of the payload, loaded before they are shown
  let showing = { key: "", items: [], index: 0, page: 0, pages: 1, next: -1, due: NEXT };
  let alarms = []; // the emergencies that have the screen
  let farewell = { kind: "", title: "", due: 0 };
  let arrivals = {}; // when what came while the screen ran was first known, by announcement and edition
  let fading = 0;
  let outdated = false; // the data are of another version than this script
  let renewal = performance.now() + DAY * (0.75 + Math.random() / 4); // when the page is to be loaded anew
  let probe = null;

  // --- time: the server's, told by its Date header, carried on by a steady clock that nobody can set ---

  let base = Date.now();
  let mark = performance.now();

  function now() {
    return base + performance.now() - mark;
  }

  function since(moment) {
    return performance.now() - moment;
  }

  function setClock(date, age) {
    const told = Date.parse(date);
    if (!isNaN(told)) {
      base = told + (Number(age) || 0) * SECOND;
      mark = performance.now();
    }
  }

  function local(time) {
    return new Date(time + WIB); // read with getUTC...: whatever zone the set is in, it shows WIB
  }

  function two(number) {
    return (number < 10 ? "0" : "") + number;
  }

  function clock(time) {
    return two(local(time).getUTCHours()) + "." + two(local(time).getUTCMinutes());
  }

  function day(time) {
    const date = local(time);
    return DAYS[date.getUTCDay()] + ", " + date.getUTCDate() + " " + MONTHS[date.getUTCMonth()] + " " + date.getUTCFullYear();
  }

  function until(time) {
    const date = local(time);
    const today = day(time) === day(now());
    return "Berlaku sampai " + (today ? "" : date.getUTCDate() + " " + MONTHS[date.getUTCMonth()] + " ") + clock(time) + " WIB";
  }

  // --- what the server says: only a complete answer counts, all else leaves the last good one ---

  function sound(item) {
    const texts = ["code", "kind", "level", "tag", "title", "summary", "agency", "short", "effective"];
    return (
      item !== null &&
      typeof item === "object" &&
      texts.every(function (name) { return typeof item[name] === "string"; }) &&
      !isNaN(Date.parse(item.effective)) &&
      (item.expires === null || !isNaN(Date.parse(item.expires))) &&
      Array.isArray(item.areas) &&
      item.qr && item.qr.size > 0 && typeof item.qr.path === "string"
    );
  }

  function read(raw) {
    let answer;
    try {
      answer = JSON.parse(raw);
    } catch (error) {
      return null;
    }
    if (answer !== null && typeof answer === "object" && typeof answer.version === "number") {
      noteVersion(answer.version);
    }
    const complete =
      answer !== null &&
      typeof answer === "object" &&
      answer.version === VERSION &&
      !isNaN(Date.parse(answer.generated)) &&
      answer.area && answer.area.slug === home.slug &&
      Array.isArray(answer.items) &&
      answer.count === answer.items.length &&
      answer.items.every(sound);
    return complete ? answer : null;
  }

  function identity(item) {
    return item.code + " " + item.number;
  }

  function noteArrivals(answer) {
    // what is there at the start, or after a silence in which all was forgotten, is nobody's news
    const known = arrivals;
    arrivals = {};
    answer.items.forEach(function (item) {
      const name = identity(item);
      const before = known[name];
      arrivals[name] = before || { at: payload ? performance.now() : -Infinity, seen: !payload };
    });
  }

  function isNew(item) {
    const arrival = arrivals[identity(item)];
    return Boolean(arrival) && since(arrival.at) < NEW;
  }

  function settle(request) {
    const answer = request.status === 200 ? read(request.responseText) : null;
    if (answer) {
      noteArrivals(answer);
      serial += request.responseText === text ? 0 : 1;
      text = request.responseText;
      payload = answer;
      etag = request.getResponseHeader("ETag") || "";
    } else if (request.status !== 304 || !payload) {
      return;
    }
    setClock(request.getResponseHeader("Date"), request.getResponseHeader("Age"));
    heard = performance.now();
    fetchPictures();
    if (window.name === PROBE && window.parent !== window) {
      window.parent.postMessage(PROBE, location.origin);
    }
  }

  function poll() {
    const request = new XMLHttpRequest();
    request.open("GET", home.source);
    request.timeout = POLL;
    if (etag) {
      request.setRequestHeader("If-None-Match", etag);
    }
    request.onloadend = function () {
      settle(request);
      tick();
      setTimeout(poll, POLL + Math.random() * JITTER);
    };
    request.send();
  }

  // --- pictures: a page of their own after the words, once they are here; the words of an emergency never leave the screen ---

  function address(item) {
    const picture = item.level === "emergency" ? null : item.picture;
    return picture && typeof picture.url === "string" && picture.url.indexOf("/media/") === 0 ? picture.url : "";
  }

  function fetchPictures() {
    const known = pictures;
    pictures = {};
    payload.items.map(address).filter(Boolean).forEach(function (url) {
      const old = known[url] || pictures[url];
      const image = old && !(old.complete && !old.naturalWidth) ? old : new Image(); // what failed is tried again
      pictures[url] = image;
      if (image !== old) {
        image.onload = redraw;
        image.src = url;
      }
    });
  }

  function loaded(item) {
    const image = pictures[address(item)];
    return Boolean(image && image.complete && image.naturalWidth);
  }

  // --- what is to be seen now ---

  function inForce(item, time) {
    const begun = item.kind !== "alert" || Date.parse(item.effective) <= time;
    return begun && (item.expires === null || time < Date.parse(item.expires));
  }

  function forget() {
    // after hours of silence nothing is shown any more: it may have been withdrawn
    payload = null;
    text = etag = "";
    pictures = {};
    alarms = [];
  }

  function programme(time) {
    const silence = payload ? since(heard) : STALE;
    const known = silence < STALE ? payload.items : [];
    const valid = known.filter(function (item) { return inForce(item, time); });
    const emergencies = valid.filter(function (item) { return item.level === "emergency"; });
    const strips = valid.filter(function (item) { return item.kind === "alert" && item.level === "important"; });
    const wanted = emergencies.length ? emergencies : valid;
    return {
      emergency: emergencies.length > 0,
      items: wanted.slice(0, ROTATED),
      strips: emergencies.length ? [] : strips,
      more: Math.max(0, wanted.length - ROTATED) + (emergencies.length || !known.length ? 0 : Number(payload.beyond) || 0),
      cut: silence > SILENT && silence < STALE,
      lost: silence >= STALE,
    };
  }

  function keyOf(plan) {
    const codes = plan.items.map(function (item) { return item.code; });
    return [serial, plan.emergency, plan.cut, farewell.kind].concat(codes).join(" ");
  }

  // --- drawing: text nodes only ---

  function write(element, text) {
    if (element.textContent !== text) {
      element.textContent = text;
    }
  }

  function size(element, units) {
    element.style.fontSize = "calc(var(--u) * " + units + ")";
  }

  function drawClock(time) {
    write(parts.time, clock(time));
    write(parts.date, parts.clock.hidden ? home.city : day(time));
    write(parts["big-time"], clock(time));
    write(parts["big-date"], day(time));
    body.classList.toggle("shifted", Math.floor(time / SHIFT) % 2 === 1);
  }

  function drawSource(item) {
    const end = item.level === "emergency" && item.expires;
    write(parts.source, end ? until(Date.parse(item.expires)) : "Sumber: " + item.agency);
    write(parts.issuer, end ? item.agency : "");
    parts.issuer.hidden = !end;
  }

  function where(item) {
    const own = item.areas.length === 1 && item.areas[0] === home.area;
    return own ? "" : item.areas.length > 2 ? item.areas.length + " wilayah" : item.areas.join(", ");
  }

  function position(plan, index) {
    if (plan.items.length < 2) {
      return "";
    }
    return (plan.emergency ? "Peringatan " : "Pengumuman ") + (index + 1) + " dari " + plan.items.length;
  }

  function drawCode(item) {
    const edge = item.qr.size + 4; // two modules of quiet zone on each side; the card adds more than two
    parts.qr.setAttribute("viewBox", "-2 -2 " + edge + " " + edge);
    parts.modules.setAttribute("d", item.qr.path);
    write(parts.code, item.code);
  }

  function fits() {
    return (
      parts.words.offsetHeight <= parts.room.clientHeight &&
      parts.words.scrollWidth <= parts.room.clientWidth &&
      parts.slide.scrollHeight <= parts.slide.clientHeight
    );
  }

  function fit(headlines) {
    return headlines.some(function (headline) {
      size(parts.headline, headline);
      return LEADS.some(function (lead) {
        size(parts.lead, lead);
        return fits();
      });
    });
  }

  function fitWhole() {
    body.classList.remove("dense");
    if (fit(HEADLINES)) {
      return true;
    }
    body.classList.add("dense");
    return fit(HEADLINES.slice(-1));
  }

  function divide(item, page) {
    // all on one page, else the headline on one and the rest on the next; then the picture, if there is one
    parts.picture.hidden = true;
    parts.words.hidden = false;
    divideWords(page);
    if (!loaded(item)) {
      clearPicture();
      return;
    }
    parts.picture.hidden = page < showing.pages;
    parts.words.hidden = !parts.picture.hidden;
    drawPicture(item);
    showing.pages += 1;
  }

  function drawPicture(item) {
    const image = pictures[address(item)]; // the very one that was loaded: it needs no network any more
    image.alt = String(item.picture.alt || "");
    if (parts.frame.firstChild !== image) {
      parts.frame.textContent = "";
      parts.frame.appendChild(image);
    }
    write(parts.caption, item.title);
  }

  function clearPicture() {
    parts.picture.hidden = true;
    parts.frame.textContent = parts.caption.textContent = "";
  }

  function divideWords(page) {
    parts.headline.hidden = parts.lead.hidden = parts.meta.hidden = false;
    showing.pages = fitWhole() ? 1 : 2;
    if (showing.pages === 2) {
      body.classList.remove("dense");
      parts.headline.hidden = page === 1;
      parts.lead.hidden = parts.meta.hidden = page === 0;
      fit(HEADLINES);
    }
  }

  function dwell(item) {
    if (parts.words.hidden) {
      return 12 * SECOND;
    }
    const shown = (parts.headline.hidden ? "" : item.title) + " " + (parts.lead.hidden ? "" : item.summary);
    return Math.min(60, 12 + 0.35 * shown.trim().split(/\s+/).length) * SECOND;
  }

  function drawStrip(plan, item) {
    const other = plan.strips.filter(function (strip) { return item && strip.code !== item.code; })[0];
    const shown = farewell.kind || Boolean(other);
    parts.strip.hidden = !shown;
    body.classList.toggle("striped", Boolean(shown));
    write(parts["strip-kind"], farewell.kind || "Peringatan dini:");
    write(parts["strip-title"], farewell.kind ? farewell.title : other ? other.title : "");
  }

  function drawAddress(plan, item) {
    const address = (item ? item.short : home.host + "/daftar").split("/");
    const lost = "Terputus sejak " + clock(now() - since(heard)) + ", menampilkan kabar terakhir";
    write(parts.host, plan.cut ? lost : address[0]);
    write(parts.path, plan.cut ? "" : "/" + address.slice(1).join("/"));
  }

  function drawItem(plan, item) {
    parts.slide.lang = item.lang || "id";
    write(parts.tag, item.tag);
    parts.change.hidden = item.change !== "correction";
    parts.new.hidden = !isNew(item) || item.change === "correction" || item.level === "emergency";
    write(parts.headline, item.title);
    write(parts.lead, item.summary);
    write(parts.where, where(item));
    drawSource(item);
    write(parts.position, position(plan, showing.index));
    write(parts.rest, plan.more ? plan.more + " lainnya di " + home.host : "");
    parts.rest.hidden = !plan.more;
    drawCode(item);
    divide(item, showing.page);
    if (arrivals[identity(item)]) {
      arrivals[identity(item)].seen = true;
    }
    if (showing.due === NEXT) {
      showing.due = performance.now() + dwell(item);
    }
  }

  function clearSlide() {
    // hidden is not enough: what no longer holds is nowhere on the page
    ["tag", "headline", "lead", "where", "source", "issuer", "position", "rest", "code"].forEach(function (name) {
      write(parts[name], "");
    });
    parts.modules.setAttribute("d", "");
    clearPicture();
  }

  function draw(plan) {
    const item = plan.items[showing.index];
    body.classList.toggle("emergency", plan.emergency);
    parts.slide.hidden = parts.clock.hidden = !item;
    parts.neutral.hidden = Boolean(item);
    parts.quiet.hidden = plan.lost; // nothing heard is not the same as nothing published
    drawClock(now());
    drawAddress(plan, item);
    drawStrip(plan, item);
    if (item) {
      drawItem(plan, item);
    } else {
      clearSlide();
      body.classList.remove("dense");
    }
  }

  function change(plan, gently) {
    clearTimeout(fading);
    if (!gently || plan.emergency) {
      parts.slide.classList.remove("leaving");
      draw(plan);
      return;
    }
    parts.slide.classList.add("leaving");
    fading = setTimeout(function () {
      draw(plan);
      parts.slide.classList.remove("leaving");
    }, FADE);
  }

  // --- what comes next ---

  function replaced(plan, key) {
    // an announcement that stays as it was keeps its place and its time
    const before = showing.items[showing.index];
    const place = plan.items.findIndex(function (item) {
      return before && identity(item) === identity(before);
    });
    const kept = place >= 0;
    showing = {
      key: key,
      items: plan.items,
      index: kept ? place : 0,
      page: kept ? showing.page : 0,
      pages: 1,
      next: -1,
      due: kept ? showing.due : NEXT,
    };
  }

  function advance() {
    if (showing.page + 1 < showing.pages) {
      showing.page += 1;
    } else {
      const news = showing.items.findIndex(function (item) { return !arrivals[identity(item)].seen; });
      const following = showing.next >= 0 ? showing.next : (showing.index + 1) % showing.items.length;
      showing.page = 0;
      showing.index = news >= 0 ? news : following;
      showing.next = news >= 0 && news !== following ? following : -1; // the round goes on where news broke it
    }
  }

  function takeLeave(plan, time) {
    // whoever saw the alarm learns that it is over; an alarm that only nobody has heard of for hours is not
    const gone = alarms.filter(function (item) {
      return !payload.items.some(function (other) { return other.code === item.code; }) || (item.expires && Date.parse(item.expires) <= time);
    });
    if (plan.emergency || plan.lost || since(farewell.due) >= 0) {
      farewell = { kind: "", title: "", due: Infinity };
    }
    if (gone.length && !plan.emergency && !plan.lost) {
      const ended = gone[0].expires && Date.parse(gone[0].expires) <= time;
      const kind = "Peringatan " + (ended ? "berakhir " : "dibatalkan ") + clock(time) + ":";
      farewell = { kind: kind, title: gone[0].title, due: performance.now() + FAREWELL };
    }
    alarms = plan.emergency ? plan.items : [];
  }

  // --- renewing: first in a frame; only a page that shows there that it works takes this one's place ---

  function noteVersion(version) {
    if (version !== VERSION && !outdated) {
      outdated = true;
      renewal = Math.min(renewal, performance.now() + SOON * (0.1 + 0.9 * Math.random())); // not all screens at once
    }
  }

  function stopProbe() {
    if (probe) {
      body.removeChild(probe);
      probe = null;
    }
  }

  function mayRenew(plan) {
    return !plan.emergency && !farewell.kind;
  }

  function renew(plan) {
    if (probe || window.parent !== window || since(renewal) < 0 || !mayRenew(plan)) {
      return;
    }
    renewal = performance.now() + HOUR * (1 + Math.random());
    probe = document.createElement("iframe");
    probe.name = PROBE;
    probe.hidden = true;
    probe.src = location.pathname;
    body.appendChild(probe);
    setTimeout(stopProbe, PROBE_TIME);
  }

  function heardFromProbe(event) {
    if (probe && event.source === probe.contentWindow && event.data === PROBE) {
      stopProbe();
      if (mayRenew(programme(now()))) {
        location.reload();
      }
    }
  }

  // --- once a second ---

  function tick() {
    const time = now();
    if (payload && since(heard) >= STALE) {
      forget();
    }
    const plan = programme(time);
    takeLeave(plan, time);
    renew(plan);
    const key = keyOf(plan);
    drawClock(time);
    if (key !== showing.key) {
      replaced(plan, key);
      change(plan, false);
    } else if (since(showing.due) >= 0 && showing.items.length * showing.pages > 1) {
      advance();
      showing.due = NEXT;
      change(plan, true);
    }
  }

  function redraw() {
    if (showing.key) {
      change(programme(now()), false);
    }
  }

  function stayAwake() {
    if (navigator.wakeLock && document.visibilityState === "visible") {
      navigator.wakeLock.request("screen").catch(function () {});
    }
  }

  window.addEventListener("message", heardFromProbe);
  window.addEventListener("resize", redraw);
  document.addEventListener("visibilitychange", stayAwake);
  if (document.fonts) {
    document.fonts.load("800 76px 'Plus Jakarta Sans'").then(redraw, redraw);
  }
  stayAwake();
  tick();
  setInterval(tick, SECOND);
  poll();
})();
