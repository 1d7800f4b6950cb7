// What every live page does: draws the regions the service sends, tells the time on them, connects again, gives orders.
"use strict";

window.live = (() => {
  const language = document.documentElement.lang;
  const cut = document.getElementById("cut");
  const trouble = document.getElementById("trouble");
  const csrf = document.querySelector('meta[name="csrf"]').content;
  const failed = document.querySelector("[data-failed]").dataset.failed;

  const keepers = new Map(); // by region: says whether what stands there is to stay, for somebody is writing in it
  const placed = new Map(); // by region: called when it has been drawn, with what call stood there before
  const drawn = []; // called after each frame
  let socket = null;
  let seq = 0;
  let tries = 0;
  let ahead = 0; // the service's clock minus this computer's, in milliseconds

  // --- drawing ---

  const region = (name) => document.querySelector(`[data-region="${name}"]`);

  function draw(name, html) {
    const place = region(name);
    if (!place) return;
    const fresh = document.createElement("template");
    fresh.innerHTML = html; // rendered by our own service, every value escaped; scripts in it never run (CSP)
    if (keepers.get(name)?.(place, fresh.content)) return;
    const focused = place.contains(document.activeElement) ? document.activeElement.id : "";
    const scrolled = place.scrollTop;
    for (const open of place.querySelectorAll("details[open][id]")) {
      const again = fresh.content.getElementById(open.id);
      if (again) again.open = true;
    }
    const before = place.querySelector("[data-call]")?.dataset.call;
    place.replaceChildren(fresh.content);
    placed.get(name)?.(place, before);
    place.scrollTop = scrolled;
    if (focused) (document.getElementById(focused) || place.querySelector("button, summary, a"))?.focus({ preventScroll: true });
  }

  // --- time ---

  const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto", style: "short" });
  const unit = (name) => new Intl.NumberFormat(language, { style: "unit", unit: name, unitDisplay: "short" });
  const minutes = unit("minute"), hours = unit("hour"), days = unit("day");

  function clockface(seconds) {
    const s = Math.max(0, Math.floor(seconds));
    const two = (n) => String(n).padStart(2, "0");
    return s >= 3600 ? `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}` : `${Math.floor(s / 60)}:${two(s % 60)}`;
  }

  function ago(seconds) {
    if (seconds < 60) return relative.format(-Math.max(0, Math.round(seconds)), "second");
    if (seconds < 3600) return relative.format(-Math.floor(seconds / 60), "minute");
    if (seconds < 48 * 3600) return relative.format(-Math.floor(seconds / 3600), "hour");
    return relative.format(-Math.floor(seconds / 86400), "day");
  }

  function left(seconds) {
    const size = Math.abs(seconds);
    const span = size < 3600 ? minutes.format(Math.floor(size / 60))
      : size < 48 * 3600 ? `${hours.format(Math.floor(size / 3600))} ${minutes.format(Math.floor(size / 60) % 60)}`
        : days.format(Math.floor(size / 86400));
    return (seconds < 0 ? "−" : "") + span;
  }

  function tick() {
    const now = Date.now() + ahead;
    const put = (place, words) => { if (place.textContent !== words) place.textContent = words; };
    for (const place of document.querySelectorAll("[data-since]")) {
      const seconds = (now - place.dataset.since) / 1000;
      put(place, clockface(seconds));
      if (place.dataset.limit) place.classList.toggle("bad", seconds > Number(place.dataset.limit));
    }
    for (const place of document.querySelectorAll("[data-age]")) put(place, ago((now - place.dataset.age) / 1000));
    for (const place of document.querySelectorAll("[data-until]")) {
      const seconds = (place.dataset.until - now) / 1000;
      put(place, (seconds < 0 ? place.dataset.over : place.dataset.left).replace("…", clockface(Math.ceil(Math.abs(seconds)))));
      place.classList.toggle("bad", seconds < 0);
    }
    for (const place of document.querySelectorAll("[data-due]")) {
      const seconds = (place.dataset.due - now) / 1000;
      put(place, left(seconds));
      place.classList.toggle("bad", seconds < 0);
      place.classList.toggle("warn", seconds >= 0 && seconds < 900);
    }
  }

  // --- the service ---

  function connect(path) {
    socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${path}`);
    seq = 0;
    socket.addEventListener("message", (message) => {
      const frame = JSON.parse(message.data);
      if (frame.seq !== seq + 1) return socket.close();
      seq = frame.seq;
      ahead = frame.now - Date.now();
      tries = 0;
      cut.hidden = true;
      document.body.classList.remove("cut-off");
      for (const [name, html] of Object.entries(frame.regions)) draw(name, html);
      tick();
      for (const after of drawn) after(frame.regions);
    });
    socket.addEventListener("close", (event) => {
      if (event.code === 4401) return signIn();
      cut.hidden = false;
      document.body.classList.add("cut-off");
      tries += 1;
      // a restarted service must not meet all its pages in the same moment
      const wait = Math.min(10000, 250 * 2 ** Math.min(tries, 6)) * (0.5 + Math.random());
      setTimeout(() => connect(path), event.code === 1012 && tries === 1 ? 200 * Math.random() : wait);
      if (tries === 2 || tries % 4 === 0) askWhy();
      return undefined;
    });
  }

  /** The sign-in has ended. A talk on the phone in this page goes on: the page asks again when it is over. */
  function signIn() {
    const { phone } = window;
    if (phone?.call?.answered) {
      phone.signedOut = true;
      document.dispatchEvent(new Event("phone:signed-out"));
    } else location.assign(`/sign-in?ended&next=${location.pathname}`);
  }

  async function askWhy() {
    // A session that has ended refuses the socket without saying so.
    try {
      const answer = await fetch("/api/v1/me", { headers: { Accept: "application/json" } });
      if (answer.status === 401) signIn();
      else if (answer.ok && (await answer.json()).language !== language) location.reload();
    } catch { /* still out of reach: the bar says so */ }
  }

  /** Whether the socket took it. */
  function send(order) {
    if (socket?.readyState !== WebSocket.OPEN) return false;
    socket.send(JSON.stringify(order));
    return true;
  }

  // --- orders ---

  let silence = 0;
  function announce(words, bad) {
    trouble.textContent = words;
    trouble.classList.toggle("bad", bad);
    trouble.classList.toggle("good", !bad);
    trouble.hidden = false;
    clearTimeout(silence);
    silence = setTimeout(() => { trouble.hidden = true; }, 6000);
  }

  /** Gives an order; true when it was taken. What is wrong is said on the page. */
  async function give(path, body) {
    try {
      const answer = await fetch(path, {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-CSRF-Token": csrf },
        body: JSON.stringify(body || {}),
      });
      if (answer.ok) return true;
      if (answer.status === 401) signIn();
      else announce((await answer.json().catch(() => ({}))).detail || failed, true);
    } catch {
      announce(failed, true);
    }
    return false;
  }

  setInterval(tick, 1000);
  return { region, draw, keepers, placed, drawn, connect, send, announce, give, csrf, signIn };
})();
