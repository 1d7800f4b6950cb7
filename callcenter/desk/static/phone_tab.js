// Which tab this is: the same after a reload, another one in a copy of it; and a word to the other tabs of this browser.
"use strict";

window.phoneTab = (() => {
  const KEPT = "callcenter-tab";
  const RELOADED_WITHIN = 2000; // ms in which the page before this one lets go of its name
  const air = new BroadcastChannel("phone");
  const tab = { id: "" };

  const fresh = () => crypto.randomUUID();
  const kept = () => {
    try {
      return sessionStorage.getItem(KEPT);
    } catch {
      return null;
    }
  };
  function keep(id) {
    tab.id = id;
    try {
      sessionStorage.setItem(KEPT, id);
    } catch { /* it holds until the page is loaded again */ }
  }

  /** Holds the name for as long as the page lives; a name that another page holds is not ours: tabs can be copied. */
  async function claim() {
    const before = kept();
    const stop = new AbortController();
    const late = setTimeout(() => stop.abort(), RELOADED_WITHIN);
    const holds = (id, options) => new Promise((done, failed) => {
      navigator.locks.request(`phone.${id}`, options, () => {
        done();
        return new Promise(() => {});
      }).catch(failed);
    });
    if (before) {
      try {
        await holds(before, { signal: stop.signal });
        clearTimeout(late);
        keep(before);
        return;
      } catch { /* the tab it was copied of is still open */ }
    }
    keep(fresh());
    await holds(tab.id, {});
  }

  tab.ready = navigator.locks ? claim() : Promise.resolve(keep(kept() || fresh()));
  tab.tell = (word) => air.postMessage({ word, tab: tab.id });
  tab.hear = (told) => air.addEventListener("message", ({ data }) => { if (data?.tab !== tab.id) told(data?.word); });
  return tab;
})();
