"use strict";

// Tables: a click or Enter on a heading sorts, once more turns round; what has no value stays last.
for (const table of document.querySelectorAll("table")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of heads) other.setAttribute("aria-sort", "none");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const body = table.tBodies[0];
      const value = (row) => row.cells[column].dataset.value;
      const compare = (a, b) => {
        const [x, y] = [value(a), value(b)];
        if (x === "" || y === "") return (x === "") - (y === "");
        const difference = isNaN(x) || isNaN(y) ? x.localeCompare(y, undefined, { numeric: true }) : x - y;
        return down ? -difference : difference;
      };
      body.append(...[...body.rows].sort(compare));
    });
  });
}

// Sliders: the range, the arrow keys, or a finger or mouse on the image move the cut.
for (const slider of document.querySelectorAll(".slider")) {
  const stage = slider.querySelector(".stage");
  const range = slider.querySelector("input");
  const cut = () => stage.style.setProperty("--cut", `${range.value}%`);
  range.addEventListener("input", cut);
  const follow = (event) => {
    const box = stage.getBoundingClientRect();
    range.value = Math.round((100 * (event.clientX - box.left)) / box.width);
    cut();
  };
  let dragging = false;
  stage.addEventListener("pointerdown", (event) => {
    dragging = event.button === 0;
    if (dragging) follow(event);
  });
  window.addEventListener("pointermove", (event) => {
    dragging &&= event.buttons > 0; // it may have been let go outside of the window
    if (dragging) follow(event);
  });
  window.addEventListener("pointercancel", () => (dragging = false));
  for (const select of slider.querySelectorAll("select")) {
    const show = () => {
      stage.querySelectorAll("img").forEach((image, index) => {
        image.classList.toggle(select.dataset.side, index === Number(select.value));
      });
    };
    select.addEventListener("change", show);
    show(); // a browser may remember a choice over a reload
  }
  cut();
}
