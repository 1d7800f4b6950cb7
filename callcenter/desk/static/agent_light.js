// The light of the caller's line over a day, a week, a quarter: a sheet over the card, drawn by the service.
"use strict";

(() => {
  const sheet = document.getElementById("sheet-light");
  const place = sheet.querySelector(".drawing");

  async function show(path) {
    try {
      const answer = await fetch(path, { headers: { Accept: "text/html" } });
      if (!answer.ok) throw new Error(String(answer.status));
      const fresh = document.createElement("template");
      fresh.innerHTML = await answer.text(); // our own template, every value escaped
      place.replaceChildren(fresh.content);
    } catch {
      place.textContent = document.querySelector("[data-failed]").dataset.failed;
    }
  }

  sheet.addEventListener("click", (event) => {
    if (event.target.closest("[data-close]")) sheet.close();
    const span = event.target.closest("[data-span]");
    if (!span) return;
    event.preventDefault();
    show(`${span.closest("[data-light]").dataset.light}&span=${span.dataset.span}`);
  });

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-light-of]");
    if (!button || sheet.open) return;
    place.replaceChildren();
    sheet.showModal();
    show(button.dataset.lightOf);
  });
})();
