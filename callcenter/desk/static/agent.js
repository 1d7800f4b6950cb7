// The agent's page: draws the regions the service sends, and tells the time on them. Orders are in agent_orders.js.
"use strict";

window.agentPage = (() => {
  const desk = document.querySelector(".desk");
  const language = document.documentElement.lang;
  const icon = document.querySelector('link[rel="icon"]');
  const cut = document.getElementById("cut");
  const say = document.getElementById("say");
  const regions = new Map([...document.querySelectorAll("[data-region]")].map((place) => [place.dataset.region, place]));
  const benching = new URLSearchParams(location.search).get("bench") === "1";
  if (benching) window.__pops = [];

  const keepers = new Map(); // by region: says whether what stands there is to stay, for somebody is writing in it
  const drawn = []; // called after each frame
  let socket = null;
  let seq = 0;
  let tries = 0;
  let ahead = 0; // the service's clock minus this computer's, in milliseconds
  const told = { card: "", state: "" };

  // --- drawing ---

  function draw(name, html) {
    const place = regions.get(name);
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
    const after = place.querySelector("[data-call]")?.dataset.call;
    // The list is drawn once for all who read it: what is among one's own already is not said twice.
    if (name === "callbacks") for (const row of place.querySelectorAll(`[data-taken="${desk.dataset.extension}"]`)) row.hidden = true;
    if (name === "card") place.classList.toggle("arriving", Boolean(after) && after !== before);
    place.scrollTop = scrolled;
    if (focused) (document.getElementById(focused) || place.querySelector("button, summary, a"))?.focus({ preventScroll: true });
  }

  function tell() {
    const card = document.querySelector(".card[data-call]");
    const ringing = card?.dataset.stage === "ringing";
    const title = card && card.dataset.stage !== "after_call" ? `${ringing ? "● " : ""}${card.dataset.title}` : desk.dataset.title;
    if (document.title !== title) document.title = title;
    const wanted = ringing ? desk.dataset.iconRinging : desk.dataset.icon;
    if (icon.getAttribute("href") !== wanted) icon.setAttribute("href", wanted);
    // Of two changes at once the card's is said: it tells the state too.
    const words = { card: card?.dataset.say || "", state: document.querySelector(".state")?.dataset.say || "" };
    const what = words.card !== told.card ? words.card : words.state !== told.state && !card ? words.state : null;
    Object.assign(told, words);
    if (what !== null) say.textContent = what;
  }

  function stamp() {
    const card = document.querySelector(".card[data-call]");
    if (!card) return;
    const pop = { call: card.dataset.call, stage: card.dataset.stage, complete: card.dataset.complete === "true" };
    requestAnimationFrame(() => window.__pops.push({ ...pop, at: performance.timeOrigin + performance.now() }));
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
    for (const place of document.querySelectorAll("[data-since]")) put(place, clockface((now - place.dataset.since) / 1000));
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

  function connect() {
    socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/desk/live`);
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
      tell();
      if (benching && "card" in frame.regions) stamp();
      for (const after of drawn) after(frame.regions);
    });
    socket.addEventListener("close", (event) => {
      if (event.code === 4401) return location.assign("/sign-in?next=/agent");
      cut.hidden = false;
      document.body.classList.add("cut-off");
      tries += 1;
      // a restarted service must not meet all its pages in the same moment
      const wait = Math.min(10000, 250 * 2 ** Math.min(tries, 6)) * (0.5 + Math.random());
      setTimeout(connect, event.code === 1012 && tries === 1 ? 200 * Math.random() : wait);
      if (tries === 2 || tries % 4 === 0) askWhy();
      return undefined;
    });
  }

  async function askWhy() {
    // A session that has ended refuses the socket without saying so.
    try {
      const answer = await fetch("/api/v1/me", { headers: { Accept: "application/json" } });
      if (answer.status === 401) location.assign("/sign-in?next=/agent");
      else if (answer.ok && (await answer.json()).language !== language) location.reload();
    } catch { /* still out of reach: the bar says so */ }
  }

  setInterval(tick, 1000);
  return {
    desk,
    regions,
    drawn,
    keepers,
    connect,
    /** Whether the socket took it. */
    send(order) {
      if (socket?.readyState !== WebSocket.OPEN) return false;
      socket.send(JSON.stringify(order));
      return true;
    },
    card: () => document.querySelector(".card[data-call]"),
  };
})();
document.addEventListener("DOMContentLoaded", () => window.agentPage.connect());
