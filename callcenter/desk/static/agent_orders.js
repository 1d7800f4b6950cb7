// What an agent orders on their page: by buttons, by keys, in the sheets; and how the page calls them when it is hidden.
"use strict";

(() => {
  const page = window.agentPage;
  const { desk, announce, give } = page;
  const sheets = { call: document.getElementById("sheet-call"), dial: document.getElementById("sheet-dial") };
  const dialForm = document.getElementById("dial-form");
  const notify = document.getElementById("notify");

  async function post(button) {
    if (button.getAttribute("aria-busy")) return;
    button.setAttribute("aria-busy", "true");
    button.disabled = true;
    const inSheet = button.closest("dialog");
    const taken = await give(button.dataset.post, button.dataset.body ? JSON.parse(button.dataset.body) : {});
    button.disabled = false;
    button.removeAttribute("aria-busy");
    if (!taken) return;
    const menu = button.closest("details");
    if (menu) menu.open = false;
    if (inSheet?.open) inSheet.close();
    if (button.dataset.callback) announce(desk.dataset.calling, false);
    else if (button.dataset.done) announce(button.dataset.done, false);
  }

  function order(button) {
    const call = button.closest("[data-call]")?.dataset.call;
    if (!call) return;
    const words = { do: button.dataset.order, call };
    if (words.do === "choose") words.subscriber = button.dataset.subscriber ? Number(button.dataset.subscriber) : null;
    if (words.do === "lamp") Object.assign(words, { lamp: button.dataset.lamp, lit: { yes: true, no: false }[button.dataset.lit] ?? null });
    page.send(words);
  }

  // --- sheets: whom to call, whom to hand on to ---

  function narrow(sheet) {
    const wanted = sheet.querySelector(".find").value.trim().toLowerCase();
    for (const one of sheet.querySelectorAll("[data-find]")) one.hidden = !one.dataset.find.includes(wanted);
  }

  async function list(sheet) {
    const place = sheet.querySelector(".found");
    try {
      const answer = await fetch(place.dataset.people, { headers: { Accept: "text/html" } });
      if (!answer.ok) return;
      const html = await answer.text();
      if (place.dataset.told === html) return;
      place.dataset.told = html;
      const focused = place.contains(document.activeElement) ? document.activeElement.id : "";
      const fresh = document.createElement("template");
      fresh.innerHTML = html; // our own template, as in draw()
      place.replaceChildren(fresh.content);
      if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
      narrow(sheet);
    } catch { /* the list stays as it is: the bar says when the service is out of reach */ }
  }

  function open(name) {
    const sheet = sheets[name];
    if (sheet.open) return;
    sheet.querySelector(".find").value = "";
    sheet.showModal();
    list(sheet);
    const again = setInterval(() => list(sheet), 2000);
    sheet.addEventListener("close", () => clearInterval(again), { once: true });
  }

  for (const sheet of Object.values(sheets)) {
    sheet.querySelector(".find").addEventListener("input", () => narrow(sheet));
    sheet.addEventListener("click", (event) => { if (event.target.closest("[data-close]")) sheet.close(); });
  }
  page.drawn.push((regions) => {
    if ("phone" in regions && sheets.call.open && !document.getElementById("hand-on")) sheets.call.close();
  });

  dialForm.addEventListener("submit", async (event) => {
    event.preventDefault();
    const number = dialForm.elements.number.value.replace(/[^+0-9]/g, "");
    const taken = await give(dialForm.dataset.dial, { number, provider: Number(dialForm.elements.provider.value) });
    if (!taken) return;
    dialForm.elements.number.value = "";
    sheets.dial.close();
    announce(desk.dataset.calling, false);
  });

  // --- buttons and keys ---

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button && !button.disabled) {
      if (button.dataset.order) order(button);
      else if (button.dataset.post) post(button);
      else if (button.dataset.sheet) open(button.dataset.sheet);
    }
    for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
  });

  const writes = (target) => target.closest?.("input:not([type=radio]), select, textarea");

  function escape(event) {
    const menu = document.querySelector("details.menu[open]");
    if (menu) {
      menu.open = false;
      menu.querySelector("summary").focus();
    } else document.getElementById("close")?.click();
    event.preventDefault();
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || document.querySelector("dialog[open]")) return;
    if (writes(event.target)) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (event.key === "Escape") return escape(event);
    // By the key's place, so that it works whatever layout the keyboard has.
    const key = event.code.replace(/^(Key|Digit|Numpad)/, "");
    if (key === "B" || key === "M") {
      event.preventDefault();
      if (key === "M") document.getElementById("note-text")?.focus();
      else (page.regions.get("mine").querySelector("a, button") || page.regions.get("callbacks").querySelector("a, button"))?.focus();
      return undefined;
    }
    if (!/^[0-9A-Z]$/.test(key) || event.repeat) return undefined;
    const menu = document.querySelector("details.pick[open]");
    const wanted = /[0-9]/.test(key) && menu ? menu.querySelector(`[aria-keyshortcuts="${key}"]`)
      : document.querySelector(`:is(.deskbar, .card, .acts) [aria-keyshortcuts="${key}"]:not(.menu-sheet *)`);
    if (!wanted || wanted.disabled) return undefined;
    event.preventDefault();
    wanted.click();
    if (wanted.matches("summary")) wanted.focus();
    return undefined;
  });

  // --- when nobody looks ---

  const inCall = () => ["talking", "calling"].includes(page.card()?.dataset.stage);
  window.addEventListener("beforeunload", (event) => { if (inCall() && !window.phone.signedOut) event.preventDefault(); });

  let notified = "";
  page.drawn.push(() => {
    const card = page.card();
    const ringing = card?.dataset.stage === "ringing" ? card.dataset.call : "";
    if (ringing && ringing !== notified && document.hidden && window.Notification?.permission === "granted") {
      const shown = new Notification(card.dataset.say, { tag: ringing, requireInteraction: true, lang: document.documentElement.lang });
      shown.addEventListener("click", () => { window.focus(); shown.close(); });
      notified = ringing;
    }
  });
  const mayAsk = () => { notify.hidden = !window.Notification || Notification.permission !== "default"; };
  notify.addEventListener("click", async () => {
    const allowed = (await Notification.requestPermission()) === "granted";
    announce(allowed ? notify.dataset.on : notify.dataset.no, !allowed);
    mayAsk();
  });
  mayAsk();
})();
