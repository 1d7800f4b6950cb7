// What the phone in the page hears and plays: microphone, headset, ring, tones, and how loud the agent is.
"use strict";

window.phoneSound = (() => {
  const KEPT = "callcenter-devices";
  const IDLE_AFTER = 3000; // ms without a sound, and the sound card is let go
  const voice = document.getElementById("phone-voice");
  const chosen = { microphone: "", headset: "", ring: "", ...read() };
  const tapes = new Map(); // rings and tones, made once
  let context = null;
  let plays = 0; // how many want to be heard now
  let ringing = null;
  let silent = false; // the browser plays nothing before somebody has touched the page

  function read() {
    try {
      return JSON.parse(localStorage.getItem(KEPT)) || {};
    } catch {
      return {}; // storage that is forbidden or spoilt: the browser's own devices
    }
  }

  // --- devices ---

  /** Chooses a device for `microphone`, `headset` or `ring`; the empty word is the browser's own choice. */
  async function choose(what, device) {
    chosen[what] = device;
    try {
      localStorage.setItem(KEPT, JSON.stringify(chosen));
    } catch { /* it holds until the page is closed */ }
    if (what === "headset") await sink(voice, device);
    if (what === "ring" && context) await sink(context, device);
  }

  async function sink(what, device) {
    if (!what.setSinkId) return; // this browser plays on what the system says
    try {
      await what.setSinkId(device);
    } catch {
      await what.setSinkId("").catch(() => {}); // that device is not plugged in today
    }
  }

  /** `{microphone: [{id, name}], headset: […]}`: what is plugged in; names are known once the microphone is allowed. */
  async function devices() {
    const all = await navigator.mediaDevices.enumerateDevices();
    const of = (kind) => all.filter((one) => one.kind === kind && !["default", "communications", ""].includes(one.deviceId))
      .map((one) => ({ id: one.deviceId, name: one.label }));
    return { microphone: of("audioinput"), headset: of("audiooutput") };
  }

  const constraints = (device) => ({
    audio: { ...(device ? { deviceId: { exact: device } } : {}), echoCancellation: true, noiseSuppression: true, autoGainControl: true },
  });

  /** The microphone's stream; raises an Error whose message is why not: insecure, denied, missing or busy. */
  async function microphone() {
    if (!navigator.mediaDevices?.getUserMedia) throw new Error("insecure");
    try {
      return await navigator.mediaDevices.getUserMedia(constraints(chosen.microphone));
    } catch (failure) {
      if (chosen.microphone && ["OverconstrainedError", "NotFoundError"].includes(failure.name)) {
        try {
          return await navigator.mediaDevices.getUserMedia(constraints("")); // yesterday's headset stayed at home
        } catch (again) {
          throw new Error(why(again));
        }
      }
      throw new Error(why(failure));
    }
  }

  const why = (failure) => ({ NotAllowedError: "denied", SecurityError: "denied", NotFoundError: "missing", OverconstrainedError: "missing" })[failure.name] || "busy";

  const release = (stream) => { for (const track of stream?.getTracks() || []) track.stop(); };

  // --- what the caller says ---

  async function play(stream) {
    voice.srcObject = stream;
    if (!stream) return;
    await sink(voice, chosen.headset);
    try {
      await voice.play();
      hears(true);
    } catch (failure) {
      if (failure.name === "NotAllowedError") hears(false);
    }
  }

  function hears(now) {
    if (silent === !now) return;
    silent = !now;
    document.dispatchEvent(new CustomEvent("phone:sound"));
  }

  // --- rings and tones ---

  const SHAPES = { // from and for how many seconds, and two notes in Hz; the last is how long a round is
    ring: [[0, 0.5, 740, 932], [0.62, 0.5, 740, 932], [3.2]],
    call: [[0, 0.09, 880, 880], [0.13, 0.09, 1175, 1175], [0.3]],
    test: [[0, 0.25, 523, 523], [0.28, 0.25, 659, 659], [0.56, 0.5, 784, 784], [1.2]],
  };

  /** One round of a ring or tone as samples. */
  function tape(name) {
    if (tapes.has(name)) return tapes.get(name);
    const shape = SHAPES[name], rate = context.sampleRate;
    const buffer = context.createBuffer(1, Math.round(shape.at(-1)[0] * rate), rate);
    const out = buffer.getChannelData(0);
    for (const [from, length, one, other] of shape.slice(0, -1)) {
      const start = Math.round(from * rate);
      for (let i = 0; i < Math.floor(length * rate); i += 1) {
        const t = i / rate;
        const edge = Math.min(1, t / 0.008, (length - t) / 0.06);
        out[start + i] = 0.16 * edge * (Math.sin(2 * Math.PI * one * t) + Math.sin(2 * Math.PI * other * t));
      }
    }
    tapes.set(name, buffer);
    return buffer;
  }

  const pause = (ms) => new Promise((over) => { setTimeout(over, ms); });

  /** Makes the sound card ready until `rest` is called; what the browser does not allow yet is told on the page. */
  async function awake() {
    plays += 1;
    if (!context) {
      context = new AudioContext();
      await sink(context, chosen.ring);
    }
    if (context.state !== "running") {
      // A context that may not play yet never answers: nobody waits for it.
      const begun = context.resume().catch(() => {});
      await Promise.race([begun, pause(200)]);
    }
    hears(context.state === "running");
  }

  function rest() {
    plays -= 1;
    setTimeout(() => { if (!plays && context.state === "running") context.suspend(); }, IDLE_AFTER);
  }

  /** Whether a ring could be heard now: asked when the phone is ready, so that nobody learns it by a missed call. */
  async function tryOut() {
    await awake();
    rest();
  }

  function start(name, loop, out = context.destination) {
    const source = context.createBufferSource();
    source.buffer = tape(name);
    source.loop = loop; // no timer: those of a hidden page run once a minute
    source.connect(out);
    source.start();
    return source;
  }

  async function ring() {
    if (ringing) return;
    const mine = ringing = {};
    await awake();
    if (ringing === mine) mine.source = start("ring", true);
    else rest();
  }

  function quiet() {
    if (ringing?.source) {
      ringing.source.stop();
      rest();
    }
    ringing = null;
  }

  const played = (source) => Promise.race([new Promise((over) => { source.addEventListener("ended", over); }), pause(3500)]);

  /** One round of a ring or tone, where the phone rings. */
  async function tone(name) {
    await awake();
    if (context.state === "running") await played(start(name, false));
    rest();
  }

  /** A tone where the caller is heard. */
  async function headsetTone() {
    await awake();
    const out = context.createMediaStreamDestination();
    const player = new Audio();
    player.srcObject = out.stream;
    await sink(player, chosen.headset);
    await player.play().then(() => played(start("test", false, out))).catch(() => {});
    player.srcObject = null;
    rest();
  }

  /** Calls `show` with how loud the stream is, 0 to 1, many times a second; returns what ends that. */
  async function meter(stream, show) {
    await awake();
    const ear = context.createAnalyser();
    ear.fftSize = 1024;
    const source = context.createMediaStreamSource(stream);
    source.connect(ear);
    const samples = new Float32Array(ear.fftSize);
    let going = true;
    const look = () => {
      if (!going) return;
      ear.getFloatTimeDomainData(samples);
      const power = samples.reduce((sum, each) => sum + each * each, 0) / samples.length;
      const decibels = 10 * Math.log10(power + 1e-10); // 0 is as loud as can be, -60 a quiet room
      show(Math.min(1, Math.max(0, (decibels + 60) / 60)));
      requestAnimationFrame(look);
    };
    look();
    return () => {
      going = false;
      source.disconnect();
      rest();
    };
  }

  for (const touch of ["pointerdown", "keydown"]) {
    document.addEventListener(touch, () => {
      if (silent && context) context.resume().then(() => hears(true)).catch(() => {});
      if (voice.srcObject && voice.paused) play(voice.srcObject);
    }, true);
  }

  return {
    chosen, choose, devices, microphone, release, play, ring, quiet, tone, headsetTone, meter, tryOut,
    get silent() { return silent; },
  };
})();
