// The shift's board draws itself anew every few seconds; on the hand-over one box ticks them all.
"use strict";

(() => {
  const EVERY = 5000, WITHIN = 10000;
  const board = document.getElementById("board");
  const stale = document.getElementById("stale");

  async function draw() {
    try {
      const answer = await fetch(board.dataset.source, { signal: AbortSignal.timeout(WITHIN), redirect: "manual" });
      if (!answer.ok) throw new Error(String(answer.status));
      const fresh = document.createElement("template");
      fresh.innerHTML = await answer.text(); // rendered by our own service, every value escaped; scripts never run (CSP)
      const focused = board.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
      board.replaceChildren(fresh.content);
      if (focused) board.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
      stale.hidden = true;
    } catch {
      stale.hidden = false; // what is shown is old, and the page says so
    }
  }

  if (board) {
    setInterval(() => { if (!document.hidden) draw(); }, EVERY);
    document.addEventListener("visibilitychange", () => { if (!document.hidden) draw(); });
  }

  for (const all of document.querySelectorAll("input[data-all]")) {
    const each = () => all.closest("form").querySelectorAll(`input[name="${all.dataset.all}"]`);
    all.addEventListener("change", () => { for (const one of each()) one.checked = all.checked; });
  }
})();
