// The phone in the page: registers at Asterisk, rings, talks; comes back by itself after whatever cut it off.
"use strict";

window.phone = (() => {
  const { live, phoneSound: sound, phoneTab: tab } = window;
  const PING_EVERY = 6000; // ms between two questions whether Asterisk still hears us
  const PING_WITHIN = 4000;
  const REGISTER_FOR = 120; // seconds
  const HEIR_AFTER = 5000;
  const STATS_EVERY = 5000;
  const FORGOTTEN = new Set([401, 403, 407, 500]); // what Asterisk says to credentials that are good no more, or that it has lost
  const BROKEN_FOR = 4000; // ms that sound may be cut before it is sought anew
  const SURE_AFTER = 1500; // ms in which it may heal by itself once the phone is registered
  const CARD_WITHIN = 250; // ms that a call waits for its card before it rings without it

  const kind = document.querySelector('meta[name="phone"]')?.content || "desk";
  const phone = { kind, state: "off", why: "", detail: "", muted: false, call: null };
  const listeners = new Set(); // of getStats
  let given = null; // what the service gave us to register with
  let ua = null;
  let socket = null;
  let round = 0; // each start has a number, so that what an earlier one waited for does nothing any more
  let tries = 0;
  let timers = [];
  let broken = 0;
  let askedAgain = false;

  // --- what is shown ---

  function set(state, why = "", detail = "") {
    if (phone.state === state && phone.why === why && phone.detail === detail) return;
    Object.assign(phone, { state, why, detail });
    changed();
  }

  const changed = () => document.dispatchEvent(new CustomEvent("phone:changed", { detail: { ...phone, call: undefined } }));

  /** What the state is by what is so: a call comes before the registration, a lost connection before both. */
  function settle() {
    if (!ua) return;
    if (!ua.isConnected()) set("lost");
    else if (phone.call?.answered && isBroken(phone.call)) set("lost", "sound");
    else if (phone.call?.answered) set("talking", phone.why === "unheard" ? "unheard" : "");
    else if (phone.call?.opening) set("ringing");
    else if (ua.isRegistered()) set("registered");
    else if (phone.state !== "lost") set("connecting");
  }

  const later = (ms, what) => { timers.push(setTimeout(what, ms)); };
  const patience = () => Math.min(15000, 500 * 2 ** Math.min(tries, 5)) * (0.6 + 0.4 * Math.random());

  // --- the service ---

  async function ask(path, body) {
    const answer = await fetch(`/api/v1/phone/${path}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRF-Token": live.csrf },
      body: JSON.stringify(body),
    });
    const said = await answer.json().catch(() => ({}));
    return { ok: answer.ok, status: answer.status, said };
  }

  /** Asks for credentials until there are some; false when this page is not to have the phone. */
  async function logIn(takeOver, mine) {
    for (;;) {
      let answer;
      try {
        answer = await ask("login", { tab: tab.id, take_over: takeOver });
      } catch {
        answer = { status: 0, said: {} };
      }
      if (mine !== round) return false;
      if (answer.ok) {
        given = answer.said;
        return true;
      }
      if (answer.status === 401) {
        live.signIn();
        return false;
      }
      if (answer.status === 409) {
        refuse("off", "elsewhere", answer.said.detail);
        if (!askedAgain) heir(); // the other one may have been closed before it registered
        askedAgain = true;
        return false;
      }
      if (answer.status >= 400 && answer.status < 500 && answer.status !== 429) return refuse("refused", "login", answer.said.detail);
      if (!ua) set("lost", "service");
      tries += 1;
      await new Promise((done) => { later(patience(), done); });
      if (mine !== round) return false;
    }
  }

  const heir = () => later(HEIR_AFTER, () => { if (phone.why === "elsewhere") start(); });

  function refuse(state, why, detail = "") {
    stop();
    set(state, why, detail);
    return false;
  }

  // --- beginning and ending ---

  async function start(takeOver = false) {
    stop();
    const mine = round;
    set("connecting", "microphone");
    await tab.ready;
    try {
      sound.release(await sound.microphone());
    } catch (failure) {
      if (mine === round) refuse("refused", failure.message);
      return;
    }
    if (mine !== round) return;
    set("connecting");
    if (!(await logIn(takeOver, mine))) return;
    if (takeOver) tab.tell("taken");
    open();
  }

  /** Lets go of everything at once, without a word to the service. */
  function stop() {
    round += 1;
    for (const each of timers) clearTimeout(each);
    timers = [];
    tries = 0;
    sound.quiet();
    const old = ua;
    ua = null;
    if (phone.call) over(phone.call);
    old?.removeAllListeners();
    old?.stop();
    socket?.letGo();
    socket = null;
  }

  function open() {
    const mine = round;
    socket = new window.PhoneWire(given.address);
    ua = new JsSIP.UA({
      sockets: [socket],
      uri: given.uri,
      authorization_user: given.user,
      password: given.password,
      register: true,
      register_expires: REGISTER_FOR,
      session_timers: false,
      connection_recovery_min_interval: 1,
      connection_recovery_max_interval: 4,
      user_agent: "callcenter",
    });
    ua.on("disconnected", settle);
    ua.on("registered", () => {
      tries = 0;
      settle();
      sound.tryOut().catch(() => {});
      if (phone.call) mend();
      else ask("back", { tab: tab.id }).catch(() => {}); // who waits for us is rung through
    });
    ua.on("unregistered", settle);
    ua.on("registrationFailed", (failure) => notRegistered(failure, mine));
    ua.on("newRTCSession", ({ originator, session, request }) => {
      if (originator === "remote") rings(session, request);
    });
    ua.start();
    listen(mine);
    renewBefore(mine);
  }

  /** Asterisk may know new credentials a moment later than we do; those that stay refused are asked for anew. */
  function notRegistered({ response }, mine) {
    settle();
    if (!ua?.isConnected()) return; // it is tried again when the connection is back
    tries += 1;
    const forgotten = FORGOTTEN.has(response?.status_code);
    later(patience(), async () => {
      if (mine !== round) return;
      if (forgotten && (tries % 3 === 0 || Date.parse(given.expires_at) < Date.now())) await renew(mine);
      else ua.register();
    });
  }

  async function renew(mine) {
    const before = given;
    if (!(await logIn(false, mine))) return;
    if (before.address !== given.address || before.uri !== given.uri || before.user !== given.user) {
      if (phone.call) later(5000, () => renew(mine));
      else {
        stop();
        open();
      }
      return;
    }
    ua.set("password", given.password); // the talk goes on: it needs none
    ua.register();
    renewBefore(mine);
  }

  function renewBefore(mine) {
    const left = Date.parse(given.expires_at) - Date.now();
    if (!Number.isFinite(left)) return;
    later(Math.min(Math.max(5000, left * 0.75), 2 ** 31 - 1), () => { if (mine === round) renew(mine); });
  }

  function listen(mine) {
    later(PING_EVERY, () => {
      if (mine !== round) return;
      ping(mine);
      timers = timers.slice(-20);
      listen(mine);
    });
  }

  /** A connection that is cut says nothing: Asterisk is asked, and any answer is one. */
  function ping(mine) {
    if (!ua.isConnected()) return;
    const asked = socket;
    const dead = setTimeout(() => { if (mine === round && ua.isConnected()) asked.drop(); }, PING_WITHIN);
    const heard = ({ originator, response }) => {
      if (originator !== "local") clearTimeout(dead);
      if (mine === round && FORGOTTEN.has(response?.status_code)) renew(mine); // or another tab is the phone now
    };
    ua.sendOptions(given.uri, null, { eventHandlers: { succeeded: heard, failed: heard } });
  }

  // --- calls ---

  const orderedByUs = (request) => (request.getHeaders("Call-Info") || []).some((line) => /;\s*answer-after=0\b/i.test(line));

  function rings(session, request) {
    const own = orderedByUs(request);
    if (phone.call) {
      if (!own || !isBroken(phone.call)) {
        session.terminate({ status_code: 486 });
        return;
      }
      drop(phone.call); // the talk comes back by another way
    }
    const call = { session, own, answered: false, since: Date.now(), from: request.from?.uri?.user || "", name: request.from?.display_name || "", stream: null };
    phone.call = call;
    phone.muted = false;
    session.on("peerconnection", ({ peerconnection }) => hear(call, peerconnection));
    session.on("icecandidate", (found) => enough(call, found));
    session.on("accepted", () => answered(call));
    session.on("ended", () => over(call));
    session.on("failed", () => over(call));
    if (own) begin(call);
    else cardFirst().then(() => begin(call));
  }

  /** Who hears the phone ring sees whose caller it is: what is heavy begins when the card stands there. */
  function cardFirst() {
    if (window.agentPage.rings()) return Promise.resolve();
    return new Promise((go) => {
      const waiting = new AbortController();
      const over = () => { waiting.abort(); go(); };
      document.addEventListener("card:ringing", over, { signal: waiting.signal });
      later(CARD_WITHIN, over);
    });
  }

  function begin(call) {
    if (phone.call !== call) return; // the caller was quicker
    // The microphone is opened while it rings: some headsets take a second.
    call.opening = sound.microphone().then((stream) => take(call, stream));
    call.opening.catch((failure) => { if (phone.call === call) deaf(call, failure.message); });
    settle();
    changed();
    const told = () => answer();
    if (call.wanted) answer();
    else if (call.own) Promise.race([sound.tone("call"), new Promise((over) => { later(700, over); })]).then(told, told);
    else sound.ring();
  }

  function take(call, stream) {
    if (phone.call !== call) return sound.release(stream);
    call.stream = stream;
    stream.getAudioTracks()[0].addEventListener("ended", () => { if (call.stream === stream) useMicrophone(); });
    return undefined;
  }

  /** The agent chose another microphone, or the one they had was unplugged: the talk goes on with it. */
  async function useMicrophone() {
    const call = phone.call;
    if (!call) return;
    try {
      const stream = await sound.microphone();
      const old = call.stream;
      take(call, stream);
      if (phone.call !== call) return;
      sound.release(old);
      const [track] = stream.getAudioTracks();
      track.enabled = !phone.muted;
      await connectionOf(call)?.getSenders().find((one) => one.dtmf)?.replaceTrack(track);
      if (phone.why === "unheard") set(phone.state);
    } catch {
      if (phone.call === call) set(phone.state, "unheard");
    }
  }

  /** A phone nobody can be heard by takes no calls: this one goes to the next agent. */
  function deaf(call, why) {
    try {
      call.session.terminate({ status_code: 480 });
    } catch { /* the caller was quicker */ }
    refuse("refused", why);
    ask("logout", { tab: tab.id }).catch(() => {});
  }

  /** Takes the call that rings; false when there is none. */
  function answer() {
    const call = phone.call;
    if (!call || call.taken || call.answered) return false;
    if (!call.opening) {
      call.wanted = true; // the card is on its way
      return true;
    }
    call.taken = true;
    sound.quiet();
    call.opening.then(() => {
      if (phone.call !== call) return;
      const config = { iceServers: given.ice_servers, iceTransportPolicy: given.ice_transport_policy };
      call.session.answer({ mediaStream: call.stream, pcConfig: config });
    }).catch(() => {}); // deaf() has seen to it
    return true;
  }

  /** The answer is sent when there are candidates enough: a STUN or TURN that is silent must cost no seconds. */
  function enough(call, { candidate, ready }) {
    const relays = (given?.ice_servers || []).length > 0;
    if (candidate.type === "relay" || (!relays && candidate.type === "host" && call.gathered)) ready();
    if (!call.gathered) later(relays ? 1500 : 300, ready);
    call.gathered = true;
  }

  function hear(call, connection) {
    connection.addEventListener("track", ({ track, streams }) => sound.play(streams[0] || new MediaStream([track])));
    connection.addEventListener("iceconnectionstatechange", () => {
      const state = connection.iceConnectionState;
      if (["connected", "completed"].includes(state)) broken = 0;
      else if (["disconnected", "failed"].includes(state) && phone.call === call && !broken) {
        broken = Date.now();
        later(state === "failed" ? 0 : BROKEN_FOR, mend);
        ping(round);
      }
      if (phone.call === call) settle();
    });
  }

  const connectionOf = (call) => call.session.connection;
  const isBroken = (call) => call.moved || ["disconnected", "failed", "closed"].includes(connectionOf(call)?.iceConnectionState);

  /** Sound that stays cut comes back as a new call: the service rings this page again for whom it talked with. */
  function mend() {
    const call = phone.call;
    if (!call?.answered || call.mending || !isBroken(call) || !ua?.isRegistered()) return;
    call.mending = true;
    later(SURE_AFTER, async () => {
      call.mending = false;
      if (phone.call !== call || !isBroken(call) || !ua?.isRegistered()) return;
      const asked = await ask("back", { tab: tab.id }).catch(() => null);
      if (asked?.ok && !asked.said.rung) drop(call); // nobody waits any more
      else if (!asked?.ok) later(BROKEN_FOR, mend);
    });
  }

  function answered(call) {
    call.answered = true;
    call.since = Date.now();
    sound.quiet();
    settle();
    changed();
    measure(call);
    window.phoneMoves(connectionOf(call), (moved) => {
      call.moved = moved;
      if (phone.call !== call) return;
      settle();
      mend();
    });
  }

  function drop(call) {
    over(call);
    try {
      call.session.terminate();
    } catch { /* over already */ }
  }

  function over(call) {
    if (phone.call !== call) return;
    phone.call = null;
    phone.muted = false;
    broken = 0;
    sound.quiet();
    sound.play(null);
    sound.release(call.stream);
    settle();
    changed();
  }

  /** Ends the call here; the service is asked first, for it knows who waits. */
  function hangUp() {
    if (phone.call) drop(phone.call);
  }

  function mute(on) {
    const call = phone.call;
    if (!call?.answered) return;
    if (on) call.session.mute({ audio: true });
    else call.session.unmute({ audio: true });
    phone.muted = on;
    changed();
  }

  /** One key of the pad, told to who is on the line as RFC 4733 has it. */
  function press(key) {
    if (!phone.call?.answered || !/^[0-9*#]$/.test(key)) return false;
    phone.call.session.sendDTMF(key, { transportType: "RFC2833", duration: 160, interToneGap: 70 });
    return true;
  }

  // --- how well it is heard ---

  /** Calls `callback` every five seconds of a talk with how well both hear each other; returns what ends that. */
  function stats(callback) {
    listeners.add(callback);
    return () => listeners.delete(callback);
  }

  function measure(call) {
    setTimeout(async () => {
      if (phone.call !== call) return;
      try {
        const summary = { seconds: (Date.now() - call.since) / 1000, muted: phone.muted, ...(await window.phoneHeard(connectionOf(call))) };
        for (const listener of listeners) listener(summary);
      } catch { /* the connection closed meanwhile */ }
      measure(call);
    }, STATS_EVERY);
  }

  // --- what happens around the page ---

  function watch() {
    tab.hear((word) => {
      if (word === "taken" && phone.state !== "off") refuse("off", "elsewhere");
      // The other tab was closed, or loaded again: then it is back sooner than we ask.
      if (word === "gone" && phone.why === "elsewhere") heir();
    });
    window.addEventListener("offline", () => { if (ua?.isConnected()) socket.drop(); });
    window.addEventListener("pagehide", () => {
      if (ua) tab.tell("gone");
      if (!phone.call) return;
      navigator.sendBeacon("/api/v1/phone/leaving", new URLSearchParams({ csrf: live.csrf, tab: tab.id }));
    });
    window.addEventListener("beforeunload", (event) => { if (phone.call?.answered) event.preventDefault(); });
    window.addEventListener("pageshow", (event) => { if (event.persisted) start(); });
    navigator.mediaDevices?.addEventListener("devicechange", changedDevices);
    navigator.permissions?.query({ name: "microphone" }).then((allowed) => {
      allowed.addEventListener("change", changedDevices);
    }).catch(() => {}); // this browser does not say
  }

  async function changedDevices() {
    document.dispatchEvent(new CustomEvent("phone:devices"));
    if (phone.state === "refused" && ["denied", "missing", "busy"].includes(phone.why)) {
      start();
      return;
    }
    if (phone.call && phone.why === "unheard") {
      useMicrophone();
      return;
    }
    if (phone.call || !["registered", "connecting", "lost"].includes(phone.state)) return;
    const all = await navigator.mediaDevices.enumerateDevices();
    const allowed = await navigator.permissions?.query({ name: "microphone" }).catch(() => null);
    const why = allowed?.state === "denied" ? "denied" : all.some((one) => one.kind === "audioinput") ? "" : "missing";
    if (why && !phone.call) {
      refuse("refused", why);
      ask("logout", { tab: tab.id }).catch(() => {});
    }
  }

  if (kind === "browser") {
    watch();
    document.addEventListener("DOMContentLoaded", () => start());
  }
  return Object.assign(phone, { start, answer, hangUp, mute, press, stats, useMicrophone, echo: () => ask("echo", { tab: tab.id }) });
})();
