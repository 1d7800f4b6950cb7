// Other pages open over the agent's page, which stays: a call, a card and what is half written in it are never lost.
"use strict";

(() => {
  const { live } = window;
  const panel = document.getElementById("panel");
  const frame = document.getElementById("panel-page");
  const title = document.getElementById("panel-title");
  const tab = document.getElementById("panel-tab");
  const TALK = new Set(["KeyA", "KeyH", "KeyU", "KeyX"]); // answering, holding, mute and hanging up need no way back
  let from = null; // what was clicked: the keyboard goes on there

  function open(link) {
    from = link;
    const menu = link.closest("details.menu");
    if (menu) menu.open = false;
    title.textContent = link.textContent.trim();
    tab.href = link.href;
    frame.src = link.href;
    panel.hidden = false;
    frame.focus();
  }

  function close() {
    if (panel.hidden) return;
    panel.hidden = true;
    frame.src = "about:blank";
    (from?.isConnected && from.checkVisibility() ? from : document.getElementById("main")).focus({ preventScroll: true });
  }

  /** Whether this click would take the page away. */
  function leaves(event, link) {
    if (event.defaultPrevented || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return false;
    if (!link || link.target || link.hasAttribute("download") || link.origin !== location.origin) return false;
    return link.pathname !== location.pathname;
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href]");
    if (!leaves(event, link)) return;
    event.preventDefault();
    open(link);
  });
  document.getElementById("panel-close").addEventListener("click", close);

  const escapes = (event) => {
    if (event.key !== "Escape" || event.defaultPrevented || panel.hidden || document.querySelector("dialog[open]")) return;
    event.preventDefault();
    event.stopPropagation();
    close();
  };
  document.addEventListener("keydown", escapes, true);

  frame.addEventListener("load", () => {
    if (panel.hidden) return;
    const inside = frame.contentWindow;
    const { pathname, href } = inside.location;
    if (pathname === "/agent") return close(); // it is here already
    if (pathname === "/sign-in") return live.signIn();
    title.textContent = inside.document.title.split(" · ")[0];
    // The agent's page has these itself, and they would end its work.
    for (const ours of inside.document.querySelectorAll('.top .me, .top a[href="/agent"]')) ours.hidden = true;
    tab.href = href;
    inside.document.addEventListener("keydown", (event) => {
      if (event.defaultPrevented || inside.document.querySelector("dialog[open]")) return;
      if (event.key === "Escape") close();
      else if (TALK.has(event.code) && !event.target.closest("input, select, textarea") && !event.ctrlKey && !event.altKey && !event.metaKey) {
        document.body.dispatchEvent(new KeyboardEvent("keydown", { key: event.key, code: event.code, bubbles: true, cancelable: true }));
      }
    });
    return undefined;
  });

  // Whoever calls is seen at once: what was read meanwhile waits behind the card.
  window.agentPage.drawn.push(() => {
    const card = window.agentPage.card();
    if (card?.dataset.stage === "ringing" && !panel.hidden && panel.dataset.call !== card.dataset.call) {
      panel.dataset.call = card.dataset.call;
      close();
    }
  });
})();
