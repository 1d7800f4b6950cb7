// The note of a call: kept by the service as it is typed, so that a reload or another page loses no word.
"use strict";

(() => {
  const page = window.agentPage;
  const SAVE_AFTER = 700; // milliseconds without a key
  const AGAIN_AFTER = 2000; // until the ledger knows the call, or the service answers again
  const place = page.regions.get("note");

  let timer = 0;
  let unsaved = null; // { path, body }: typed and not kept yet
  let saving = null;

  const form = () => document.getElementById("note-form");

  function state(words, bad) {
    const output = document.getElementById("note-state");
    if (!output) return;
    output.textContent = words;
    output.classList.toggle("bad", bad);
  }

  function written() {
    const here = form();
    const reason = here.querySelector("input[name=reason]:checked");
    return { path: here.dataset.note, body: { reason: reason ? reason.value : "", note: here.elements.note.value } };
  }

  async function save(keepalive = false) {
    clearTimeout(timer);
    if (saving) await saving;
    const now = unsaved;
    if (!now) return true;
    saving = fetch(now.path, {
      method: "POST",
      keepalive,
      headers: { "Content-Type": "application/json", "X-CSRF-Token": page.csrf },
      body: JSON.stringify(now.body),
    }).catch(() => null);
    const answer = await saving;
    saving = null;
    if (answer?.ok) {
      if (unsaved === now) unsaved = null;
      if (form()?.dataset.note === now.path && !unsaved) state(form().dataset.saved, false);
      return !unsaved || save();
    }
    if (form()) state(form().dataset.unsaved, true);
    if (answer?.status === 409 || answer?.status === 422) {
      page.announce((await answer.json().catch(() => ({}))).detail || page.desk.dataset.failed, true);
      if (unsaved === now) unsaved = null;
    } else timer = setTimeout(save, AGAIN_AFTER);
    return false;
  }

  function typed(soon) {
    unsaved = written();
    clearTimeout(timer);
    timer = setTimeout(save, soon);
  }

  place.addEventListener("input", (event) => typed(event.target.name === "reason" ? 0 : SAVE_AFTER));
  place.addEventListener("focusout", () => { if (unsaved) save(); });
  // A reason chosen by mistake is taken back by choosing it again.
  let chosen = null;
  place.addEventListener("pointerdown", (event) => {
    const radio = event.target.closest(".chip")?.querySelector("input");
    chosen = radio?.checked ? radio : null;
  });
  place.addEventListener("click", (event) => {
    if (!chosen || event.target !== chosen) return;
    chosen.checked = false;
    chosen = null;
    typed(0);
  });
  place.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.ctrlKey) {
      event.preventDefault();
      const done = document.getElementById("done");
      if (done) done.click();
      else save();
    } else if (event.key === "Enter" && event.target.matches("input[type=radio]")) event.preventDefault();
  });
  place.addEventListener("submit", async (event) => {
    event.preventDefault();
    const call = form().dataset.call;
    if (unsaved && !(await save())) return;
    if (document.querySelector(".state.wrap_up") && !(await page.give(document.getElementById("toggle").dataset.post, {}))) return;
    page.send({ do: "dismiss", call });
  });
  window.addEventListener("pagehide", () => { if (unsaved) save(true); });

  // While somebody writes, what the service draws of the same call changes nothing under their hands.
  page.keepers.set("note", (here, fresh) => {
    const before = form(), after = fresh.getElementById("note-form");
    if (!before || !after || before.dataset.call !== after.dataset.call || before.querySelector("fieldset").disabled) {
      if (before && unsaved) save();
      return false;
    }
    if (!unsaved && !here.contains(document.activeElement)) return false;
    const foot = before.querySelector(".note-foot"), words = document.getElementById("note-state").textContent;
    foot.replaceWith(after.querySelector(".note-foot"));
    if (unsaved) document.getElementById("note-state").textContent = words;
    return true;
  });
})();
