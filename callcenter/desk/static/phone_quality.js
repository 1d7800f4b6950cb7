// How well the talk is heard: judged here at once, told to the service, which keeps it with the call.
"use strict";

(() => {
  const { phone, live } = window;
  const bar = document.getElementById("quality-bar");
  if (phone.kind !== "browser" || !bar) return;
  const BAD_LOSS = 0.05, BAD_RTT = 400; // share, ms
  const UNHEARD = Number(bar.dataset.unheardS); // seconds
  const NOTHING = { packets: 0, lost: 0 };
  let last = null; // of the talk that is measured now
  let kept = null; // what the service has been told of it: the next time it is told what came since
  let unheard = 0, silent = 0;
  let heard = false; // something came from the microphone since the last report

  function say(key) {
    bar.hidden = !key;
    if (key && bar.textContent !== bar.dataset[key]) bar.textContent = bar.dataset[key];
  }

  function share(now, before) {
    const came = now.packets - before.packets, lost = Math.max(0, now.lost - before.lost);
    return came + lost > 0 ? lost / (came + lost) : 0;
  }

  /** What came since `before`; a connection that was made anew counts from the beginning. */
  function since(before, now) {
    const from = before.packets > now.packets ? NOTHING : before;
    return { packets: now.packets - from.packets, lost: now.lost - from.lost, jitter_ms: now.jitter_ms };
  }

  phone.stats((told) => {
    const before = last && last.seconds < told.seconds ? last : null;
    last = told;
    if (before) {
      const passed = told.seconds - before.seconds;
      const spoke = told.muted || told.sent.energy === null || told.sent.energy > before.sent.energy;
      unheard = spoke ? 0 : unheard + passed;
      heard = !told.muted && told.sent.energy !== null && told.sent.energy > before.sent.energy;
      const holds = document.querySelector("#status .state.on_hold"); // then Asterisk sends the agent nothing
      silent = holds || told.received.packets > before.received.packets ? 0 : silent + passed;
      const loss = Math.max(share(told.received, before.received), share(told.sent, before.sent));
      say(unheard >= UNHEARD ? "unheard" : silent >= UNHEARD ? "silent" : loss > BAD_LOSS || told.rtt_ms > BAD_RTT ? "bad" : "");
    } else {
      unheard = silent = 0;
      heard = false;
    }
    const base = kept ?? { sent: NOTHING, received: NOTHING };
    fetch("/api/v1/phone/quality", {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRF-Token": live.csrf },
      body: JSON.stringify({
        codec: told.codec, sent: since(base.sent, told.sent), received: since(base.received, told.received),
        rtt_ms: told.rtt_ms, heard, unheard_s: unheard, silent_s: silent,
      }),
    }).then((answer) => {
      if (answer.ok && last) kept = told;
    }, () => {}); // the next one tells more
  });
  document.addEventListener("phone:changed", ({ detail }) => {
    if (detail.state === "talking") return;
    last = kept = null;
    say("");
  });
})();
