"use strict";
(() => {
  const cards = document.getElementById("cards");
  const filter = document.getElementById("filter"), sort = document.getElementById("sort");
  const none = document.getElementById("none");
  const order = ["partial", "done", "cached"];
  const keys = {
    order: (a, b) => a.dataset.order - b.dataset.order,
    seconds: (a, b) => b.dataset.seconds - a.dataset.seconds,
    label: (a, b) => a.dataset.label.localeCompare(b.dataset.label),
    state: (a, b) => order.indexOf(a.dataset.state) - order.indexOf(b.dataset.state),
  };
  if (cards) {
    filter.addEventListener("input", () => {
      const wanted = filter.value.trim().toLowerCase().split(/\s+/);
      let shown = 0;
      for (const card of cards.children) {
        card.hidden = !wanted.every((word) => card.dataset.search.includes(word));
        shown += !card.hidden;
      }
      none.hidden = shown > 0;
    });
    sort.addEventListener("change", () => {
      const by = keys[sort.value];
      cards.append(...[...cards.children].sort((a, b) => by(a, b) || keys.order(a, b)));
    });
  }
  document.documentElement.dataset.ready = "1";
})();
