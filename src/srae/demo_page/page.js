// The page of `srae demo`: what is dropped goes to the server, whose list of images is shown until all are done.
const model = document.querySelector("#model");
const scale = document.querySelector("#scale");
const cards = new Map(); // key of an image -> its card
const files = new Map(); // the same -> the file, which may be sent again

function describeModel() {
  const chosen = model.selectedOptions[0];
  document.querySelector("#about").textContent = chosen.dataset.about;
  for (const name of document.querySelectorAll(".again span")) name.textContent = chosen.label;
}
model.addEventListener("change", describeModel);

function tell(text) {
  const trouble = document.querySelector("#trouble");
  trouble.textContent = text;
  trouble.hidden = !text;
}

async function ask(address, options) {
  let answer;
  try {
    answer = await fetch(address, options);
  } catch {
    throw new Error("srae demo does not answer: it may have ended. Start it again, and use its new address.");
  }
  if (answer.ok) return answer;
  const text = await answer.text();
  let reason = text;
  try {
    reason = JSON.parse(text).error;
  } catch {} // it is plain text
  throw new Error(reason);
}

async function send(chosen) {
  tell("");
  for (const file of chosen) {
    try {
      const most = Number(document.body.dataset.maxBytes);
      if (file.size > most) throw new Error(`more than ${most.toLocaleString("en")} bytes; use srae-upscale`);
      const query = new URLSearchParams({ name: file.name, model: model.value, scale: scale.value });
      const image = await (await ask(`images?${query}`, { method: "POST", body: file })).json();
      files.set(image.key, file);
      update(image);
      follow();
    } catch (error) {
      tell(`${file.name}: ${error.message}`);
    }
  }
}

function addCard(image) {
  const card = document.querySelector("#card").content.firstElementChild.cloneNode(true);
  const label = `${image.name}: ${image.model}${image.scale ? `, scale ${image.scale}` : ""}`;
  card.querySelector("h2").textContent = label;
  const again = card.querySelector(".again");
  again.hidden = !files.has(image.key); // after a reload the file is not at hand any more
  again.addEventListener("click", () => send([files.get(image.key)]));
  card.querySelector(".remove").addEventListener("click", async () => {
    try {
      await ask(`images/${image.key}`, { method: "DELETE" });
      card.remove();
      cards.delete(image.key);
      files.delete(image.key);
    } catch (error) {
      tell(error.message);
    }
  });
  cards.set(image.key, card);
  document.querySelector("#images").prepend(card);
  describeModel();
  return card;
}

function update(image) {
  const card = cards.get(image.key) ?? addCard(image);
  if (card.dataset.state === "done" || card.dataset.state === "failed") return;
  card.dataset.state = image.state;
  const state = card.querySelector(".state");
  const busy = image.state === "waiting" || image.state === "running";
  card.querySelector("progress").hidden = !busy;
  card.querySelector("progress").value = image.progress;
  state.hidden = image.state === "done";
  state.classList.toggle("error", image.state === "failed");
  const text = { waiting: "waiting for the image before it", running: "computing", failed: image.error }[image.state] ?? "";
  if (state.textContent !== text) state.textContent = text; // a reader of the screen says a change once
  if (image.state === "done") showResult(image, card).catch((error) => tell(error.message));
}

async function showResult(image, card) {
  const result = card.querySelector(".result");
  result.innerHTML = await (await ask(`images/${image.key}/result`)).text(); // the server has escaped the names
  const slider = result.querySelector(".slider");
  const stage = slider.querySelector(".stage");
  const [width, height] = ["width", "height"].map((side) => Number(stage.querySelector("img").getAttribute(side)));
  slider.style.setProperty("--ratio", width / height);
  slider.style.setProperty("--width", `${width}px`);
  connectSlider(slider);
  const actual = result.querySelector(".actual");
  actual.addEventListener("change", () => {
    result.classList.toggle("actual-size", actual.checked);
    slider.scrollLeft = (slider.scrollWidth - slider.clientWidth) / 2; // where the cut is at first
  });
  // Pixels are shown as squares where these are of about one size: at twice the size and more, or as they are.
  new ResizeObserver(() => {
    const times = (stage.clientWidth * devicePixelRatio) / width;
    result.classList.toggle("smooth", times < 2 && times !== 1);
  }).observe(stage);
}

let following = false;
async function follow() {
  if (following) return;
  following = true;
  try {
    for (let busy = true; busy; ) {
      const images = await (await ask("images")).json();
      images.forEach(update);
      busy = images.some((image) => image.state === "waiting" || image.state === "running");
      if (busy) await new Promise((resolve) => setTimeout(resolve, 250));
    }
  } catch (error) {
    tell(error.message);
  }
  following = false;
}

const input = document.querySelector("#files");
input.addEventListener("change", () => {
  send([...input.files]);
  input.value = ""; // so that the same file can be chosen again
});
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("dragging");
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) document.body.classList.remove("dragging");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dragging");
  send([...event.dataTransfer.files]);
});
document.addEventListener("paste", (event) => send([...event.clipboardData.files]));
describeModel();
follow(); // what was dropped before a reload
