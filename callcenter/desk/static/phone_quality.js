// How well the talk is heard: judged here at once, told to the service, which keeps it with the call.
"use strict";

(() => {
  const { phone, live } = window;
  const bar = document.getElementById("quality-bar");
  if (phone.kind !== "browser" || !bar) return;
  const BAD_LOSS = 0.05, BAD_RTT = 400, UNHEARD = 8; // share, ms, seconds
  let last = null; // of the talk that is measured now
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

  const way = ({ packets, lost, jitter_ms: jitter }) => ({ packets, lost, jitter_ms: jitter });

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
    fetch("/api/v1/phone/quality", {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRF-Token": live.csrf },
      body: JSON.stringify({ codec: told.codec, sent: way(told.sent), received: way(told.received), rtt_ms: told.rtt_ms, heard, unheard_s: unheard, silent_s: silent }),
    }).catch(() => {}); // the next one tells more
  });
  document.addEventListener("phone:changed", ({ detail }) => {
    if (detail.state === "talking") return;
    last = null;
    say("");
  });
})();
