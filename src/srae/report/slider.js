"use strict";

// Sliders: the range, the arrow keys, or a finger or mouse on the image move the cut.
function connectSlider(slider) {
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
