// The agent's page: what is its own beside live.js: the card's arrival, the tab's title, what is read aloud.
"use strict";

window.agentPage = (() => {
  const { live } = window;
  const desk = document.querySelector(".desk");
  const icon = document.querySelector('link[rel="icon"]');
  const say = document.getElementById("say");
  const regions = new Map([...document.querySelectorAll("[data-region]")].map((place) => [place.dataset.region, place]));
  const benching = new URLSearchParams(location.search).get("bench") === "1";
  if (benching) window.__pops = [];
  const told = { card: "", state: "" };

  live.placed.set("card", (place, before) => {
    const after = place.querySelector("[data-call]")?.dataset.call;
    place.classList.toggle("arriving", Boolean(after) && after !== before);
  });
  // The list is drawn once for all who read it: what is among one's own already is not said twice.
  live.placed.set("callbacks", (place) => {
    for (const row of place.querySelectorAll(`[data-taken="${desk.dataset.extension}"]`)) row.hidden = true;
  });

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

  /** Whose phone rings has all that is to be known of the caller. */
  const rings = () => Boolean(document.querySelector(".card[data-stage=ringing][data-complete=true]"));

  function stamp() {
    const card = document.querySelector(".card[data-call]");
    if (!card) return;
    const pop = { call: card.dataset.call, stage: card.dataset.stage, complete: card.dataset.complete === "true" };
    requestAnimationFrame(() => window.__pops.push({ ...pop, at: performance.timeOrigin + performance.now() }));
  }

  live.drawn.push((frame) => {
    tell();
    if (!("card" in frame)) return;
    if (rings()) document.dispatchEvent(new CustomEvent("card:ringing"));
    if (benching) stamp();
  });
  return {
    desk,
    regions,
    drawn: live.drawn,
    keepers: live.keepers,
    send: live.send,
    announce: live.announce,
    give: live.give,
    csrf: live.csrf,
    rings,
    card: () => document.querySelector(".card[data-call]"),
  };
})();
document.addEventListener("DOMContentLoaded", () => window.live.connect("/desk/live"));
