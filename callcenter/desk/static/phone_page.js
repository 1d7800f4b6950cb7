// The phone's part of the agent's page: its buttons and keys, what is wrong with it and what to do, its settings.
"use strict";

(() => {
  const { phone, phoneSound: sound, live } = window;
  const { desk } = window.agentPage;
  const browser = phone.kind === "browser";
  const me = `/api/v1/agents/${desk.dataset.extension}`;
  const at = (id) => document.getElementById(id);
  const [answer, hangUpHere, mute, pad, padSaid, bar] = ["answer", "hang-up-here", "mute", "pad", "pad-said", "phone-bar"].map(at);
  const words = Object.fromEntries([...document.querySelectorAll("#phone-words [data-word]")].map((one) => [one.dataset.word, one.textContent]));
  let madeWayFor = null;
  let pressed = ""; // keys that a phone on the desk has not been told yet
  let passing = false;
  let deskMuted = false; // a phone on the desk does not say so: what we ordered last

  /** What the phone is at: ours says so itself, of one on the desk the service told. */
  function now() {
    if (browser) return { ringing: Boolean(phone.call && !phone.call.answered && !phone.call.own), talking: Boolean(phone.call?.answered), muted: phone.muted };
    const talking = Boolean(document.querySelector("#status :is(.state.talking, .state.on_hold)"));
    if (!talking) deskMuted = false;
    return { ringing: Boolean(document.querySelector("#status .state.ringing")), talking, muted: deskMuted };
  }

  function show(what, on) {
    what.hidden = !on;
    if ("disabled" in what) what.disabled = !on;
  }

  function draw() {
    const { ringing, talking, muted } = now();
    show(answer, ringing);
    // Nothing that is open over the page may keep its agent from answering.
    if (ringing && madeWayFor !== phone.call) {
      madeWayFor = phone.call;
      for (const open of document.querySelectorAll("dialog[open]")) open.close();
    }
    show(mute, talking);
    show(hangUpHere, browser && Boolean(phone.call) && !at("hang-up") && !ringing);
    pad.hidden = !talking;
    if (!talking) {
      pad.open = false;
      padSaid.textContent = "";
    }
    mute.setAttribute("aria-pressed", String(muted));
    mute.title = muted ? words["phone.unmute"] : words["phone.mute"];
    mute.setAttribute("aria-label", mute.title);
    if (browser) drawState();
  }

  // --- what is wrong, and what to do ---

  const WARNS = new Set(["refused", "lost", "off"]);

  function trouble() {
    if (phone.state === "refused" || phone.state === "off") return { why: words[`phone.why.${phone.why}`], more: phone.detail, todo: phone.why === "elsewhere" ? "take_over" : "again", bad: phone.state === "refused" };
    if (phone.state === "lost") return { why: words[`phone.why.${phone.why || "lost"}`], bad: true };
    if (phone.state === "connecting" && phone.why === "microphone") return { why: words["phone.why.microphone"] };
    if (phone.signedOut && phone.call) return { why: words["phone.why.signed_out"], bad: true };
    if (phone.call && phone.why === "unheard") return { why: words["phone.why.unheard"], bad: true };
    if (now().ringing && window.agentPage.card()?.dataset.stage !== "ringing") return { why: `${words["phone.rings"]}: ${phone.call.name || phone.call.from}`, good: true };
    if (sound.silent) return { why: words["phone.why.silent"] };
    return null;
  }

  function drawState() {
    const settings = at("phone-settings");
    settings.dataset.state = phone.state;
    settings.querySelector("span").textContent = WARNS.has(phone.state) ? words[`phone.state.${phone.state}`] : "";
    settings.setAttribute("aria-label", `${settings.dataset.name}: ${words[`phone.state.${phone.state}`]}`);
    const told = document.querySelector("#sheet-phone .phone-now");
    told.dataset.state = phone.state;
    told.querySelector("span").textContent = words[`phone.state.${phone.state}`];
    const wrong = trouble();
    bar.hidden = !wrong;
    if (!wrong) return;
    bar.className = `bar ${wrong.bad ? "bad" : wrong.good ? "good" : "warn"}`;
    const text = [wrong.why, wrong.more].filter(Boolean).join(" ");
    if (bar.querySelector("span").textContent !== text) bar.querySelector("span").textContent = text;
    const button = bar.querySelector("button");
    button.hidden = !wrong.todo;
    button.dataset.todo = wrong.todo || "";
    button.textContent = wrong.todo ? words[`phone.${wrong.todo}`] : "";
  }

  // --- orders ---

  async function muteIt() {
    const on = !now().muted;
    if (browser) phone.mute(on);
    else if (await live.give(`${me}/mute`, { muted: on })) deskMuted = on;
    draw();
    if (on) live.announce(words["phone.muted"], true);
    else at("trouble").hidden = true;
  }

  /** Keys for a phone on the desk go one order after another, what was pressed meanwhile in the next: they keep their order. */
  async function pass(key) {
    pressed += key;
    if (passing) return;
    passing = true;
    while (pressed) {
      const digits = pressed.slice(0, 32);
      pressed = pressed.slice(32);
      if (!(await live.give(`${me}/dtmf`, { digits }))) pressed = "";
    }
    passing = false;
  }

  function press(key) {
    if (browser) {
      if (!phone.press(key)) return;
    } else pass(key);
    padSaid.textContent = (padSaid.textContent + key).slice(-16);
    const button = pad.querySelector(`[data-key="${CSS.escape(key)}"]`);
    button.classList.add("pressed");
    setTimeout(() => button.classList.remove("pressed"), 150);
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.id === "hang-up" && browser) seeTo(phone.call); // the order has disabled it by now
    if (button.disabled) return;
    if (button === answer) browser ? phone.answer() : live.give(`${me}/answer`, {});
    else if (button === mute) muteIt();
    else if (button === hangUpHere) phone.hangUp();
    else if (button.dataset.key && pad.contains(button)) press(button.dataset.key);
    else if (button.dataset.todo) phone.start(button.dataset.todo === "take_over");
    else if (button.id === "phone-settings") open();
  });

  /** A service that is out of reach must not keep an agent on the line. */
  function seeTo(call) {
    setTimeout(() => { if (call && phone.call === call) phone.hangUp(); }, 3000);
  }

  // Before the page's own keys: with the pad open a digit is for who is on the line, not for the card.
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || !pad.open) return;
    if (event.target.closest?.("input, select, textarea") || !/^[0-9*#]$/.test(event.key)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (!event.repeat) press(event.key);
  }, true);

  document.addEventListener("phone:changed", draw);
  document.addEventListener("phone:signed-out", draw);
  document.addEventListener("phone:changed", () => { if (phone.signedOut && !phone.call) live.signIn(); });
  window.agentPage.drawn.push(draw);
  if (!browser) return;

  // --- settings: devices, how loud, does it ring, an echo ---

  const sheet = at("sheet-phone");
  const level = at("phone-level");
  let listening = null; // what ends the meter
  let opened = null; // a microphone that is open for the meter alone

  async function list() {
    const found = await sound.devices().catch(() => ({ microphone: [], headset: [] }));
    for (const select of sheet.querySelectorAll("[data-device]")) {
      const what = select.dataset.device;
      const all = what === "microphone" ? found.microphone : found.headset;
      const options = [["", words["phone.own_device"]], ...all.map((one, i) => [one.id, one.name || `${words["phone.unnamed"]} ${i + 1}`])];
      select.replaceChildren(...options.map(([id, name]) => new Option(name, id, false, id === sound.chosen[what])));
    }
    const plays = "setSinkId" in HTMLMediaElement.prototype;
    sheet.querySelector(".no-choice").hidden = plays;
    for (const select of sheet.querySelectorAll('[data-device="headset"], [data-device="ring"]')) select.disabled = !plays;
  }

  async function hearMicrophone() {
    deafen();
    try {
      const stream = phone.call?.stream || (opened = await sound.microphone());
      if (!sheet.open) return deafen();
      listening = await sound.meter(stream, (how) => { level.value = how; });
    } catch { /* the bar says what is wrong with it */ }
    return undefined;
  }

  function deafen() {
    listening?.();
    listening = null;
    sound.release(opened);
    opened = null;
    level.value = 0;
  }

  async function open() {
    if (sheet.open) return;
    sheet.showModal();
    drawState();
    await hearMicrophone();
    await list(); // devices have names once the microphone is open
  }

  sheet.addEventListener("close", deafen);
  sheet.addEventListener("click", async (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if ("close" in button.dataset) sheet.close();
    else if (button.dataset.try) {
      button.disabled = true;
      await (button.dataset.try === "ring" ? sound.tone("ring") : sound.headsetTone()).catch(() => {});
      button.disabled = false;
    } else if (button.id === "phone-echo") {
      const asked = await phone.echo().catch(() => ({ ok: false, said: {} }));
      if (asked.ok) sheet.close();
      live.announce(asked.ok ? words["phone.echo_rings"] : asked.said.detail || words["phone.echo_no"], !asked.ok);
    }
  });
  sheet.addEventListener("change", async (event) => {
    const select = event.target.closest("[data-device]");
    if (!select) return;
    await sound.choose(select.dataset.device, select.value);
    if (select.dataset.device !== "microphone") return;
    await phone.useMicrophone();
    await hearMicrophone();
  });
  document.addEventListener("phone:devices", () => { if (sheet.open) list(); });
  document.addEventListener("phone:sound", draw);

  // --- when nobody looks, and no card says who rings ---

  let shown = null;
  document.addEventListener("phone:changed", () => {
    const { ringing } = now();
    if (!ringing) {
      shown?.close();
      shown = null;
      return;
    }
    const call = phone.call;
    setTimeout(() => {
      if (phone.call !== call || call.answered || shown || !document.hidden) return;
      if (window.agentPage.card()?.dataset.stage === "ringing" || window.Notification?.permission !== "granted") return;
      shown = new Notification(`${words["phone.rings"]}: ${call.name || call.from}`, { tag: "phone", requireInteraction: true });
      shown.addEventListener("click", () => { window.focus(); shown?.close(); });
    }, 1000);
  });

  // --- what would load the page anew waits until the talk is over ---

  document.addEventListener("submit", (event) => {
    if (!phone.call?.answered || event.target.getAttribute("action") !== "/language") return;
    event.preventDefault();
    live.announce(words["phone.after_call"], true);
  });
  draw();
})();
