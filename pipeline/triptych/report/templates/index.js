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
  const groups = [...document.querySelectorAll("button[data-group]")];
  if (cards) {
    const show = () => {
      const wanted = filter.value.trim().toLowerCase().split(/\s+/);
      const pressed = groups.find((g) => g.getAttribute("aria-pressed") === "true");
      let shown = 0;
      for (const card of cards.children) {
        card.hidden = !wanted.every((word) => card.dataset.search.includes(word))
          || (pressed !== undefined && card.dataset.group !== pressed.dataset.group);
        shown += !card.hidden;
      }
      none.hidden = shown > 0;
    };
    filter.addEventListener("input", show);
    for (const group of groups)
      group.addEventListener("click", () => {
        for (const g of groups)
          g.setAttribute("aria-pressed", String(g === group && g.getAttribute("aria-pressed") !== "true"));
        show();
      });
    sort.addEventListener("change", () => {
      const by = keys[sort.value];
      cards.append(...[...cards.children].sort((a, b) => by(a, b) || keys.order(a, b)));
    });
  }
  document.documentElement.dataset.ready = "1";
})();
