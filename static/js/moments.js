// The composer: the phone shows what is typed and chosen, and the text's bytes are counted as WeCom
// counts them. Without this script the server shows the same after saving.
const form = document.querySelector("form[data-compose]");
const encoder = new TextEncoder();

function shown(name) {
  return document.querySelector(`[data-phone] [data-shows="${name}"]`);
}

function field(name) {
  return form.elements.namedItem(name);
}

function countBytes() {
  const counter = form.querySelector("[data-counter]");
  // Line breaks are sent as one byte, whatever the platform of the browser.
  const text = field("text").value.replaceAll("\r\n", "\n");
  const size = encoder.encode(text).length;
  const most = Number(counter.dataset.counter);
  counter.querySelector("[data-count]").textContent = size.toLocaleString("en");
  counter.toggleAttribute("data-is-over", size > most || [...text].length > 2000);
}

function showWords() {
  shown("text").textContent = field("text").value;
  shown("link").textContent = field("link_title").value || field("link_url").value;
  shown("link-card").hidden = !field("link_url").value;
  countBytes();
}

function picture(file) {
  const image = document.createElement("img");
  image.src = URL.createObjectURL(file);
  image.alt = "";
  image.dataset.fresh = "";
  image.addEventListener("load", () => URL.revokeObjectURL(image.src), { once: true });
  return image;
}

function showPictures() {
  const place = shown("images");
  for (const fresh of place.querySelectorAll("[data-fresh]")) fresh.remove();
  const kept = [...form.querySelectorAll("[data-keep]")];
  const old = [...place.querySelectorAll("img")];
  old.forEach((image, n) => {
    image.hidden = kept[n] ? !kept[n].checked : false;
  });
  const room = 9 - old.filter((image) => !image.hidden).length;
  place.append(...[...field("images").files].slice(0, Math.max(0, room)).map(picture));
  const count = [...place.querySelectorAll("img")].filter((image) => !image.hidden).length;
  place.className = `post-pictures n${count}`;
}

function showCover() {
  const [file] = field("cover").files;
  if (file) shown("cover").replaceChildren(picture(file));
}

// A long list of names is narrowed by typing; what is ticked always stays in sight.
function filterNames(input) {
  const words = input.value.trim().toLowerCase();
  for (const label of input.closest("[data-filtered]").querySelectorAll("fieldset label")) {
    const ticked = label.querySelector("input").checked;
    label.parentElement.hidden = !ticked && !label.textContent.toLowerCase().includes(words);
  }
}

if (form) {
  for (const input of form.querySelectorAll("[data-filter]")) {
    const names = input.closest("[data-filtered]").querySelectorAll("fieldset label");
    input.hidden = names.length <= 12;
    input.labels[0].hidden = input.hidden;
    input.addEventListener("input", () => filterNames(input));
  }
  form.addEventListener("input", showWords);
  form.addEventListener("change", (event) => {
    if (event.target.name === "images" || event.target.name === "keep") showPictures();
    if (event.target.name === "cover") showCover();
  });
  showWords();
}
