// data-confirm="what will happen" on a form or its button asks first; so does hx-confirm.
// data-confirm-label names the button, best with the number: 发给 128 位客户.
const dialog = document.getElementById("confirm");
const accept = dialog.querySelector("[data-accept]");

function ask(text, label) {
  dialog.querySelector("#confirm-text").textContent = text;
  accept.textContent = label || accept.dataset.default;
  dialog.showModal();
  accept.focus();
  return new Promise((answer) => {
    const yes = () => {
      answer(true);
      dialog.close();
    };
    accept.addEventListener("click", yes, { once: true });
    dialog.addEventListener(
      "close",
      () => {
        accept.removeEventListener("click", yes);
        answer(false);
      },
      { once: true },
    );
  });
}

document.addEventListener(
  "submit",
  async (event) => {
    const form = event.target;
    const source = event.submitter?.dataset.confirm ? event.submitter : form;
    if (!source.dataset.confirm || form.dataset.confirmed) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (!(await ask(source.dataset.confirm, source.dataset.confirmLabel))) return;
    form.dataset.confirmed = "yes";
    form.requestSubmit(event.submitter);
    delete form.dataset.confirmed;
  },
  true,
);

document.body.addEventListener("htmx:confirm", async (event) => {
  if (!event.detail.question) return;
  event.preventDefault();
  if (await ask(event.detail.question, event.target.dataset.confirmLabel)) {
    event.detail.issueRequest(true);
  }
});
