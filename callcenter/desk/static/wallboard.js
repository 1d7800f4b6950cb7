// The wallboard: what is its own beside live.js: the sheets of orders, and which agents are shown.
"use strict";

(() => {
  const { live } = window;
  const wall = document.getElementById("wall");
  const orders = document.getElementById("orders");
  const message = document.getElementById("message");
  const announce = (words, bad) => live.announce(words, bad);
  const onWall = !orders;
  let opener = "";
  let shown = "";

  // --- which agents ---

  function show() {
    for (const button of document.querySelectorAll("[data-show]")) {
      button.setAttribute("aria-pressed", String(button.dataset.show === shown));
      if (onWall) button.tabIndex = -1;
    }
    for (const row of document.querySelectorAll('[data-region^="agent:"]')) {
      row.hidden = Boolean(shown) && row.firstElementChild?.dataset.state !== shown;
    }
    const absent = document.getElementById("absent");
    if (absent && shown === "offline") absent.open = true;
  }
  live.drawn.push(show);

  // --- sheets ---

  async function openOrders(button) {
    opener = button.id;
    try {
      const answer = await fetch(`/wallboard/agents/${button.dataset.agent}`);
      if (answer.status === 401 || answer.redirected) return live.signIn();
      if (!answer.ok) return announce(wall.dataset.failed, true);
      orders.innerHTML = await answer.text(); // our own service's, every value escaped
      orders.showModal();
    } catch {
      announce(wall.dataset.failed, true);
    }
    return undefined;
  }

  function back() {
    // The row may have been drawn anew meanwhile: its button is another one with the same name.
    document.getElementById(opener)?.focus();
  }
  for (const sheet of [orders, message]) {
    sheet?.addEventListener("close", back);
    sheet?.addEventListener("click", (event) => { if (event.target === sheet) sheet.close(); });
  }

  /** Gives one order after another until one is refused; what is wrong stands over the sheet. */
  async function giveAll(list, button) {
    const sheet = button.closest("dialog");
    button.disabled = true;
    let taken = list.length > 0;
    for (const [path, body] of list) taken = taken && (await live.give(path, body));
    button.disabled = false;
    sheet.close();
    if (taken) announce(wall.dataset.done, false);
  }

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.closest("dialog")) return;
    event.preventDefault();
    const button = event.submitter || form.querySelector("button");
    if (form.dataset.post) giveAll([[form.dataset.post, Object.fromEntries(new FormData(form))]], button);
    else if (form.dataset.serve) {
      const changed = [...form.querySelectorAll("select")].filter((each) => each.value !== each.dataset.was);
      giveAll(changed.map((each) => [form.dataset.serve, { queue: each.name, penalty: each.value === "" ? null : Number(each.value) }]), button);
    } else if ("message" in form.dataset) {
      const body = form.elements.body.value;
      giveAll([["/api/v1/messages", form.dataset.message ? { agents: [form.dataset.message], body } : { body }]], button);
      form.reset();
    }
  });

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button || button.disabled) return;
    if (button.dataset.agent) openOrders(button);
    else if (button.dataset.show) {
      shown = shown === button.dataset.show ? "" : button.dataset.show;
      show();
    } else if (button.id === "to-all") {
      opener = button.id;
      message.showModal();
    } else if ("close" in button.dataset) button.closest("dialog").close();
    else if (button.dataset.post) giveAll([[button.dataset.post, button.dataset.body ? JSON.parse(button.dataset.body) : {}]], button);
  });

  live.connect("/desk/wallboard");
})();
