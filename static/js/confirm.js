// data-confirm="what will happen" on a form or its button asks first; so does hx-confirm.
// data-confirm-label names the button, best with the number: 发给 128 位客户.
const dialog = document.getElementById("confirm");
const accept = dialog.querySelector("[data-accept]");

// Answers the question that is on the screen; null while there is none.
let settle = null;

accept.addEventListener("click", () => {
  settle?.(true);
  dialog.close();
});

// The event comes after the dialog is gone; by then the next question may be on the screen.
dialog.addEventListener("close", () => {
  if (!dialog.open) settle?.(false);
});

function ask(text, label) {
  settle?.(false);
  dialog.querySelector("#confirm-text").textContent = text;
  accept.textContent = label || accept.dataset.default;
  dialog.showModal();
  accept.focus();
  return new Promise((answer) => {
    settle = (yes) => {
      settle = null;
      answer(yes);
    };
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
